"""Chooses the demonstrations of past institutions, and of its own labels, that an institution should be shown."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Self

import numpy as np
from numpy.typing import NDArray

from metachain.demonstration import Demonstration, check_text
from metachain.errors import DataError
from metachain.index import Neighbours, similarities
from metachain.kriging import judge, kinship
from metachain.library import Library
from metachain.policy import DEFAULT, Policy
from metachain.posterior import Past, Posterior, Scene, past_of, posterior_of, scene_before
from metachain.profile import reply_profile
from metachain.revisions import State
from metachain.selection import Chosen, Selection, distinct, plausible_answers, twins
from metachain.sharing import Sharing
from metachain.similarity import hybrid_vectors, lexical_vectors, normalise_text
from metachain.study import NEIGHBOURS

__all__ = ["Selector", "checked_shots"]

KIN = 0.3
"""Co-treatment above which a label is worth naming as a reason."""

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class _Ground:
    """What past institutions shared with the institution, at one moment."""

    past: Past
    seen: dict[tuple[str, str], int]
    """Numbers of the first of each text and answer."""
    twin: NDArray[np.int64]
    """(N,) from ``twins``."""

    @classmethod
    def of(cls, past: Past) -> Self:
        seen: dict[tuple[str, str], int] = {}
        return cls(past, seen, twins(past.pool.demonstrations, seen))


@dataclass(frozen=True)
class _Side:
    """What was known for the institution in one state of the library: never changed, replaced as a whole."""

    state: State
    ground: _Ground
    scene: Scene
    posterior: Posterior
    own_texts: NDArray[np.object_]
    """(k,) normalised inputs of the support."""
    answer: NDArray[np.int64]
    """(N,) answer number of past rows, and of the support's after them."""
    twin: NDArray[np.int64]
    """(N,) from ``twins``, of the same rows."""

    def demonstration(self, row: int) -> Demonstration:
        past = self.scene.past.demonstrations
        return past[row] if row < len(past) else self.scene.support.demonstrations[row - len(past)]

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors (n, j, d) of rows (n, j), zeros where there is none (-1)."""
        past, own = self.scene.past.vectors, self.scene.support.vectors
        found = past[np.clip(rows, 0, len(past) - 1)]
        found[rows >= len(past)] = own[rows[rows >= len(past)] - len(past)]
        found[rows < 0] = 0
        return found


class Selector:
    """Selects for one institution: from what others share with it, and from its own as it is now.

    Labels, lists of answers and feedback of the institution that are added to the library later, by anybody, count from
    the next selection on, and so does each change of the sharing rules, the end of a grant, and what is forgotten. Of
    demonstrations that others add later it knows nothing: make another one. ``k`` ≥ 0 is how many demonstrations to
    show at most, the policy's own number where None. Where the library has changed since the posterior was made, the
    posterior is computed anew from the same prior. Safe to share among threads.
    """

    def __init__(self, library: Library, posterior: Posterior, k: int | None = None, policy: Policy = DEFAULT) -> None:
        self.policy = policy
        self.k = policy.shots if k is None else checked_shots(k)
        self.institution = posterior.institution
        """Who is asking."""
        self._library = library
        self._prior = posterior.prior
        self._renewing = Lock()
        state = library.state(self.institution)
        ground = _Ground.of(past_of(self._prior, library, self.institution))
        self._side = self._sided(state, ground, None, posterior)

    @property
    def posterior(self) -> Posterior:
        """What is known of the institution by now."""
        return self._current().posterior

    @property
    def labels(self) -> tuple[str, ...]:
        """The institution's own known outputs, listed or seen among its labels, in alphabetical order."""
        scene = self._current().scene
        return tuple(sorted({*scene.list_given, *(one.output for one in scene.support.demonstrations)}))

    def _current(self) -> _Side:
        """The side as the library has it now: the same object as long as the library's state is the same."""
        if not self._is_current(self._side):
            with self._renewing:
                # Read before all else, so that what comes in the meantime is seen the next time.
                state = self._library.state(self.institution)
                if not self._is_current(self._side, state):
                    self._side = self._renewed(self._side, state)
        return self._side

    def _is_current(self, side: _Side, state: State | None = None) -> bool:
        until = side.ground.past.shared.until
        return side.state == (state or self._library.state(self.institution)) and (
            until is None or Sharing.now() < until
        )

    def _renewed(self, side: _Side, state: State) -> _Side:
        if (state.rules, state.forgotten) == (side.state.rules, side.state.forgotten) and self._is_current(
            side, side.state
        ):
            return self._sided(state, side.ground, side.scene, side.posterior)
        ground = _Ground.of(past_of(self._prior, self._library, self.institution))
        return self._sided(state, ground, None, side.posterior)

    def _sided(self, state: State, ground: _Ground, known: Scene | None, posterior: Posterior) -> _Side:
        scene = scene_before(ground.past, self._prior, self._library, self.institution, known)
        if posterior.digest != scene.digest:
            posterior = posterior_of(posterior.prior, scene, self.institution)
        support = scene.support
        texts = np.array([normalise_text(one.input) for one in support.demonstrations], object)
        twin = np.concatenate([ground.twin, twins(support.demonstrations, dict(ground.seen), len(ground.twin))])
        answer = np.concatenate([scene.past.answer, support.answer])
        return _Side(state, ground, scene, posterior, texts, answer, twin)

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
        side = self._current()
        vectors = hybrid_vectors(self._library.encoder.encode(normalised), lexical_vectors(normalised))
        near = side.ground.past.index.nearest(vectors, NEIGHBOURS)
        rows, similarity = _candidates_near(side, normalised, vectors, near)
        past, posterior = side.scene.past, side.posterior
        profile = reply_profile(near, past.answer, len(past.answers), past.meaning)
        kin = kinship(posterior.fit, profile)
        answer = np.where(rows < 0, -1, side.answer[rows])
        probability = plausible_answers(judge(posterior.fit, profile, answer, kin), answer)
        left_out = _left_out(side, rows, without, self.policy)
        rows, similarity = np.where(left_out, -1, rows), np.where(left_out, -np.inf, similarity)
        probability = np.where(left_out, 0.0, probability)
        first, score = self.policy.choose(
            similarity,
            probability,
            shots,
            learned=posterior.method == "metachain",
            texts=past.meaning is not None,
            vectors=lambda places: side.vectors(np.take_along_axis(rows, places, axis=1)),
        )
        probability = posterior.prior.lesson.calibration(posterior.evidence).of(probability)
        return [
            _selection(side, self.policy, text, rows[i], first[i], score[i], similarity[i], probability[i], kin[i])
            for i, text in enumerate(texts)
        ]


