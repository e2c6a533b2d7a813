"""Choice of demonstrations for one institution in one state of the library."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import sklearn.feature_extraction.text  # noqa: F401 - so that the first query doesn't wait for it
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration, check_text
from metachain.embedding.encoder import Encoder
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text, same_text
from metachain.errors import DataError
from metachain.learning.apportionment import Given
from metachain.learning.candidates import Candidates, choose, plausibility
from metachain.learning.gaussian_process import co_treatment_kernel
from metachain.learning.index import Neighbours, similarities
from metachain.learning.institution_state import InstitutionState
from metachain.learning.neighbours import NEIGHBOURS
from metachain.learning.policy import Policy
from metachain.learning.posterior import Posterior
from metachain.selection.admitted import Admitted
from metachain.selection.selection import Chosen, Selection, likeliest_answers

__all__ = ["Chooser", "checked_shots"]

MOST_ANSWERS = 32
OWN_WORD = "your own label for this text"
OWN_WORD_PROBABILITY = 0.99
KIN = 0.3
"""Co-treatment, in [0, 1], from which a reason names a label."""

Floats = NDArray[np.floating]
Rows = NDArray[np.integer]


@dataclass(frozen=True)
class Chooser:
    """Chooses demonstrations for one state of an institution.

    At most k for a query. Its selections are drafts: only ``Selector`` records and shows them.
    """

    state: InstitutionState
    posterior: Posterior
    encoder: Encoder
    policy: Policy
    k: int
    admitted: Admitted | None = None
    """Demonstrations that a filter admits to be shown; the probability of answers is learned from all."""

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
        state, posterior, pool = self.state, self.posterior, self.state.pool
        vectors = hybrid_vectors(self.encoder.encode(normalised), lexical_vectors(normalised))
        near = state.past.index.near(vectors, NEIGHBOURS)
        profile = state.lifted(state.profile(near), vectors, posterior.fit.settings)
        kernel = co_treatment_kernel(posterior.fit, profile)
        shown = self.admitted.near(vectors, NEIGHBOURS) if self.admitted else near
        candidates = _candidates(state, vectors, shown)
        probability = posterior.calibration.of(plausibility(candidates, posterior.fit, profile, kernel))
        left_out = self._left_out(candidates.rows, without)
        words = _own_words(state, texts, candidates.rows, left_out)
        probability, contradicting = _believed(candidates, probability, words)
        if pool.meaning is None:
            left_out |= contradicting & ~_kept_both(state, texts, candidates.rows.shape)
        given = choose(
            self.policy,
            candidates,
            probability,
            shots,
            sharpness=posterior.sharpness,
            meaning=pool.meaning,
            left_out=left_out,
        )
        places, score = _with_words(given, words)
        return [
            self._selection(text, candidates.take(i), places[i], score[i], probability[i], kernel[i], int(words[i]))
            for i, text in enumerate(texts)
        ]

    def _left_out(self, rows: NDArray[np.int64], without: Collection[Demonstration]) -> NDArray[np.bool_]:
        """Mark candidate rows (n, m) that must not be shown: ``without``, demoted ones, and those of no filter."""
        excluded, demoted = frozenset(without), self.policy.demoted
        outside = self.admitted.left_out(rows) if self.admitted else np.zeros(rows.shape, bool)
        if not excluded and not demoted:
            return outside
        candidates = (self.state.demonstration(row) if row >= 0 else None for row in rows.ravel().tolist())
        out = [one is not None and (one in excluded or one.key in demoted) for one in candidates]
        excluded_rows: NDArray[np.bool_] = outside | np.array(out, bool).reshape(rows.shape)
        return excluded_rows

    def _selection(
        self,
        text: str,
        candidates: Candidates,
        places: Rows,
        score: Floats,
        probable: Floats,
        kernel: Floats,
        word: int,
    ) -> Selection:
        pool, rows, similarity = self.state.pool, candidates.rows[0], candidates.similarity[0]
        answers = () if pool.meaning is not None else likeliest_answers(pool.answers, candidates.answer[0], probable)
        ranks = {one.answer: rank for rank, one in enumerate(answers, 1)}
        chosen = []
        for turn in np.flatnonzero(places >= 0)[::-1]:
            place = places[turn]
            one, near, probability = self.state.demonstration(int(rows[place])), similarity[place], probable[place]
            is_word = place == word
            comparison = "" if is_word else _comparison(self.state, one, kernel)
            reason = OWN_WORD if is_word else _reason(self.state, one, near, probability, ranks.get(one.label))
            numbers = float(score[turn]), float(near), float(probability)
            chosen.append(Chosen(one, *numbers, reason + comparison, comparison, own_word=bool(is_word)))
        sharpness = self.policy.sharpness_under(self.posterior.sharpness)
        return Selection(
            self.state.institution,
            text,
            tuple(chosen),
            "nearest" if sharpness is None else "metachain",
            self.policy.best_first,
            answers=answers[:MOST_ANSWERS],
        )


def _candidates(state: InstitutionState, vectors: NDArray[np.float32], near: Neighbours) -> Candidates:
    """Own labels and neighbours of n queries."""
    own = len(state.pool.demonstrations) + np.arange(len(state.support.demonstrations))
    similarity = similarities(vectors, state.support.vectors)
    everywhere = np.broadcast_to(own, (len(vectors), len(own)))
    return Candidates.gather(everywhere, similarity, near, state.answers_of, state.twins_of)


def _own_words(state: InstitutionState, texts: Sequence[str], rows: Rows, left_out: NDArray[np.bool_]) -> Rows:
    """Place (n,) of what the institution itself last said of each query's very text; -1 where it said nothing.

    The own labels are the first candidates; ``left_out`` (n, m) marks those that must not be shown.
    """
    shown = (rows >= 0) & ~left_out
    said = (state.said.get(same_text(text), ()) for text in texts)
    return np.array([next((place for place in one if shown[i, place]), -1) for i, one in enumerate(said)], np.int64)


def _believed(
    candidates: Candidates, probability: Floats, words: Rows
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probabilities (n, m), given the institution's own words, and marks of the candidates that contradict these.

    An own word's answer gets the probability .99, all others share the rest.
    """
    known = words[:, None] >= 0
    answer = np.take_along_axis(candidates.answer, np.maximum(words, 0)[:, None], axis=1)
    agrees = candidates.answer == answer
    told = np.where(agrees, OWN_WORD_PROBABILITY, (1 - OWN_WORD_PROBABILITY) * probability)
    return np.where(known, told, probability), known & ~agrees


