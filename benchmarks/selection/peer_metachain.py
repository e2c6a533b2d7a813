"""metachain's whole learned selection, as one of benchmarks/selection/peers.py.

This is the selection that users get; benchmarks/selection/latency.py describes it and measures it at more sizes. It
adds the hashed character n-grams of the text to the others' vectors, so it searches 896 numbers a demonstration, and
the others 384. The prior is drawn (benchmarks/learning/cost.py measures learning).

It takes no filter with a query: sharing rules decide which demonstrations an institution may use. Here one institution
asks for each filter, and the institutions that the filter admits share with it. Its own 16 labels may be shown too.

By default it shows fewer than it found if the likeliest answer has too few demonstrations. ``all_of`` shows the nearest
of all, which proves that the filter lost none.
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
NEAREST = Policy(nearest=True)
COMPARED = 16
"""Queries whose candidates are compared with an exact search."""


class Known:
    """Encoder that looks up precomputed vectors."""

    fingerprint = "looked-up/384"

    def __init__(self, data: Data) -> None:
        asked = [one.vector for one in data.queries], [one.vector for one in data.labels]
        self._held = {"demonstration": data.vectors, "query": np.array(asked[0]), "label": np.array(asked[1])}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Look up n texts; (n, 384)."""
        kinds = (text.split() for text in texts)
        return np.array([self._held[kind][int(number)] for kind, number in kinds], np.float32).reshape(-1, 384)


class Learned:
    """A library, and a selector for each filter.

    Calling it returns row numbers of the data, best first; higher numbers are labels of the asking institution.
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
        """Select, as a chain does before it calls its model."""
        return self._rows(self._selectors[allowed].select(query.text, k))

    def all_of(self, query: Query, allowed: Allowed, k: int) -> Sequence[int]:
        """Select by similarity alone, so that all that were found are shown."""
        [found] = self._selectors[allowed].show(
            lambda chooser: [replace(chooser, policy=NEAREST).choose(query.text, k)]
        )
        return self._rows(found)

    def recall_at_50(self, allowed: Allowed) -> float:
        """Share of an exact search's results among the candidates (benchmarks/selection/latency.py)."""
        selector, queries = self._selectors[allowed], self._data.queries[:COMPARED]
        asked = hybrid_vectors(
            np.array([one.vector for one in queries]), lexical_vectors([one.text for one in queries])
        )
        return recall_at_50(selector, selector.current()[0].past.pool.vectors, asked)

    def close(self) -> int:
        """Close the library and count the audit's entries in its file.

        Raises SystemExit if a selection has no entry.
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
