"""Chooses the demonstrations of past institutions, and of its own labels, that an institution should be shown."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from metachain.demonstration import Demonstration, check_text
from metachain.errors import DataError
from metachain.index import Neighbours, similarities
from metachain.kriging import judge, kinship
from metachain.library import Library
from metachain.policy import DEFAULT, Policy
from metachain.posterior import Posterior, posterior_of, scene_of
from metachain.profile import reply_profile
from metachain.selection import Chosen, Selection, distinct, plausible_answers, twins
from metachain.similarity import hybrid_vectors, lexical_vectors, normalise_text
from metachain.study import NEIGHBOURS

__all__ = ["Selector", "checked_shots"]

KIN = 0.3
"""Co-treatment above which a label is worth naming as a reason."""

Floats = NDArray[np.floating]


class Selector:
    """Selects for one institution from a snapshot of the library, taken when it is made.

    ``k`` ≥ 0 is how many demonstrations to show at most, the policy's own number where None. Where the library has
    changed since the posterior was made, the posterior is computed anew from the same prior.
    """

    def __init__(self, library: Library, posterior: Posterior, k: int | None = None, policy: Policy = DEFAULT) -> None:
        self.policy = policy
        self.k = policy.shots if k is None else checked_shots(k)
        self._encoder = library.encoder
        self._scene = scene_of(posterior.prior, library, posterior.institution)
        fresh = posterior.digest == self._scene.digest
        self.posterior = posterior if fresh else posterior_of(posterior.prior, self._scene, posterior.institution)
        past, support = self._scene.past, self._scene.support
        self._candidates = support.demonstrations + past.demonstrations
        self._answer = np.concatenate([support.answer, past.answer])
        self._own_texts = np.array([normalise_text(one.input) for one in support.demonstrations], object)
        self._twin = twins(self._candidates)

    @property
    def institution(self) -> str:
        """Who is asking."""
        return self.posterior.institution

    @property
    def labels(self) -> tuple[str, ...]:
        """The institution's own known outputs, listed or seen among its labels, in alphabetical order."""
        return tuple(sorted({*self._scene.list_given, *(one.output for one in self._scene.support.demonstrations)}))

    def select(self, text: str, k: int | None = None, without: Collection[Demonstration] = ()) -> Selection:
        """Choose for one query. Raises DataError where it is not a text or k is negative."""
        return self.select_many([text], k, without)[0]

    def select_many(
        self, texts: Sequence[str], k: int | None = None, without: Collection[Demonstration] = ()
    ) -> list[Selection]:
        """Choose for n queries at once: at most k demonstrations each, the best last, and none of ``without``."""
        shots = self.k if k is None else checked_shots(k)
        normalised = [_checked_query(text) for text in texts]
        if not texts:
            return []
        vectors = hybrid_vectors(self._encoder.encode(normalised), lexical_vectors(normalised))
        near = self._scene.index.nearest(vectors, NEIGHBOURS)
        rows, similarity = self._candidates_near(normalised, vectors, near)
        past = self._scene.past
        profile = reply_profile(near, past.answer, len(past.answers), past.meaning)
        kin = kinship(self.posterior.fit, profile)
        answer = np.where(rows < 0, -1, self._answer[rows])
        probability = plausible_answers(judge(self.posterior.fit, profile, answer, kin), answer)
        left_out = self._left_out(rows, without)
        rows, similarity = np.where(left_out, -1, rows), np.where(left_out, -np.inf, similarity)
        probability = np.where(left_out, 0.0, probability)
        first, score = self.policy.choose(
            similarity,
            probability,
            shots,
            learned=self.posterior.method == "metachain",
            texts=past.meaning is not None,
            vectors=lambda places: self._vectors(np.take_along_axis(rows, places, axis=1)),
        )
        probability = self.posterior.prior.lesson.calibration(self.posterior.labels).of(probability)
        return [
            self._selection(text, rows[i], first[i], score[i], similarity[i], probability[i], kin[i])
            for i, text in enumerate(texts)
        ]

    def _candidates_near(
        self, normalised: Sequence[str], vectors: NDArray[np.float32], near: Neighbours
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Candidate rows (n, m) and similarity, own labels first; -1 and -inf for the query itself and for twins."""
        own = len(self._own_texts)
        near_rows, near_similarity = near.flat()
        similarity = similarities(vectors, self._scene.support.vectors)
        itself = np.array(normalised, object)[:, None] == self._own_texts[None, :]
        past = np.where(near_rows < 0, -1, near_rows + own)
        rows = np.concatenate([np.where(itself, -1, np.arange(own)), past], axis=1)
        return distinct(rows, np.concatenate([similarity, near_similarity], axis=1), self._twin)

    def _left_out(self, rows: NDArray[np.int64], without: Collection[Demonstration]) -> NDArray[np.bool_]:
        """Whether each candidate row (n, m) is one of ``without``, or demoted; (n, m)."""
        held, demoted = frozenset(without), self.policy.demoted
        if not held and not demoted:
            return np.zeros(rows.shape, bool)
        some = (self._candidates[row] if row >= 0 else None for row in rows.flat)
        out = [one is not None and (one in held or (one.institution, one.id) in demoted) for one in some]
        return np.array(out, bool).reshape(rows.shape)

    def _vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors (n, j, d) of candidate rows (n, j), zeros where there is none."""
        own, past = self._scene.support.vectors, self._scene.past.vectors
        vectors = past[np.maximum(rows - len(own), 0)]
        mine = (rows >= 0) & (rows < len(own))
        vectors[mine] = own[rows[mine]]
        vectors[rows < 0] = 0
        return vectors

    def _selection(
        self,
        text: str,
        rows: NDArray[np.int64],
        first: NDArray[np.intp],
        score: Floats,
        similarity: Floats,
        plausibility: Floats,
        kinship: Floats,
    ) -> Selection:
        shown = [position for position in first[::-1] if position >= 0 and rows[position] >= 0]
        chosen = tuple(
            Chosen(
                self._candidates[rows[position]],
                float(score[position]),
                float(similarity[position]),
                float(plausibility[position]),
                self._reason(self._candidates[rows[position]], similarity[position], plausibility[position], kinship),
            )
            for position in shown
        )
        method = "metachain" if self.policy.weighs(learned=self.posterior.method == "metachain") else "nearest"
        return Selection(self.institution, text, chosen, method, self.policy.best_first)

    def _reason(self, one: Demonstration, similarity: float, plausibility: float, kinship: Floats) -> str:
        origin = "your own label" if one.institution == self.institution else f"from {one.institution}"
        reason = f"{origin}: input {similarity:.0%} similar, answer {plausibility:.0%} probable here"
        if not len(kinship) or kinship.max() < KIN:
            return reason
        kin = self._scene.support.demonstrations[int(kinship.argmax())]
        verb = "agrees with" if kin.output == one.output else "differs from"
        return (
            f"{reason}; {verb} your label {kin.input[:60]!r} ({kin.output[:30]}), which past institutions treat alike"
        )


def checked_shots(k: int) -> int:
    """How many demonstrations to show at most. Raises DataError where that is no whole number, or negative."""
    if not isinstance(k, int) or isinstance(k, bool) or k < 0:
        raise DataError(f"k must be a whole number of demonstrations, 0 or more, got {k!r}")
    return k


def _checked_query(text: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"a query must be a text that is not blank, got {text!r}")
    check_text("query", text)
    return normalise_text(text)