def _kept_both(state: InstitutionState, texts: Sequence[str], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Mark (n, m) the own labels of each query's very text that are right beside others."""
    kept = np.zeros(shape, bool)
    labels = state.support.demonstrations
    for i, text in enumerate(texts):
        kept[i, [place for place in state.said.get(same_text(text), ()) if labels[place].keeps_both]] = True
    return kept


def _with_words(given: Given, words: Rows) -> Given:
    """Put the own words (n,) first, with the score 1, and what was given after them."""
    places, scores = given.places.copy(), given.quotients.copy()
    if not places.shape[1]:
        return given
    for i in np.flatnonzero(words >= 0):
        others = given.places[i] != words[i]
        kept = np.flatnonzero(others)[: places.shape[1] - 1]
        places[i], scores[i] = -1, 0.0
        places[i, : len(kept) + 1] = [words[i], *given.places[i, kept]]
        scores[i, : len(kept) + 1] = [1.0, *given.quotients[i, kept]]
    return Given(places, scores)


def _reason(
    state: InstitutionState, one: Demonstration, similarity: float, probability: float, rank: int | None
) -> str:
    origin = "your own label" if one.institution == state.institution else f"from {one.institution}"
    reason = f"{origin}: input {similarity:.0%} similar, answer {probability:.0%} probable here"
    if rank is not None:
        reason += f" ({_ordinal(rank)}likeliest)"
    return reason


def _comparison(state: InstitutionState, one: Demonstration, kernel: Floats) -> str:
    """Compare its answer with the own label that past institutions treat most alike; empty without such a label."""
    support = state.support.demonstrations
    kernel = kernel[: len(support)]  # the columns after these are scored answers
    if not len(kernel) or kernel.max() < KIN:
        return ""
    kin = support[int(kernel.argmax())]
    verb = "agrees with" if kin.label == one.label else "differs from"
    return f"; {verb} your label {kin.input[:60]!r} ({kin.output[:30]}), which past institutions treat alike"


def _ordinal(rank: int) -> str:
    """``2nd`` with a space after it, and so on; empty for 1."""
    if rank == 1:
        return ""
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending} "


def checked_shots(k: int) -> int:
    """Check a maximum number of demonstrations. Raises DataError where it is no whole number, or negative."""
    if not isinstance(k, int) or isinstance(k, bool) or k < 0:
        raise DataError(f"k must be a whole number of demonstrations, 0 or more, got {k!r}")
    return k


def _checked_query(text: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"a query must be a text that is not blank, got {text!r}")
    check_text("query", text)
    return normalise_text(text)
