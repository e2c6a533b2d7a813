"""The shared past: demonstrations that institutions share, read and indexed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from metachain.data.demonstration import Demonstration
from metachain.learning.index import InstitutionIndex
from metachain.learning.pool import Pool, make_pool
from metachain.library.library import Library
from metachain.progress import Progress, silent

__all__ = ["SharedPast", "include", "pool_of", "read_shared_past"]

CACHE = "shared past"


@dataclass(frozen=True, eq=False)
class SharedPast:
    """Demonstrations of past institutions with their search index. Made by ``read_shared_past``."""

    pool: Pool
    index: InstitutionIndex
    version: tuple[int, int]
    """``Library.content_version`` of its institutions before it was read."""
    _digests: dict[bytes, str] = field(default_factory=dict, repr=False)

    def digest(self, key: bytes, learned: Callable[[], Any]) -> str:
        """SHA-256 of a prior and these demonstrations, in hexadecimal digits; computed once for each prior.

        ``key`` identifies the prior (``Prior.key``); ``learned`` makes a ``hashlib`` hash of it (``Prior.hash``).
        """
        if key not in self._digests:
            digest = learned()
            include(digest, self.pool.demonstrations)
            self._digests[key] = digest.hexdigest()
        return self._digests[key]


def read_shared_past(
    library: Library,
    institutions: Sequence[str],
    read: Callable[[], Sequence[Demonstration]],
    progress: Progress = silent,
) -> SharedPast:
    """Read and index the demonstrations of ``institutions``, in alphabetical order.

    ``read`` returns them, at least one. The library keeps the last shared past. It is used again while the
    institutions' demonstrations are unchanged and nothing was forgotten.
    """
    version = library.content_version(institutions)
    kept = library.cache.get(CACHE)
    if isinstance(kept, SharedPast) and (kept.version, kept.pool.institutions) == (version, tuple(institutions)):
        return kept
    pool = pool_of(library, read(), progress=progress)
    library.cache[CACHE] = past = SharedPast(pool, InstitutionIndex(pool), version)
    return past


def pool_of(
    library: Library,
    demonstrations: Sequence[Demonstration],
    answers: Sequence[str] = (),
    *,
    progress: Progress = silent,
) -> Pool:
    """Turn demonstrations of a library into arrays; texts without a stored vector are embedded."""
    return make_pool(demonstrations, library.hybrid_vectors(demonstrations, progress), answers)


def include(digest: Any, demonstrations: Sequence[Demonstration]) -> None:
    """Feed demonstrations to a ``hashlib`` hash."""
    for one in demonstrations:
        digest.update(f"\0{one.institution}\0{one.id}\0{one.input}\0{one.output}".encode())
