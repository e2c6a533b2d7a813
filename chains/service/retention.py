"""Retention: a server deletes old answers without feedback by itself."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from metachain.errors import DataError, MetachainError
from metachain.failures import facts_of
from metachain.library.library import Library
from metachain.timestamps import parse_age_option, parse_duration

__all__ = ["checked_age", "keep_answers"]

logger = logging.getLogger("metachain.server")

HOUR = 3600.0


def checked_age(text: str) -> timedelta | None:
    """Read an age such as ``90d`` or ``12h``; None for an empty text. Raises DataError for anything else."""
    if not text:
        return None
    age = parse_duration(text)
    if not age:
        raise DataError(f"--keep-answers must be an age such as 90d or 12h, got {text!r}")
    parse_age_option("--keep-answers", text)
    return age


async def keep_answers(library: Library, age: timedelta, every: float = HOUR) -> None:
    """Delete answers without feedback that are older than ``age``, at once and then each ``every`` seconds."""
    while True:
        try:
            count = await asyncio.to_thread(library.outcomes.prune, datetime.now(UTC) - age)
            logger.info("answers pruned", extra={"answers": count})
        except MetachainError as error:
            logger.warning("answers not pruned", extra=facts_of(error))
        await asyncio.sleep(every)
