"""Readiness of a server: whether its encoder is warm, and its library has learned and can be written now."""

import asyncio
import logging
from concurrent.futures import Future
from threading import Thread
from time import monotonic

from metachain.errors import BusyError
from metachain.failures import facts_of
from metachain.learning.artifacts import has_learned
from metachain.library.library import Library

__all__ = ["Readiness"]

logger = logging.getLogger("metachain.server")

SECONDS = 1.5
"""Maximum time until an answer."""
FRESH_SECONDS = 1.0
"""Time for which a finding holds, so that many who ask cost one write a second."""


class Readiness:
    """Finds out in a thread of its own whether a library can be asked, so that nothing that hangs delays the answer."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._warm = False
        self._found: Future[str] | None = None
        self._at = 0.0

    def begin(self) -> "Future[str]":
        """Find out in a new thread, unless one is at it or has just done so; the first warms the encoder."""
        known = self._found
        if known is None or (known.done() and monotonic() - self._at > FRESH_SECONDS):
            known = self._found = Future()
            # A thread of a pool would be waited for at the end of the process.
            Thread(target=self._find, args=[known], name="metachain-readiness", daemon=True).start()
        return known

    async def problem(self) -> str:
        """Say within two seconds what is in the way of answers now; empty if nothing is."""
        found = asyncio.wrap_future(self.begin())
        await asyncio.wait([found], timeout=SECONDS)
        if found.done():
            return found.result()
        return "the library does not answer" if self._warm else "the encoder is warming up"

    def _find(self, found: "Future[str]") -> None:
        try:
            problem = self._tried()
        except Exception as error:  # noqa: BLE001 - whatever it is, the server is not ready, and the log says why
            logger.warning("not ready", extra=facts_of(error))
            problem = str(error) if isinstance(error, BusyError) else "the library can't be read and written"
        self._at = monotonic()
        found.set_result(problem)

    def _tried(self) -> str:
        if not self._warm:
            self._library.encoder.encode(["warm"])
            self._warm = True
        if not has_learned(self._library):
            return "the library has not learned: metachain learn"
        self._library.check_writable()
        return ""
