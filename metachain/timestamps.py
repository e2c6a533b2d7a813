"""Moments in UTC as a library stores them: texts of one width, so that the order of texts is the order of time."""

import re
from datetime import UTC, datetime, timedelta

from metachain.errors import DataError

__all__ = ["checked_moment", "format_moment", "now", "parse_age_option", "parse_duration", "parse_moment"]
__all__ += ["parse_moment_option", "this_minute"]

FORMAT = "%Y-%m-%dT%H:%M:%SZ"
DURATION = re.compile(r"([0-9]{1,6})([dh])")
UNITS = {"d": "days", "h": "hours"}


def now() -> str:
    """Format the present moment, to the second."""
    return format_moment(datetime.now(UTC))


def this_minute() -> str:
    """Format the beginning of the present minute."""
    return format_moment(datetime.now(UTC).replace(second=0))


def format_moment(at: datetime) -> str:
    """Format a moment with a time zone as ISO 8601 in UTC."""
    return at.astimezone(UTC).strftime(FORMAT)


def checked_moment(name: str, at: datetime) -> str:
    """Format the argument ``name``. Raises DataError where it has no time zone."""
    if at.tzinfo is None:
        raise DataError(f"{name!r} must have a time zone, such as UTC, got {at}")
    return format_moment(at)


def parse_moment(text: str) -> datetime:
    """Parse the output of ``format_moment``."""
    return datetime.strptime(text, FORMAT).replace(tzinfo=UTC)


def parse_duration(text: str) -> timedelta | None:
    """Parse a duration such as ``90d`` or ``12h``; None for anything else."""
    found = DURATION.fullmatch(text)
    return None if found is None else timedelta(**{UNITS[found[2]]: int(found[1])})


def parse_moment_option(option: str, text: str, also: str = "") -> datetime:
    """Parse an option of the command line: a day or a moment, in UTC unless a time zone is given.

    Raises DataError for anything else. ``also`` names in the message other values that the option takes.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(f"{option} must be {also}a day or a moment such as 2027-12-31, got {text!r}") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_age_option(option: str, age: str) -> datetime:
    """Moment that lies an age such as ``90d`` or ``12h`` before now, or the moment given.

    Raises DataError for anything else.
    """
    found = parse_duration(age)
    if found is None:
        return parse_moment_option(option, age, "an age such as 90d or 12h, or ")
    try:
        return datetime.now(UTC) - found
    except OverflowError:
        raise DataError(f"{option} reaches back before the calendar begins: {age!r}; give a smaller age") from None
