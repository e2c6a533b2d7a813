"""Records of keys: the last use of each, and keys that were refused; no request waits for them."""

import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock

from metachain.errors import MetachainError
from metachain.library.api_keys import Key
from metachain.library.caller import Caller, called_by
from metachain.library.library import Library
from metachain.timestamps import this_minute

__all__ = ["KeyUse"]

logger = logging.getLogger("metachain.server")

SECRET = re.compile(r"mc_([0-9a-f]{12})_")
"""Beginning of a secret, with the key's id."""
REFUSALS_A_MINUTE = 10
"""Maximum number of refused keys that a worker records in a minute, so that a flood of them can't fill the disk."""


class KeyUse:
    """Writes in a thread of its own; safe to share among threads."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._writer = ThreadPoolExecutor(1, "key-use")
        self._lock = Lock()
        self._marked: dict[str, str] = {}
        self._refused: set[str] = set()
        self._minute, self._unrecorded = 0, 0

    def accepted(self, key: Key) -> None:
        """Record the last use of a key, at most once a minute."""
        minute = this_minute()
        with self._lock:
            if not key.id or (key.used or "") >= minute or self._marked.get(key.id) == minute:
                return
            self._marked[key.id] = minute
        self._write(partial(self._library.keys.mark_used, key.id))

    def refused(self, secret: str | None, request: str) -> None:
        """Record a refused key by its id, empty for a secret of another form; without a key nothing is recorded.

        Each id is recorded at most once a minute, and at most ten of them; the next record tells the number of others.
        """
        if secret is None:
            return
        found = SECRET.match(secret)
        id, minute = found[1] if found else "", int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._minute, self._refused = minute, set()
            if id in self._refused or len(self._refused) >= REFUSALS_A_MINUTE:
                self._unrecorded += 1
                return
            self._refused.add(id)
            others, self._unrecorded = self._unrecorded, 0
        detail = {"id": id, "unrecorded before": others}
        self._write(partial(self._note, Caller(request=request), detail))

    def close(self) -> None:
        """Wait until all is written."""
        self._writer.submit(int).result()

    def _note(self, one: Caller, detail: dict[str, object]) -> None:
        with called_by(one):
            self._library.audit.note("key refused", detail=detail)

    def _write(self, write: Callable[[], None]) -> None:
        def writing() -> None:
            try:
                write()
            except MetachainError as error:
                logger.warning("the use of a key was not recorded: %s", type(error).__name__)

        self._writer.submit(writing)
