"""Moments in UTC, as a library keeps them: texts of one width, so that they compare as they are sorted."""

from datetime import UTC, datetime

from metachain.errors import DataError

__all__ = ["format_moment", "now", "parse_moment", "parse_moment_option"]

FORM = "%Y-%m-%dT%H:%M:%SZ"


def now() -> str:
    """The present one, to the second."""
    return format_moment(datetime.now(UTC))


def format_moment(at: datetime) -> str:
    """A moment that has a time zone, as ISO 8601."""
    return at.astimezone(UTC).strftime(FORM)


def parse_moment(words: str) -> datetime:
    """Back from ``format_moment``."""
    return datetime.strptime(words, FORM).replace(tzinfo=UTC)


def parse_moment_option(option: str, words: str, also: str = "") -> datetime:
    """What an option of the command line says: a day or a moment, in UTC unless it says otherwise.

    Raises DataError for anything else; ``also`` is what the option takes beside it.
    """
    try:
        found = datetime.fromisoformat(words)
    except ValueError:
        raise DataError(f"{option} must be {also}a day or a moment such as 2027-12-31, got {words!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
