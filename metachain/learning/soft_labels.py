"""Answers that earned a bare score: soft evidence for or against what a model answered for an institution."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from statistics import fmean

from metachain.embedding.similarity import normalise_text
from metachain.library.outcomes import Outcome

__all__ = ["MOST_SCORED", "ScoredAnswer", "scored_answers"]

MOST_SCORED = 400
"""Beyond them a solve would take more than some milliseconds."""


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """What was answered to a text, and how probable it is that the institution would say so."""

    input: str
    """Normalised."""
    answer: str
    score: float
    """In [0, 1]."""


def scored_answers(
    outcomes: Iterable[Outcome], labelled: Iterable[str], known: Collection[str] | None
) -> tuple[ScoredAnswer, ...]:
    """What an institution's outcomes say beside its labels, ordered by input and answer.

    Left out are answers that were corrected, for the correction is a label, those to an input that is ``labelled``, and
    those that are not ``known``, as they are or without white space around them (None: any answer that isn't blank is
    taken, as where answers are texts). An answer that was given to the same input several times counts once, with
    the mean of its scores: asking again is no further evidence. Of more than 400 those whose greatest outcome id is
    greatest count; LangChain's run ids (UUID 7) grow with time.
    """
    settled = {normalise_text(one) for one in labelled}
    heard: dict[tuple[str, str], list[float]] = {}
    latest: dict[tuple[str, str], str] = {}
    for one in outcomes:
        text = normalise_text(one.input)
        answer = one.answer if known is not None and one.answer in known else one.answer.strip()
        if one.score is None or one.correction is not None or text in settled:
            continue
        if not answer or (known is not None and answer not in known):
            continue
        heard.setdefault((text, answer), []).append(one.score)
        latest[text, answer] = max(one.id, latest.get((text, answer), ""))
    kept = sorted(heard, key=lambda key: (latest[key], key), reverse=True)[:MOST_SCORED]
    return tuple(ScoredAnswer(text, answer, fmean(heard[text, answer])) for text, answer in sorted(kept))
