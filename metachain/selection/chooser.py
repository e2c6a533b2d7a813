"""Choosing demonstrations from what is known for an institution in one state of the library."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Self

import numpy as np
import sklearn.feature_extraction.text  # noqa: F401 - so that the first query doesn't wait for it
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration, check_text
from metachain.embedding.encoder import Encoder
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text
from metachain.errors import DataError
from metachain.learning.artifacts import version_of
from metachain.learning.gaussian_process import answer_scores, co_treatment_kernel
from metachain.learning.index import Neighbours, similarities
from metachain.learning.neighbours import NEIGHBOURS
from metachain.learning.pool import taken
from metachain.learning.posterior import Past, Posterior, Scene, posterior_of, read_past, scene_before, usable
from metachain.learning.prior import Prior
from metachain.learning.ranking import distinct, plausible_answers, twins
from metachain.learning.reply_profile import reply_profile
from metachain.library.library import Library
from metachain.library.revisions import State
from metachain.selection.policy import Policy
from metachain.selection.selection import Chosen, Selection

__all__ = ["Chooser", "Ground", "Grounds", "Side", "checked_shots"]

KIN = 0.3
"""Co-treatment above which a label is worth naming as a reason."""

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Ground:
    """What past institutions shared with the institution, at one moment."""

    past: Past
    seen: dict[tuple[str, str], int]
    """Numbers of the first of each text and answer."""
    twin: NDArray[np.int64]
    """(N,) from ``twins``."""

    @classmethod
    def of(cls, past: Past) -> Self:
        """The ground that a past is."""
        seen: dict[tuple[str, str], int] = {}
        return cls(past, seen, twins(past.pool.demonstrations, seen))


class Grounds:
    """One ground for all institutions that may use the same of the same prior; safe to share among threads.

    What an institution may use is asked for each by itself. Grounds of before a change of the rules, or of before
    something was forgotten, are let go.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[str, int, int, tuple[str, ...]], Ground] = {}
        self._reading = Lock()

    def of(self, prior: Prior, version: str, library: Library, institution: str, forgotten: int) -> Ground:
        """The ground of an institution; ``forgotten`` is of a state read before. Raises what ``past_of`` does."""
        allowed = usable(prior, library, institution)
        moment = version, allowed.shared.rules, forgotten
        key = (*moment, allowed.institutions)
        with self._reading:
            found = self._held.get(key)
            if found is None:
                found = Ground.of(read_past(prior, library, institution, allowed))
                self._held = {known: one for known, one in self._held.items() if known[:3] == moment} | {key: found}
        return replace(found, past=replace(found.past, shared=allowed.shared))

    def adapt(self, prior: Prior, library: Library, institution: str) -> Posterior:
        """As ``posterior.adapt``, without reading anew what is held here."""
        forgotten = library.state(institution).forgotten
        ground = self.of(prior, version_of(prior), library, institution, forgotten)
        return posterior_of(prior, scene_before(ground.past, prior, library, institution), institution)


@dataclass(frozen=True)
class Side:
    """What was known for the institution in one state of the library: never changed, replaced as a whole."""

    state: State
    ground: Ground
    scene: Scene
    posterior: Posterior
    own_texts: NDArray[np.object_]
    """(k,) normalised inputs of the support."""
    own_twin: NDArray[np.int64]
    """(k,) from ``twins``, of the support's rows after the past's."""

    def demonstration(self, row: int) -> Demonstration:
        """That of a row, of the past's or after them of the support's."""
        past = self.scene.past.demonstrations
        return past[row] if row < len(past) else self.scene.support.demonstrations[row - len(past)]

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors (n, j, d) of rows (n, j), zeros where there is none (-1)."""
        found = taken(rows, self.scene.past.vectors, self.scene.support.vectors)
        found[rows < 0] = 0
        return found

    def answers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Answer numbers (n, j) of rows (n, j), -1 where there is none."""
        return np.where(rows < 0, -1, taken(rows, self.scene.past.answer, self.scene.support.answer))

    def twins(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the first of the same text and answer (n, j), of rows (n, j); whatever where there is none."""
        return taken(rows, self.ground.twin, self.own_twin)


@dataclass(frozen=True)
class Chooser:
    """Chooses from one side. What it gives is a draft: ``Selector`` alone records it and hands it out."""

    side: Side
    encoder: Encoder
    policy: Policy
    k: int
    """How many demonstrations to show at most."""

    def choose(self, text: str, k: int | None = None, without: Collection[Demonstration] = ()) -> Selection:
        """Choose for one query. Raises DataError where it is not a text or k is negative."""
        return self.choose_many([text], k, without)[0]

    def choose_many(
        self, texts: Sequence[str], k: int | None = None, without: Collection[Demonstration] = ()
    ) -> list[Selection]:
        """Choose for n queries at once: at most k demonstrations each, the best last, and none of ``without``."""
        shots = self.k if k is None else checked_shots(k)
        normalised = [_checked_query(text) for text in texts]
        if not texts:
            return []
        side = self.side
        vectors = hybrid_vectors(self.encoder.encode(normalised), lexical_vectors(normalised))
        near = side.ground.past.index.near(vectors, NEIGHBOURS)
        rows, similarity = _candidates_near(side, normalised, vectors, near)
        past, posterior = side.scene.past, side.posterior
        profile = reply_profile(near, past.answer, len(past.answers), past.meaning)
        kin = co_treatment_kernel(posterior.fit, profile)
        answer = side.answers(rows)
        probability = plausible_answers(answer_scores(posterior.fit, profile, answer, kin), answer)
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
    side: Side, normalised: Sequence[str], vectors: NDArray[np.float32], near: Neighbours
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Candidate rows (n, m) and similarity, own labels first; -1 and -inf for the query itself and for twins."""
    own = len(side.own_texts)
    near_rows, near_similarity = near.flat()
    similarity = similarities(vectors, side.scene.support.vectors)
    itself = np.array(normalised, object)[:, None] == side.own_texts[None, :]
    own_rows = len(side.ground.twin) + np.arange(own)
    rows = np.concatenate([np.where(itself, -1, own_rows), near_rows], axis=1)
    return distinct(rows, np.concatenate([similarity, near_similarity], axis=1), side.twins(rows))


def _left_out(
    side: Side, rows: NDArray[np.int64], without: Collection[Demonstration], policy: Policy
) -> NDArray[np.bool_]:
    """Whether each candidate row (n, m) is one of ``without``, or demoted; (n, m)."""
    held = frozenset(without)
    if not held and not policy.demoted:
        return np.zeros(rows.shape, bool)
    some = (side.demonstration(row) if row >= 0 else None for row in rows.ravel().tolist())
    out = [one is not None and (one in held or one.key in policy.demoted) for one in some]
    return np.array(out, bool).reshape(rows.shape)


def _selection(
    side: Side,
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


def _reason(side: Side, one: Demonstration, similarity: float, plausibility: float, kinship: Floats) -> str:
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
