"""Soft labels: scored answers of a model as evidence about an institution's own answers."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

from metachain.embedding.similarity import normalise_text
from metachain.library.outcomes import Outcome

__all__ = ["MOST_SCORED", "ScoredAnswer", "scored_answers"]

MOST_SCORED = 400
"""Maximum number of scored answers; with more, the posterior would take more than some milliseconds."""

MOST_READ = 4000
"""Maximum number of outcomes that are read for them."""


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """An answer to a normalised text, with the probability, in [0, 1], that the institution would give it."""

    input: str
    answer: str
    score: float


def scored_answers(
    outcomes: Iterable[Outcome], labelled: Iterable[str], known: Collection[str] | None
) -> tuple[ScoredAnswer, ...]:
    """Scored answers from an institution's outcomes, which come newest score first; ordered by input and answer.

    Left out are answers with a correction, as the correction is a label; answers to an input that is ``labelled``; and
    answers that are not ``known``, neither as given nor without white space around them. With ``known`` None, as where
    answers are texts, any answer that isn't blank is taken. An answer given several times to the same input counts
    once, with its mean score: repetition is no further evidence. The latest 400 are kept, of the latest 4,000 outcomes.
    """
    labelled_texts = {normalise_text(one) for one in labelled}
    scores: dict[tuple[str, str], list[float]] = {}
    for one in islice(outcomes, MOST_READ):
        text = normalise_text(one.input)
        answer = one.answer if known is not None and one.answer in known else one.answer.strip()
        if one.score is None or one.correction is not None or text in labelled_texts:
            continue
        if not answer or (known is not None and answer not in known):
            continue
        if (text, answer) not in scores and len(scores) == MOST_SCORED:
            break
        scores.setdefault((text, answer), []).append(one.score)
    return tuple(ScoredAnswer(text, answer, fmean(given)) for (text, answer), given in sorted(scores.items()))