def _candidates_near(
    side: _Side, normalised: Sequence[str], vectors: NDArray[np.float32], near: Neighbours
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Candidate rows (n, m) and similarity, own labels first; -1 and -inf for the query itself and for twins."""
    own = len(side.own_texts)
    near_rows, near_similarity = near.flat()
    similarity = similarities(vectors, side.scene.support.vectors)
    itself = np.array(normalised, object)[:, None] == side.own_texts[None, :]
    own_rows = len(side.answer) - own + np.arange(own)
    rows = np.concatenate([np.where(itself, -1, own_rows), near_rows], axis=1)
    return distinct(rows, np.concatenate([similarity, near_similarity], axis=1), side.twin)


def _left_out(
    side: _Side, rows: NDArray[np.int64], without: Collection[Demonstration], policy: Policy
) -> NDArray[np.bool_]:
    """Whether each candidate row (n, m) is one of ``without``, or demoted; (n, m)."""
    held = frozenset(without)
    if not held and not policy.demoted:
        return np.zeros(rows.shape, bool)
    some = (side.demonstration(row) if row >= 0 else None for row in rows.ravel().tolist())
    out = [one is not None and (one in held or one.key in policy.demoted) for one in some]
    return np.array(out, bool).reshape(rows.shape)


def _selection(
    side: _Side,
    policy: Policy,
    text: str,
    rows: NDArray[np.int64],
    first: NDArray[np.intp],
    score: Floats,
    similarity: Floats,
    plausibility: Floats,
    kinship: Floats,
) -> Selection:
    shown = [position for position in first[::-1] if position >= 0 and rows[position] >= 0]
    chosen = []
    for position in shown:
        one, near, probable = side.demonstration(int(rows[position])), similarity[position], plausibility[position]
        reason = _reason(side, one, near, probable, kinship)
        chosen.append(Chosen(one, float(score[position]), float(near), float(probable), reason))
    method = "metachain" if policy.weighs(learned=side.posterior.method == "metachain") else "nearest"
    return Selection(side.posterior.institution, text, tuple(chosen), method, policy.best_first)


def _reason(side: _Side, one: Demonstration, similarity: float, plausibility: float, kinship: Floats) -> str:
    institution, support = side.posterior.institution, side.scene.support.demonstrations
    origin = "your own label" if one.institution == institution else f"from {one.institution}"
    reason = f"{origin}: input {similarity:.0%} similar, answer {plausibility:.0%} probable here"
    kinship = kinship[: len(support)]  # without what was scored
    if not len(kinship) or kinship.max() < KIN:
        return reason
    kin = support[int(kinship.argmax())]
    verb = "agrees with" if kin.output == one.output else "differs from"
    return f"{reason}; {verb} your label {kin.input[:60]!r} ({kin.output[:30]}), which past institutions treat alike"


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
