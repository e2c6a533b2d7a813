"""The shared past: demonstrations that institutions share, read and indexed once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import normalise_text
from metachain.errors import NotFoundError
from metachain.learning.index import Index, InstitutionIndex
from metachain.learning.pool import Pool, make_pool
from metachain.learning.ridge import NormalEquations, PooledRidge
from metachain.library.library import Library
from metachain.library.origins import Reach
from metachain.progress import Progress, silent

__all__ = ["PastVersion", "SharedPast", "include", "pool_of", "read_shared_past", "released_demonstrations"]

CACHE = "shared past"
KEPT = 2**25
"""Bytes that live use keeps of past institutions' regressions and products: few are asked for again."""


class PastVersion(NamedTuple):
    """Version of a shared past: its demonstrations are the same as long as this is."""

    reach: Reach
    until: int
    """Its demonstrations came in with the first so many changes of demonstrations."""
    rules: int
    forgotten: int
    outdated: Mapping[str, frozenset[str]] = {}
    """Ids of the demonstrations that were left out, by institution."""


@dataclass(frozen=True, eq=False)
class SharedPast:
    """Demonstrations of past institutions with their search index. Made by ``read_shared_past``."""

    pool: Pool
    index: Index
    version: PastVersion
    whole: "SharedPast | None" = field(default=None, repr=False)
    """The past of which this is a part; None where it is whole."""
    _digests: dict[bytes, str] = field(default_factory=dict, repr=False)

    def part(self, reach: Reach) -> "SharedPast":
        """Return the past of some of its institutions; the index stays the same one. Made from a whole past only."""
        kept = [number for number, name in enumerate(self.pool.institutions) if name in reach.names]
        if len(kept) == len(self.pool.institutions) or not isinstance(self.index, InstitutionIndex):
            return self
        return SharedPast(self.pool.part(kept), self.index.part(kept), self.version._replace(reach=reach), self)

    @cached_property
    def regression(self) -> PooledRidge:
        """Pooled regression over these demonstrations; takes some tenths of a second, once."""
        whole = self.whole or self
        kept = [whole.pool.institutions.index(name) for name in self.pool.institutions]
        number = {name: place for place, name in enumerate(whole.pool.answers)}
        answers = np.array([number[name] for name in self.pool.answers], np.int64)
        return whole.regressions.solve(kept).renumbered(answers)

    @cached_property
    def regressions(self) -> NormalEquations:
        """Regressions over any of the institutions of a whole past."""
        return NormalEquations(self.pool, KEPT)

    def vectors_within(self, number: int) -> NDArray[np.float32]:
        """Hybrid vectors (n, d) of the rows of an institution, by its number in ``pool``; a part holds none itself."""
        whole = (self.whole or self).pool
        rows = whole.rows[whole.institutions.index(self.pool.institutions[number])]
        return whole.vectors[rows[0] : rows[-1] + 1]

    def vectors_of(self, institution: str) -> dict[str, NDArray[np.float32]]:
        """Hybrid vector (d,) of each normalised input of an institution, where the whole past holds it."""
        pool = (self.whole or self).pool
        if institution not in pool.institutions:
            return {}
        rows = pool.rows[pool.institutions.index(institution)].tolist()
        return {normalise_text(pool.demonstrations[row].input): pool.vectors[row] for row in rows}

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
    reach: Reach,
    until: int | None,
    read: Callable[[int], Sequence[Demonstration]],
    progress: Progress = silent,
    outdated: Mapping[str, frozenset[str]] | None = None,
) -> SharedPast:
    """Read and index the demonstrations within ``reach`` that came in up to the number ``until``; None for the present.

    ``read`` takes that number and returns them, at least one; those whose ids are ``outdated`` are left out. The
    library keeps the last shared past. It is used again for the same demonstrations, while no rule changes and nothing
    is forgotten.
    """
    present = library.content_version()
    number = present.demonstrations if until is None else until
    left_out = outdated or {}
    version = PastVersion(reach, number, present.rules, present.forgotten, left_out)
    kept = library.cache.get(CACHE)
    if isinstance(kept, SharedPast) and kept.version == version:
        return kept
    found = [one for one in read(number) if one.id not in left_out.get(one.institution, ())]
    pool = pool_of(library, found, progress=progress)
    library.cache[CACHE] = past = SharedPast(pool, InstitutionIndex(pool), version)
    return past


def released_demonstrations(library: Library, reach: Reach, until: int | None = None) -> tuple[Demonstration, ...]:
    """Demonstrations within reach. Raises NotFoundError for an institution without any."""
    found = library.reached_demonstrations(reach, until)
    for name in sorted(set(reach.released) - {one.institution for one in found}):
        library.demonstrations(name)
        raise NotFoundError(f"no demonstration of {name!r} has been released; release some: metachain review LIBRARY")
    return found


def pool_of(
    library: Library,
    demonstrations: Sequence[Demonstration],
    answers: Sequence[str] = (),
    *,
    progress: Progress = silent,
) -> Pool:
    """Turn demonstrations of a library into arrays; texts without a stored vector are embedded."""
    return make_pool(demonstrations, library.hybrid_vectors(demonstrations, progress), answers, library.label_separator)


def include(digest: Any, demonstrations: Sequence[Demonstration]) -> None:
    """Feed demonstrations to a ``hashlib`` hash."""
    for one in demonstrations:
        digest.update(f"\0{one.institution}\0{one.id}\0{one.input}\0{one.output}".encode())
