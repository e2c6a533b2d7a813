"""Pool: demonstrations of institutions as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self, TypeVar, Union

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import lexical_vectors, normalise_text
from metachain.errors import DataError
from metachain.label_sets import LabelSets, label_sets
from metachain.scoring.metrics import are_texts, set_bags, word_bags

__all__ = ["Pool", "Stacked", "make_pool", "taken"]

Number = TypeVar("Number", bound=np.number[Any])


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """The rows of ``first`` (N, d), and after them those of ``further`` (k, d); rows are taken by number."""

    first: Union[NDArray[np.float32], "Stacked"]
    further: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """``(N + k, d)``."""
        return len(self), self.further.shape[1]

    def __len__(self) -> int:
        return len(self.first) + len(self.further)

    def __getitem__(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        return taken(rows, self.first, self.further)


def taken(
    rows: NDArray[np.integer], first: Union[NDArray[Number], "Stacked"], further: NDArray[Number]
) -> NDArray[Number]:
    """Take rows of ``first`` (N, …), followed by ``further`` (k, …), by number; ``rows`` may have any shape.

    The result for a negative number is undefined. Raises IndexError where there is no row at all.
    """
    is_further = rows >= len(first)
    found: NDArray[Any] = first[np.where(is_further, 0, np.maximum(rows, 0))]
    found[is_further] = further[rows[is_further] - len(first)]
    return found


@dataclass(frozen=True)
class Pool:
    """n demonstrations of S institutions with C distinct answers, in an order independent of the input order."""

    demonstrations: tuple[Demonstration, ...]
    vectors: NDArray[np.float32]
    """(n, d) hybrid vectors of the inputs; (0, d) in a ``part``."""
    institutions: tuple[str, ...]
    owner: NDArray[np.int64]
    """(n,) number of each row's institution."""
    answers: tuple[str, ...]
    """(C,) distinct answers, in the form in which they are compared (``Demonstration.label``)."""
    answer: NDArray[np.int64]
    """(n,) number of each row's answer."""
    separators: str = ""
    """Separators of labels where answers are sets of them (``metachain.label_sets``); else empty."""
    inherited: tuple[NDArray[np.float32] | Stacked | None] | None = field(default=None, repr=False)
    """``meaning`` from a pool with fewer answers, in a tuple of one; None to compute it."""
    inherited_twin: NDArray[np.int64] | None = field(default=None, repr=False)
    """``twin`` from a pool with more institutions; None to compute it."""

    @cached_property
    def meaning(self) -> NDArray[np.float32] | Stacked | None:
        """(C, 512) unit vector of each answer where the demonstrations' answers are texts; None where they are labels.

        Hashed character n-grams (``similarity.lexical_vectors``): nothing is fitted, so no data leak between pools.
        """
        if self.inherited is not None:
            return self.inherited[0]
        if self.separators:
            return None
        if not are_texts([one.output for one in self.demonstrations]):
            return None
        return lexical_vectors(self.answers)

    @cached_property
    def bags(self) -> csr_array:
        """(C, V) word counts of each answer (``metrics.word_bags``)."""
        return word_bags(self.answers)

    @property
    def label_sets(self) -> LabelSets | None:
        """The form of answers that are sets of labels; None where each answer is one label."""
        return label_sets(self.separators)

    @cached_property
    def sets(self) -> csr_array | None:
        """(C, L) ones for the labels of each answer; None where every answer is one label."""
        if (sets := self.label_sets) is None:
            return None
        found = [sets.labels(answer) for answer in self.answers]
        return set_bags(found) if any(len(one) > 1 for one in found) else None

    @cached_property
    def text(self) -> NDArray[np.int64]:
        """(N,) number of each row's input, the same for inputs that differ in letter case and white space only."""
        seen: dict[str, int] = {}
        numbers = [seen.setdefault(normalise_text(one.input), len(seen)) for one in self.demonstrations]
        return np.array(numbers, np.int64)

    @cached_property
    def twin(self) -> NDArray[np.int64]:
        """(N,) first row of the same institution with the same text and answer, for each row."""
        if self.inherited_twin is not None:
            return self.inherited_twin
        keys = (self.text * len(self.answers) + self.answer) * len(self.institutions) + self.owner
        _, first, number = np.unique(keys, return_index=True, return_inverse=True)
        return np.asarray(first[number], np.int64)

    @cached_property
    def gives(self) -> NDArray[np.bool_]:
        """(S, C) marks the answers that each institution gives."""
        given = np.zeros((len(self.institutions), len(self.answers)), bool)
        given[self.owner, self.answer] = True
        return given

    @cached_property
    def rows(self) -> tuple[NDArray[np.intp], ...]:
        """Rows of each institution."""
        return tuple(np.flatnonzero(self.owner == number) for number in range(len(self.institutions)))

    def marks(self, known: Sequence[str]) -> NDArray[np.bool_]:
        """Mark (C,) the answers that are ``known``; a set of labels is known if all of its labels are in known sets."""
        if (sets := self.label_sets) is None:
            return np.isin(self.answers, known)
        labels = {label for one in known for label in sets.labels(one)}
        return np.array([labels.issuperset(sets.labels(answer)) for answer in self.answers], bool)

    def beside(self, own: Sequence[Demonstration], vectors: NDArray[np.float32]) -> "Pool":
        """Pool of further demonstrations with ``vectors`` (n, d), whose answers are numbered after those of this."""
        return make_pool(own, vectors, self.answers, self.separators)

    def followed_by(self, own: Self) -> Self:
        """Return this pool followed by the rows of another institution.

        ``own`` was made with the ``answers`` of this pool. Its answers are texts if they are texts here.
        """
        return replace(
            self,
            demonstrations=self.demonstrations + own.demonstrations,
            vectors=np.concatenate([self.vectors, own.vectors]),
            institutions=self.institutions + own.institutions,
            owner=np.concatenate([self.owner, own.owner + len(self.institutions)]),
            answers=own.answers,
            answer=np.concatenate([self.answer, own.answer]),
            inherited=(self.answering(own.answers).meaning,),
            inherited_twin=None,
        )

    def part(self, kept: Sequence[int]) -> Self:
        """Return the pool of some institutions, by number in ascending order, without their vectors.

        In all else it equals a pool that was made of their demonstrations alone, if this pool was made without further
        ``answers``.
        """
        institutions = np.asarray(kept, np.int64)
        rows = np.flatnonzero(np.isin(self.owner, institutions))
        answers, answer = np.unique(self.answer[rows], return_inverse=True)
        return replace(
            self,
            demonstrations=tuple(self.demonstrations[row] for row in rows.tolist()),
            vectors=self.vectors[:0],
            institutions=tuple(self.institutions[number] for number in kept),
            owner=np.searchsorted(institutions, self.owner[rows]),
            answers=tuple(self.answers[number] for number in answers.tolist()),
            answer=answer,
            inherited=None,
            inherited_twin=np.searchsorted(rows, self.twin[rows]),
        )

    def answering(self, answers: Sequence[str]) -> Self:
        """Return the same pool, and vectors, with numbers for further answers; ``answers`` begins with those it has."""
        further, meaning = tuple(answers)[len(self.answers) :], self.meaning
        if meaning is not None and further:
            meaning = Stacked(meaning, lexical_vectors(further))
        return replace(self, answers=tuple(answers), inherited=(meaning,))


