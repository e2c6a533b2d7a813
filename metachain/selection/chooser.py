"""Choice of demonstrations for one institution in one state of the library."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import sklearn.feature_extraction.text  # noqa: F401 - so that the first query doesn't wait for it
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration, check_text
from metachain.embedding.encoder import Encoder
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text
from metachain.errors import DataError
from metachain.learning.candidates import Candidates, choose, plausibility
from metachain.learning.gaussian_process import co_treatment_kernel
from metachain.learning.index import Neighbours, similarities
from metachain.learning.institution_state import InstitutionState
from metachain.learning.neighbours import NEIGHBOURS
from metachain.learning.policy import Policy
from metachain.learning.posterior import Posterior
from metachain.learning.reply_profile import reply_profile
from metachain.selection.selection import Chosen, Selection, likeliest_answers

__all__ = ["Chooser", "checked_shots"]

MOST_ANSWERS = 32
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
        profile = reply_profile(near, pool.answer, len(pool.answers), pool.meaning)
        kernel = co_treatment_kernel(posterior.fit, profile)
        candidates = _candidates(state, normalised, vectors, near)
        probability = posterior.calibration.of(plausibility(candidates, posterior.fit, profile, kernel))
        places, score = choose(
            self.policy,
            candidates,
            probability,
            shots,
            sharpness=posterior.sharpness,
            meaning=pool.meaning,
            left_out=self._left_out(candidates.rows, without),
        )
        return [
            self._selection(text, candidates.take(i), places[i], score[i], probability[i], kernel[i])
            for i, text in enumerate(texts)
        ]

    def _left_out(self, rows: NDArray[np.int64], without: Collection[Demonstration]) -> NDArray[np.bool_] | None:
        """Mark candidate rows (n, m) that must not be shown: ``without``, demoted ones; None without any."""
        excluded, demoted = frozenset(without), self.policy.demoted
        if not excluded and not demoted:
            return None
        candidates = (self.state.demonstration(row) if row >= 0 else None for row in rows.ravel().tolist())
        out = [one is not None and (one in excluded or one.key in demoted) for one in candidates]
        return np.array(out, bool).reshape(rows.shape)

    def _selection(
        self, text: str, candidates: Candidates, places: Rows, score: Floats, probable: Floats, kernel: Floats
    ) -> Selection:
        pool, rows, similarity = self.state.pool, candidates.rows[0], candidates.similarity[0]
        answers = () if pool.meaning is not None else likeliest_answers(pool.answers, candidates.answer[0], probable)
        ranks = {one.answer: rank for rank, one in enumerate(answers, 1)}
        chosen = []
        for turn in np.flatnonzero(places >= 0)[::-1]:
            place = places[turn]
            one, near, probability = self.state.demonstration(int(rows[place])), similarity[place], probable[place]
            comparison = _comparison(self.state, one, kernel)
            reason = _reason(self.state, one, near, probability, ranks.get(one.output)) + comparison
            chosen.append(Chosen(one, float(score[turn]), float(near), float(probability), reason, comparison))
        sharpness = self.policy.sharpness_under(self.posterior.sharpness)
        return Selection(
            self.state.institution,
            text,
            tuple(chosen),
            "nearest" if sharpness is None else "metachain",
            self.policy.best_first,
            answers=answers[:MOST_ANSWERS],
        )


def _candidates(
    state: InstitutionState, normalised: Sequence[str], vectors: NDArray[np.float32], near: Neighbours
) -> Candidates:
    """Own labels and neighbours of n queries, without labels that have the query's own text."""
    itself = np.array(normalised, object)[:, None] == state.own_texts[None, :]
    own = np.where(itself, -1, len(state.pool.demonstrations) + np.arange(len(state.own_texts)))
    similarity = similarities(vectors, state.support.vectors)
    return Candidates.gather(own, similarity, near, state.answers_of, state.twins_of)


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
    verb = "agrees with" if kin.output == one.output else "differs from"
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
