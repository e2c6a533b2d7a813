"""The persistent collection of institutions and their demonstrations, in an SQLite file or in PostgreSQL."""

# Longer than 300 lines: the class is the front door of the library, and its methods hand on to this room's modules.

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from metachain.data.demonstration import Demonstration, check_text, checked_name
from metachain.data.look_alikes import look_alikes_of
from metachain.embedding.encoder import Encoder, MiniLM
from metachain.errors import DataError, NotFoundError
from metachain.label_sets import LabelSets, label_sets
from metachain.library import demonstrations as stored
from metachain.library.answer_lists import check_known, known_labels
from metachain.library.api_keys import Keys
from metachain.library.artifacts import Artifacts, checked_answers, list_answers, listed_answers
from metachain.library.audit import Audit, complete_entry
from metachain.library.audit_chain import note
from metachain.library.database.commit_group import CommitGroup
from metachain.library.database.connect import open_engine
from metachain.library.database.engine import KEEPER, Connections, Viewer, place_of, reading, writing
from metachain.library.database.schema import demonstrations
from metachain.library.demonstrations import Added, AdmissionGate, Refused
from metachain.library.erasure import Doomed, Erased, erase, receipts_of, scrub
from metachain.library.joining import Joined, join_institutions, join_labels, join_sets
from metachain.library.label_separator import separator_in, set_text, store_separator
from metachain.library.likeness import LookAlikes, known_names, look_alikes_in
from metachain.library.opaque_ids import OpaqueIds
from metachain.library.origins import Origin, Reach
from metachain.library.outcomes import Outcome, Outcomes, apply_feedback, store_outcomes
from metachain.library.review import Review
from metachain.library.revisions import ContentVersion, State, content_version, state_of
from metachain.library.sharing import Grant, Sharing
from metachain.library.vector_index import build
from metachain.library.vector_search import Near, checked_query, nearest
from metachain.library.vectors import Vectors
from metachain.normal_form import label_form, normal_form
from metachain.progress import Progress, silent
from metachain.workers import HERE, Workers

__all__ = ["Added", "Library"]


