"""Moments in UTC, as a library keeps them: texts of one width, so that they compare as they are sorted."""

from datetime import UTC, datetime

__all__ = ["moment", "now", "read_moment"]

FORM = "%Y-%m-%dT%H:%M:%SZ"


def now() -> str:
    """The present one, to the second."""
    return moment(datetime.now(UTC))


def moment(at: datetime) -> str:
    """A moment that has a time zone, as ISO 8601."""
    return at.astimezone(UTC).strftime(FORM)


def read_moment(words: str) -> datetime:
    """Back from ``moment``."""
    return datetime.strptime(words, FORM).replace(tzinfo=UTC)
