"""Times in UTC as a library stores them: texts of one width, so that their order is the order of time."""

from datetime import UTC, datetime

from metachain.errors import DataError

__all__ = ["format_moment", "now", "parse_moment", "parse_moment_option"]

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def now() -> str:
    """The current time, to the second."""
    return format_moment(datetime.now(UTC))


def format_moment(at: datetime) -> str:
    """A time with a time zone, in ISO 8601."""
    return at.astimezone(UTC).strftime(FORM)


def parse_moment(words: str) -> datetime:
    """Parse a text of ``format_moment``."""
    return datetime.strptime(words, FORM).replace(tzinfo=UTC)


def parse_moment_option(option: str, words: str, also: str = "") -> datetime:
    """Day or time given to an option of the command line, in UTC unless it names another zone.

    Raises DataError for anything else; the message begins its list of accepted values with ``also``.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(f"{option} must be {also}a day or a moment such as 2027-12-31, got {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