class Library:
    """Demonstrations of institutions, their embeddings, and everything learned from them."""

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
        self.place = place_of(engine)
        """Path or address of the library; the address without its password."""
        self.encoder = encoder
        self._engine = engine
        self._vectors = Vectors(engine, encoder, workers)
        self._artifacts = Artifacts(engine)
        self._gate = gate
        self.outcomes = Outcomes(engine)
        self.sharing = Sharing(engine, purpose)
        self._together = CommitGroup(engine)
        self.audit = Audit(engine, recording=audit, together=self._together)
        self.keys = Keys(engine)
        self.review = Review(engine)
        self.opaque_ids = OpaqueIds(engine)
        self._separator = ""
        self.cache: dict[str, object] = {}
        """Objects made from the library's content, by name; each user checks that its own is current."""

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
        connections: Connections | None = None,
        label_separator: str = "",
    ) -> Self:
        """Open the library at a path or a PostgreSQL address; make an empty one if none is there.

        With ``create=False`` no library is made. ``purpose`` is the use of other institutions' demonstrations; grants
        that are limited to other purposes do not count. Every new demonstration passes the ``gate``, such as
        ``metachain.deidentification.gate.Gate("redact")``. Each selection is recorded in ``audit`` unless that is
        False. ``workers`` embed large numbers of texts. ``connections`` limit those to the database.
        With a ``label_separator`` answers are sets of labels (``separate_labels``). Raises NotFoundError, LibraryError,
        StorageError or DataError.
        """
        engine = open_engine(place, create=create, connections=connections)
        library = cls(engine, encoder or MiniLM(), purpose, gate, audit=audit, workers=workers)
        if label_separator:
            library.separate_labels(label_separator)
        return library

    def close(self) -> None:
        """Close the file or the connections."""
        self.cache.clear()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(
        self,
        demonstrations: Iterable[Demonstration],
        *,
        share: Grant | None = None,
        refused: Refused | None = None,
        origin: Origin = "imported",
        anew: bool = False,
    ) -> Added:
        """Store demonstrations in one transaction: on return all of them are on disk, on an error none is.

        Adding a demonstration again changes nothing, but for ``metadata.keep_both``, which it may get later. With
        ``anew`` the demonstrations are what their institutions say now: one that a later answer to the same text has
        superseded is the newest again. ``share`` is the grant of those institutions that have never stated a sharing
        rule; without ``share`` they share with nobody. Raises DataError if an id of an institution already stands for
        another text, or if the gate refuses a demonstration.
        With ``refused`` given, it is called for each of these instead, and the others are stored. What came in at run
        time (``origin``) waits for ``review``.
        """
        with writing(self._engine, KEEPER, alone=True) as connection:
            return stored.insert_demonstrations(
                connection, self._gate, demonstrations, share, refused, origin, anew=anew
            )

    def record_answer(self, outcome: Outcome, selection_id: str = "", **facts: str | int | None) -> None:
        """Store the answer of a chain, and complete the audit's entry of its selection, in one transaction.

        ``facts`` are those of ``Audit.complete``; the entry gets the outcome's id too. Without a ``selection_id`` no
        entry is completed. On return both survive a crash of the process; a power failure may lose the last ones.
        """

        def write(connection: Connection) -> None:
            store_outcomes(connection, [outcome])
            if selection_id and self.audit.recording:
                complete_entry(connection, selection_id, {"outcome": outcome.id, **facts})

        self._together.run(write)

    def record_feedback(
        self, selection_id: str | UUID, score: float | None = None, *, correction: str | None = None
    ) -> Outcome:
        """Record feedback on an answer of a chain; returns the outcome. The institution's next selection uses it.

        ``selection_id`` is the id of the run, recorded by ``metachain.chains.FeedbackRecorder``. A ``score`` alone, in
        [0, 1], is the probability that the answer is the institution's own (soft label). A ``correction`` is the
        institution's own answer, also where the model was right; it becomes a demonstration of the institution, with an
        id derived from the selection's, and waits for ``review``. New feedback replaces old feedback of the same kind;
        the same feedback again changes nothing. All is one transaction: on return it is on disk, on an error nothing is
        stored. Raises DataError if both are missing, for a score outside [0, 1] or a blank correction, and
        NotFoundError if no recorded run has that id.
        """
        if score is None and correction is None:
            raise DataError("feedback must be a score, a correction or both; got neither")
        id = normal_form(str(selection_id))
        if correction is not None:
            check_text("correction", correction)
            correction = stored.apply_gate(self._gate, Demonstration("any", "any", correction)).output
            correction = set_text(self.label_sets, correction) if self.label_sets else correction
        with writing(self._engine, KEEPER, alone=correction is not None) as connection:
            changed = apply_feedback(connection, id, score, correction)
            if changed is not None and correction is not None:
                stored.insert_correction(connection, self._gate, changed, correction)
            if changed is not None:
                given = [kind for kind, one in (("score", score), ("correction", correction)) if one is not None]
                note(connection, "feedback", changed.institution, {"answer": id, "given": given})
        return changed or self.outcomes.get(id)

    def erase(self, doomed: Doomed) -> Erased | None:
        """Delete demonstrations and everything that may depend on them (``erasure.erase``), in one transaction.

        The learned artifacts are then gone; ``metachain.learning.unlearning.forget`` erases and learns again.
        """
        try:
            with writing(self._engine, KEEPER, alone=True) as connection:
                return erase(connection, doomed)
        finally:
            self.cache.clear()

    def look_alikes(self, concerning: Collection[str] | None = None) -> LookAlikes:
        """Institutions and labels that may be two spellings of one; with ``concerning``, those of these institutions.

        This is the view of the library's keeper.
        """
        with reading(self._engine, KEEPER) as connection:
            return look_alikes_in(connection, concerning)

    def names_like(self, institution: str) -> tuple[str, ...]:
        """Other institutions that the library knows by a name that looks alike, in alphabetical order."""
        with reading(self._engine, KEEPER) as connection:
            return look_alikes_of(checked_name("institution", institution), known_names(connection))

    def rename_institution(self, old: str, new: str) -> Joined:
        """Give everything of one institution to another one, in one transaction that the audit records.

        Nothing is lost (``joining``); what was learned is removed, and must be learned again
        (``metachain.learning.rename`` does). Raises NotFoundError if the library holds nothing of ``old``.
        """
        names = checked_name("institution", old), checked_name("institution", new)
        return self._join("institution", names, lambda connection: join_institutions(connection, *names))

    def rename_label(self, old: str, new: str, institution: str | None = None) -> Joined:
        """Write the label ``new`` wherever ``old`` stands, in all institutions or one; as ``rename_institution``."""
        for name, label in (("old label", old), ("new label", new)):
            check_text(name, label)
        labels = label_form(old), label_form(new)
        owner = None if institution is None else checked_name("institution", institution)
        return self._join("label", labels, lambda connection: join_labels(connection, *labels, owner), owner or "")

    def _join(
        self, kind: str, names: tuple[str, str], join: Callable[[Connection], Joined], institution: str = ""
    ) -> Joined:
        old, new = names
        if old == new:
            raise DataError(f"{old!r} and {new!r} are the same {kind} already: they look the same")
        try:
            with writing(self._engine, KEEPER, alone=True) as connection:
                joined = join(connection)
                if not joined:
                    raise NotFoundError(f"the library holds no {kind} {old!r}; check the name")
                note(connection, "rename", institution, joined.facts())
        finally:
            self.cache.clear()
        return joined

    @property
    def label_separator(self) -> str:
        """Separators of the labels in an answer; empty where each answer is one label."""
        if not self._separator:
            with reading(self._engine) as connection:
                self._separator = separator_in(connection)
        return self._separator

    @property
    def label_sets(self) -> LabelSets | None:
        """The form of answers that are sets of labels; None where each answer is one label."""
        return label_sets(self.label_separator)

    def separate_labels(self, separator: str) -> Joined:
        """Take all answers as sets of labels from now on, for good.

        Each character of ``separator`` separates two labels: ``;`` or ``;,`` or a name such as ``newline``. Answers are
        then stored and compared in one order, and answers that are already here are brought into it; what was learned
        is removed. The same separator again changes nothing. Raises DataError for letters, digits, quotes and brackets,
        and where the library has another separator.
        """
        sets = LabelSets(separator)
        held = self.label_separator
        if held and held != sets.separators:
            raise DataError(f"labels of this library are separated by {held!r} already, not by {sets.separators!r}")
        if held:
            return Joined()
        try:
            with writing(self._engine, KEEPER, alone=True) as connection:
                store_separator(connection, sets)
                joined = join_sets(connection, sets)
                note(connection, "migrated", "", joined.facts())
        finally:
            self.cache.clear()
        self._separator = sets.separators
        return joined

    def scrub(self) -> bool:
        """Remove the bytes of deleted rows from the database's files; returns False if a reader prevented it."""
        self._vectors.file.remove()
        return scrub(self._engine)

    def receipts(self) -> list[Erased]:
        """Receipts of all erasures, oldest first."""
        with reading(self._engine) as connection:
            return receipts_of(connection)

    def holders(self, id: str) -> tuple[str, ...]:
        """Institutions that have a demonstration with this id, in alphabetical order."""
        with reading(self._engine, KEEPER) as connection:
            return stored.institutions_with(connection, normal_form(id))

    def learned(self) -> tuple[str, ...]:
        """Names of all stored artifacts and lists of answers, in alphabetical order."""
        return self._artifacts.names()

    def revision(self, institution: str) -> int:
        """Number of changes of an institution's demonstrations, list of answers and outcomes; 0 or more."""
        return self.state(institution).revision

    def content_version(self) -> ContentVersion:
        """Counters of the changes of demonstrations, of sharing rules with reviews, and of erasures."""
        with reading(self._engine) as connection:
            return content_version(connection)

    def state(self, institution: str) -> State:
        """Counters on which an institution's selector depends; they only grow."""
        named = checked_name("institution", institution)
        with reading(self._engine) as connection:
            return state_of(connection, named)

    def check_writable(self) -> None:
        """Check, before long work, that its result can be stored. Raises StorageError if not."""
        self._artifacts.check_writable()

    def counts(self, reach: Reach | None = None) -> dict[str, int]:
        """Number of demonstrations by institution, in alphabetical order; with ``reach``, of those within it."""
        with reading(self._engine, KEEPER) as connection:
            return stored.count_by_institution(connection, None if reach is None else reach.rows(demonstrations))

    def institutions(self) -> tuple[str, ...]:
        """Names of all institutions, in alphabetical order."""
        return tuple(self.counts())

    def demonstrations(self, *institutions: str) -> tuple[Demonstration, ...]:
        """Demonstrations of the named institutions (of all, if none is named), ordered by institution and id.

        This is the view of the library's keeper and ignores the sharing rules; ``shared_demonstrations`` is the view of
        an institution. Raises NotFoundError for an institution without demonstrations.
        """
        names = [checked_name("institution", name) for name in institutions]
        with reading(self._engine, KEEPER) as connection:
            return stored.load_demonstrations(connection, names)

    def change_numbers(self, institution: str) -> dict[str, int]:
        """Number of the change of demonstrations with which each of an institution's came in, by id."""
        named = checked_name("institution", institution)
        with reading(self._engine, KEEPER) as connection:
            return stored.load_numbers(connection, named)

    def reached_demonstrations(self, reach: Reach, until: int | None = None) -> tuple[Demonstration, ...]:
        """Demonstrations within reach, in the keeper's view, ordered by institution and id; as for ``until`` below."""
        with reading(self._engine, KEEPER) as connection:
            return stored.load_where(connection, reach.rows(demonstrations), (), until)

    def shared_demonstrations(
        self, institution: str, among: Iterable[str] = (), until: int | None = None
    ) -> tuple[Demonstration, ...]:
        """Demonstrations that others share with an institution now, ordered by institution and id.

        ``among`` limits them to these institutions, ``until`` to those of the first so many changes of demonstrations
        (``content_version``). The institution's own demonstrations are left out. The result is empty if nobody shares
        with it.
        """
        institution, *names = (checked_name("institution", name) for name in (institution, *among))
        with reading(self._engine, Viewer(institution, self.sharing.purpose)) as connection:
            return stored.load_where(connection, self.sharing.allowing(institution), names, until)

    def index(self) -> int:
        """Build the PostgreSQL index of ``nearest`` for this encoder; returns the number of indexed demonstrations.

        Demonstrations without an embedding join the index once they are embedded. The index stays current from then on;
        an interrupted build starts anew. One million demonstrations take minutes; others may read and write meanwhile.
        Raises DataError for an SQLite file, and for vectors that are too long.
        """
        return build(self._engine, self.encoder.fingerprint, self.encoder.encode(["size"]).shape[1])

    def nearest(
        self, institution: str, vectors: NDArray[np.float32], k: int, among: Iterable[str] = ()
    ) -> tuple[tuple[Near, ...], ...]:
        """For each of n unit vectors (n, d), the ``k`` nearest demonstrations that an institution may use, in order.

        These are its own demonstrations and those that others share with it now, limited to institutions in ``among``
        if that is given, and to texts that this encoder has embedded. The database searches, so no vectors of others
        are loaded. The search uses the index (``index``); it is exact without an index, when few demonstrations
        qualify, and in an SQLite file. Fewer than ``k`` come back only if fewer may be used. Ties are ordered by
        institution and id. Raises DataError for vectors that are not finite and of shape (n, d), or ``k`` < 1.
        """
        institution, *names = (checked_name("institution", name) for name in (institution, *among))
        vectors = checked_query(vectors, k)
        with reading(self._engine, Viewer(institution, self.sharing.purpose)) as connection:
            reach = self.sharing.usable_by(institution).reach(institution)
            reach = reach.among(names) if names else reach
            return nearest(connection, self.encoder.fingerprint, reach, vectors, k)

    def stream(self, institution: str) -> Iterator[Demonstration]:
        """Demonstrations of one institution, ordered by id, read page by page without a lock."""
        institution = checked_name("institution", institution)
        after: str | None = ""
        while after is not None:
            with reading(self._engine, KEEPER) as connection:
                page = stored.load_page(connection, institution, after)
            yield from page
            after = page[-1].id if page else None

    def vectors(self, demonstrations: Sequence[Demonstration], progress: Progress = silent) -> NDArray[np.float32]:
        """Dense unit vectors (n, d) of the demonstrations' inputs; each text is embedded only once and then stored."""
        return self._vectors.dense([one.input for one in demonstrations], progress)

    def hybrid_vectors(
        self, demonstrations: Sequence[Demonstration], progress: Progress = silent
    ) -> NDArray[np.float32]:
        """Hybrid vectors (n, d + 512) of the demonstrations' inputs (``vectors.Vectors.hybrid``)."""
        return self._vectors.hybrid([one.input for one in demonstrations], progress)

    def embed_anew(self, demonstrations: Iterable[Demonstration], texts: Iterable[str] = ()) -> None:
        """Embed what comes at run time, known or not, so that the time tells nobody what others have stored.

        Inputs of ``demonstrations`` are embedded as the gate stores them, ``texts`` as they are.
        """
        self._vectors.embed_anew([*(stored.apply_gate(self._gate, one).input for one in demonstrations), *texts])

    def save(
        self,
        name: str,
        header: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        changes: Iterable[str] = (),
        *,
        counts: str = "",
    ) -> None:
        """Store a learned artifact under a name (JSON header, npz arrays), replacing the one before.

        Each institution in ``changes`` gets a new ``revision``; ``counts`` is a counter of ``State`` to increase.
        """
        self._artifacts.save(name, header, arrays, changes, counts=counts)

    def check_answers(self, institution: str, answers: Iterable[str], labels: Iterable[str] = ()) -> None:
        """Check a list of answers before it is stored; ``labels`` are further ones that the institution gives.

        Raises DataError where few of the answers are known in its labels, or in what others share with it: the list is
        then likely another file, or lost its zeros (``answer_lists.check_known``).
        """
        named, sets = checked_name("institution", institution), self.label_sets
        with reading(self._engine, Viewer(named, self.sharing.purpose)) as connection:
            own, past = known_labels(connection, self.sharing, named, sets)
        if sets:
            answers, labels = ({label for text in texts for label in sets.labels(text)} for texts in (answers, labels))
        check_known(named, answers, {*own, *map(label_form, labels)}, past)

    def list_answers(self, institution: str, answers: Iterable[str], *, force: bool = False) -> tuple[str, ...]:
        """Store the complete list of answers that an institution gives, such as its codes, replacing the list before.

        Returns each answer once, in alphabetical order. An empty list removes the one before. Raises DataError with the
        position of an answer that is blank or not a text, and without ``force`` as ``check_answers`` does.
        """
        given = checked_answers(answers)
        if not force:
            self.check_answers(institution, given)
        return list_answers(self._artifacts, institution, given, self.label_sets)

    def listed_answers(self, institution: str) -> tuple[str, ...]:
        """Complete list of answers of an institution, in alphabetical order; empty if no list was given."""
        return listed_answers(self._artifacts, institution)

    def load(self, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Load an artifact. Raises NotFoundError if there is none, LibraryError if it is damaged."""
        return self._artifacts.load(name)