def make_pool(
    demonstrations: Sequence[Demonstration],
    vectors: NDArray[np.float32],
    answers: Sequence[str] = (),
    separators: str = "",
) -> Pool:
    """Sort demonstrations by institution and id, and number institutions and answers, in alphabetical order.

    ``vectors`` (n, d) belong to ``demonstrations`` row by row. ``answers`` are distinct and are numbered first,
    in their own order. Raises DataError where there are more or fewer vectors than demonstrations.
    """
    if len(demonstrations) != len(vectors):
        raise DataError(f"{len(demonstrations)} demonstrations but {len(vectors)} vectors")
    order = sorted(range(len(demonstrations)), key=lambda i: (demonstrations[i].institution, demonstrations[i].id))
    ordered = tuple(demonstrations[i] for i in order)
    institutions = tuple(sorted({one.institution for one in ordered}))
    names = (*answers, *sorted({one.label for one in ordered} - set(answers)))
    institution_number = {name: number for number, name in enumerate(institutions)}
    answer_number = {name: number for number, name in enumerate(names)}
    return Pool(
        ordered,
        _ordered(vectors, order),
        institutions,
        np.array([institution_number[one.institution] for one in ordered], np.int64),
        names,
        np.array([answer_number[one.label] for one in ordered], np.int64),
        separators,
    )


def _ordered(vectors: NDArray[np.float32], order: Sequence[int]) -> NDArray[np.float32]:
    """Rows in an order. Where they are in it already, the same array is returned: a copy would take gigabytes."""
    numbers = np.asarray(order, np.intp)
    in_order = np.array_equal(numbers, np.arange(len(numbers)))
    return np.ascontiguousarray(vectors if in_order else vectors[numbers])
