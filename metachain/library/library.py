"""The persistent collection of institutions and their demonstrations, in an SQLite file or in PostgreSQL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from metachain.data.demonstration import Demonstration, check_text
from metachain.embedding.encoder import Encoder, MiniLM
from metachain.errors import DataError
from metachain.library.api_keys import Keys
from metachain.library.artifacts import Artifacts, list_answers, listed_answers
from metachain.library.audit import Audit
from metachain.library.bulk import with_keys
from metachain.library.connect import open_engine
from metachain.library.demonstrations import (
    Added,
    AdmissionGate,
    Refused,
    apply_gate,
    count_by_institution,
    from_row,
    insert_correction,
    insert_demonstrations,
    institutions_with,
    load_demonstrations,
    load_page,
    load_shared,
)
from metachain.library.engine import KEEPER, Viewer, place_of, reading, writing
from metachain.library.erasure import Doomed, Erased, erase, receipts_of, scrub
from metachain.library.outcomes import Outcome, Outcomes, apply_feedback
from metachain.library.revisions import State, revision, state_of
from metachain.library.schema import demonstrations as table
from metachain.library.sharing import Grant, Sharing
from metachain.library.vector_index import build
from metachain.library.vector_search import Near, nearest_keys
from metachain.library.vectors import Vectors
from metachain.progress import Progress, silent
from metachain.workers import HERE, Workers

__all__ = ["Added", "Library"]


class Library:
    """Institutions' demonstrations, their embeddings, and what was learned from them."""

    def __init__(
        self,
        engine: Engine,
        encoder: Encoder,
        purpose: str = "",
        gate: AdmissionGate | None = None,
        *,
        audit: bool = True,
        workers: Workers = HERE,
    ) -> None:
        self._engine = engine
        self._vectors = Vectors(engine, encoder, workers)
        self._artifacts = Artifacts(engine)
        self._gate = gate
        self.outcomes = Outcomes(engine)
        """What models answered and earned."""
        self.sharing = Sharing(engine, purpose)
        """Who may use what of whom."""
        self.audit = Audit(engine, recording=audit)
        """Who was shown whose demonstrations."""
        self.keys = Keys(engine)
        """Who may ask a server of the library."""

    @classmethod
    def open(
        cls,
        place: str | Path,
        encoder: Encoder | None = None,
        *,
        create: bool = True,
        purpose: str = "",
        gate: AdmissionGate | None = None,
        audit: bool = True,
        workers: Workers = HERE,
    ) -> Self:
        """Open the library at a path or a PostgreSQL address, making an empty one where there is none.

        It is made only where ``create`` is set. ``purpose`` is what others' demonstrations are used for: what they
        share for other purposes alone is not to be had. ``gate`` is passed by every demonstration on its way in, such
        as ``metachain.deidentification.gate.Gate("redact")``. Selections are recorded in ``audit`` unless that is
        False. ``workers`` embed where there is much to embed. Raises NotFoundError, LibraryError, StorageError or
        DataError, each of which names the place and says what to do.
        """
        return cls(open_engine(place, create=create), encoder or MiniLM(), purpose, gate, audit=audit, workers=workers)

    def close(self) -> None:
        """Let go of the file or the connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def place(self) -> str:
        """Its path or address, of the latter without the password."""
        return place_of(self._engine)

    @property
    def encoder(self) -> Encoder:
        """What embeds this library's texts."""
        return self._vectors.encoder

    def add(
        self,
        demonstrations: Iterable[Demonstration],
        *,
        share: Grant | None = None,
        refused: Refused | None = None,
    ) -> Added:
        """Store demonstrations in one transaction: when this returns all of them are on disk, if it raises none is.

        Adding one again changes nothing. ``share`` is what those of their institutions allow that have never said what
        they do; without it they share with nobody. Raises DataError where an id of an institution is taken by another
        text, or the gate refuses one; with ``refused`` that is told, and the others are stored.
        """
        with writing(self._engine, KEEPER, alone=True) as connection:
            return insert_demonstrations(connection, self._gate, demonstrations, share, refused)

    def record_feedback(
        self, selection_id: str | UUID, score: float | None = None, *, correction: str | None = None
    ) -> Outcome:
        """Say what an answer of a chain earned; it counts in the institution's next selection. Returns the outcome.

        ``selection_id`` is the run's, which ``metachain.chains.FeedbackRecorder`` has recorded. A bare ``score`` in
        [0, 1], the probability that the answer is what the institution would say, is soft evidence. A ``correction`` is
        what the institution says, also where the answer was right: it becomes one of its demonstrations, with an id
        made of the selection's. What is given again replaces what was given before, the rest stays; the same again
        changes nothing. It is one transaction: all of it is on disk when this returns, if it raises none is. Raises
        DataError for neither of the two, a score that is no such number or a blank correction, and NotFoundError for
        an id of no recorded run.
        """
        if score is None and correction is None:
            raise DataError("feedback must be a score, a correction or both; got neither")
        id = str(selection_id)
        if correction is not None:
            check_text("correction", correction)
            correction = apply_gate(self._gate, Demonstration("any", "any", correction)).output
        with writing(self._engine, KEEPER, alone=correction is not None) as connection:
            changed = apply_feedback(connection, id, score, correction)
            if changed is not None and correction is not None:
                insert_correction(connection, self._gate, changed, correction)
        return changed or self.outcomes.get(id)

    def erase(self, doomed: Doomed) -> Erased | None:
        """Take demonstrations out, with all that may depend on them (``erasure.erase``), in one transaction.

        What was learned is gone then; ``metachain.learning.unlearning.forget`` does this and learns again. None where
        there was nothing.
        """
        with writing(self._engine, KEEPER, alone=True) as connection:
            return erase(connection, doomed)

    def scrub(self) -> bool:
        """Let no byte of what was deleted stay in the database's files; says whether that could be done now."""
        self._vectors.remove_file()
        return scrub(self._engine)

    def receipts(self) -> list[Erased]:
        """What was erased so far, the oldest first."""
        with reading(self._engine) as connection:
            return receipts_of(connection)

    def holders(self, id: str) -> tuple[str, ...]:
        """Institutions that have a demonstration of an id, in alphabetical order."""
        with reading(self._engine, KEEPER) as connection:
            return institutions_with(connection, id)

    def learned(self) -> tuple[str, ...]:
        """Names of what was learned or listed, in alphabetical order."""
        return self._artifacts.names()

    def revision(self, institution: str) -> int:
        """How often this institution's demonstrations, list of answers or outcomes have changed; 0 or more."""
        check_text("institution", institution)
        return revision(self._engine, institution)

    def state(self, institution: str) -> State:
        """What an institution's selector depends on, in numbers that only grow."""
        check_text("institution", institution)
        with reading(self._engine) as connection:
            return state_of(connection, institution)

    def check_writable(self) -> None:
        """Find out before long work whether its result can be stored. Raises StorageError."""
        self._artifacts.check_writable()

    def counts(self) -> dict[str, int]:
        """Number of demonstrations by institution, in alphabetical order."""
        with reading(self._engine, KEEPER) as connection:
            return count_by_institution(connection)

    def institutions(self) -> tuple[str, ...]:
        """Names of all institutions, in alphabetical order."""
        return tuple(self.counts())

    def demonstrations(self, *institutions: str) -> tuple[Demonstration, ...]:
        """Demonstrations of the institutions named (of all, where none is), ordered by institution and id.

        This is for the library's keeper, whatever the rules; ``shared_demonstrations`` is what an institution may use.
        Raises NotFoundError for an institution that has none.
        """
        for name in institutions:
            check_text("institution", name)
        with reading(self._engine, KEEPER) as connection:
            return load_demonstrations(connection, institutions)

    def shared_demonstrations(self, institution: str, among: Iterable[str] = ()) -> tuple[Demonstration, ...]:
        """What others share with an institution now, of those named ``among`` (of all, where none is), in that order.

        Its own demonstrations are left out. Where nobody shares with it there are none.
        """
        names = list(among)
        for name in (institution, *names):
            check_text("institution", name)
        with reading(self._engine, Viewer(institution, self.sharing.purpose)) as connection:
            return load_shared(connection, institution, self.sharing.allowing(institution), names)

    def index(self) -> int:
        """Build what ``nearest`` searches in PostgreSQL, for this encoder; how many demonstrations it holds.

        Those that were never embedded are left out until they are. It is kept current from then on, and built anew
        where that was interrupted. A million take minutes, in which others may read and write. Raises DataError for an
        SQLite file, and for vectors that are too long.
        """
        return build(self._engine, self.encoder.fingerprint, self.encoder.encode(["size"]).shape[1])

    def nearest(
        self, institution: str, vectors: NDArray[np.float32], k: int, among: Iterable[str] = ()
    ) -> tuple[tuple[Near, ...], ...]:
        """Of each of n unit vectors (n, d) the ``k`` nearest demonstrations that an institution may use, nearest first.

        Those are its own and what others share with it now, of institutions named ``among`` (of all, where none is),
        as far as this encoder has embedded them. The database finds them, so that nobody's vectors are loaded: by the
        index (``index``), or exactly where there is none or few are admitted, and in an SQLite file. There are fewer
        than ``k`` only where fewer may be used. Ties go by institution and id. Raises DataError for vectors that are no
        (n, d) finite numbers, or a ``k`` under 1.
        """
        names = set(among)
        for name in (institution, *names):
            check_text("institution", name)
        vectors = np.ascontiguousarray(vectors, np.float32)
        if vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():
            raise DataError(f"vectors must be finite numbers of shape (n, d), got shape {vectors.shape}")
        if k < 1:
            raise DataError(f"k must be 1 or more, got {k}")
        with reading(self._engine, Viewer(institution, self.sharing.purpose)) as connection:
            admitted = {institution, *connection.execute(self.sharing.allowing(institution)).scalars()}
            admitted &= names or admitted
            found = nearest_keys(connection, self.encoder.fingerprint, sorted(admitted), vectors, k)
            keys = sorted({key[:2] for keys in found for key in keys})
            rows = connection.execute(with_keys(connection, table, keys)) if keys else ()
            held = {one.key: one for one in map(from_row, rows)}
        return tuple(tuple(Near(held[key[:2]], key[2]) for key in keys) for keys in found)

    def stream(self, institution: str) -> Iterator[Demonstration]:
        """Demonstrations of one institution, ordered by id, a page of them held at a time; nothing is locked."""
        check_text("institution", institution)
        last = ""
        while True:
            with reading(self._engine, KEEPER) as connection:
                page = load_page(connection, institution, last)
            if not page:
                return
            yield from page
            last = page[-1].id

    def vectors(self, demonstrations: Sequence[Demonstration], progress: Progress = silent) -> NDArray[np.float32]:
        """Dense unit vectors (n, d) of the demonstrations' inputs; each text is embedded once in the library's life."""
        return self._vectors.dense([one.input for one in demonstrations], progress)

    def hybrid_vectors(
        self, demonstrations: Sequence[Demonstration], progress: Progress = silent
    ) -> NDArray[np.float32]:
        """Hybrid vectors (n, d + 512) of the demonstrations' inputs (``similarity.hybrid_vectors``).

        Those of many texts are kept in a file beside an SQLite library, from which they are read the next time.
        """
        return self._vectors.hybrid([one.input for one in demonstrations], progress)

    def save(
        self,
        name: str,
        header: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        changes: Iterable[str] = (),
        *,
        counts: str = "",
    ) -> None:
        """Store a learned artefact under a name (JSON header, npz arrays), replacing what was there.

        ``changes`` names the institutions whose ``revision`` moves on with it, ``counts`` a counter of ``State``.
        """
        self._artifacts.save(name, header, arrays, changes, counts=counts)

    def list_answers(self, institution: str, answers: Iterable[str]) -> tuple[str, ...]:
        """Store which answers an institution gives at all, such as its list of codes, replacing the list before.

        Returns them once each, in alphabetical order. An empty list forgets the one before. Raises DataError that
        names the position of one that is blank or no text.
        """
        return list_answers(self._artifacts, institution, answers)

    def listed_answers(self, institution: str) -> tuple[str, ...]:
        """Answers that an institution gives at all, in alphabetical order; empty where no list was given."""
        return listed_answers(self._artifacts, institution)

    def load(self, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Read an artefact back. Raises NotFoundError where there is none, LibraryError where it is damaged."""
        return self._artifacts.load(name)
