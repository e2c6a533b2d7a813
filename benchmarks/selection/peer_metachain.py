"""metachain's whole learned selection, as one of benchmarks/selection/peers.py.

It is what users get, and what benchmarks/selection/latency.py measures at more sizes: the library's state is looked at,
past institutions are searched, replies, posterior and choice are computed, reasons written, permission asked once more,
and the audit entry stored. It has the others' vectors, to which it adds the hashed letters of the text, so that it
searches 896 numbers a demonstration where they search 384. The prior is drawn (learning is
benchmarks/learning/cost.py).

It takes no filter with a query. Whose demonstrations may be found is what institutions share with the one that asks:
here one asks for each filter, with which those share that the filter admits. Its own 16 labels may be shown too.

By default it shows fewer than it found where the others contradict the answer that it holds for right. That none is
lost to the filter is told by ``all_of``, which shows those too.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.synthetic_vectors import ADMITTED, Allowed, Data, Query
from benchmarks.selection.latency import drawn_prior, recall_at_50
from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.learning.institution_state import SharedPastCache
from metachain.learning.policy import Policy
from metachain.learning.posterior import adapt
from metachain.library.library import Library
from metachain.library.sharing import Audience, Grant
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector

__all__ = ["Learned"]

BATCH = 50_000
CONTRADICTED = Policy(kept_share=0.0)
COMPARED = 16
"""Queries whose candidates are compared with an exact search."""


class Known:
    """An encoder whose vectors are there already."""

    fingerprint = "looked-up/384"

    def __init__(self, data: Data) -> None:
        asked = [one.vector for one in data.queries], [one.vector for one in data.labels]
        self._held = {"demonstration": data.vectors, "query": np.array(asked[0]), "label": np.array(asked[1])}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Look n texts up; (n, 384)."""
        kinds = (text.split() for text in texts)
        return np.array([self._held[kind][int(number)] for kind, number in kinds], np.float32).reshape(-1, 384)


class Learned:
    """A library, and a selector for each filter.

    Calling it gives row numbers of the data, best first; after them are numbered the labels of the institution that
    asks.
    """

    def __init__(self, data: Data) -> None:
        self._data = data
        self._folder = TemporaryDirectory(prefix="learned-")
        self._encoder = Known(data)
        self._place = Path(self._folder.name) / "hospitals.db"
        self._library = Library.open(self._place, self._encoder)
        self._fill()
        prior = drawn_prior(data.names, Known.fingerprint)
        pasts = SharedPastCache()
        self._selectors = {
            self._allowed(share): Selector(self._library, adapt(prior, self._library, _asking(share)), pasts=pasts)
            for share in ADMITTED
        }
        self._handed_out: list[str] = []

    def __call__(self, query: Query, allowed: Allowed, k: int) -> Sequence[int]:
        """Select, as a chain does before it asks its model."""
        return self._rows(self._selectors[allowed].select(query.text, k))

    def all_of(self, query: Query, allowed: Allowed, k: int) -> Sequence[int]:
        """Select, and show what contradicts too."""
        [found] = self._selectors[allowed].show(
            lambda chooser: [replace(chooser, policy=CONTRADICTED).choose(query.text, k)]
        )
        return self._rows(found)

    def recall_at_50(self, allowed: Allowed) -> float:
        """How much of an exact search is among the candidates (benchmarks/selection/latency.py)."""
        selector, queries = self._selectors[allowed], self._data.queries[:COMPARED]
        asked = hybrid_vectors(
            np.array([one.vector for one in queries]), lexical_vectors([one.text for one in queries])
        )
        return recall_at_50(selector, selector._current()[0].past.pool.vectors, asked)

    def close(self) -> int:
        """Close the library and count, in the file that is left, the audit's entries.

        Raises SystemExit where a selection has none.
        """
        self._library.close()
        with Library.open(self._place, self._encoder, create=False) as library:
            found = {one.id for one in library.audit.entries()}
        self._folder.cleanup()
        if lost := set(self._handed_out) - found:
            raise SystemExit(f"{len(lost)} of {len(self._handed_out)} selections have no entry in the audit")
        return len(found)

    def _fill(self) -> None:
        data = self._data
        for start in range(0, len(data.vectors), BATCH):
            rows = range(start, min(start + BATCH, len(data.vectors)))
            names = (data.names[data.places[row]] for row in rows)
            self._library.add(
                Demonstration(name, data.text(row), data.codes[row], id=str(row))
                for name, row in zip(names, rows, strict=True)
            )
        admitted = {name: [one for one in ADMITTED if name in self._names(one)] for name in data.names}
        self._library.sharing.state_all(
            {
                name: [
                    Grant(Audience("institution", tuple(map(_asking, shares)))),
                    Grant(Audience("everyone"), "statistics"),
                ]
                for name, shares in admitted.items()
            }
        )
        for share in ADMITTED:
            labels = enumerate(data.labels)
            self._library.add(Demonstration(_asking(share), one.text, one.code, id=str(n)) for n, one in labels)

    def _allowed(self, share: str) -> Allowed:
        return None if ADMITTED[share] is None else self._names(share)

    def _names(self, share: str) -> tuple[str, ...]:
        return self._data.names[: ADMITTED[share]]

    def _rows(self, found: Selection) -> list[int]:
        self._handed_out.append(found.id)
        return [self._row(one) for one in reversed(found.demonstrations)]

    def _row(self, one: Demonstration) -> int:
        past = one.institution in self._data.names
        return int(one.id) if past else len(self._data.vectors) + int(one.id)


def _asking(share: str) -> str:
    return f"asking, {share}"
