"""Asks the model with and without the demonstrations that may mislead it, so that outcomes tell."""

from collections.abc import Callable, Mapping
from itertools import islice

from metachain.demonstration import Demonstration
from metachain.misleading import Exposure, Key, suspects
from metachain.policy import Policy
from metachain.rehearsal import Stage
from metachain.similarity import normalise_text
from metachain.tuning import Ask, Trial

__all__ = ["exposures_of", "probe"]

QUERIES_A_SUSPECT = 8
QUESTIONS_LOOKED_AT = 4000

Worth = Callable[[str, str], float]
"""What an answer earns, by the answer and the right one."""


def probe(
    stage: Stage, ask: Ask, known: Mapping[Trial, float], policy: Policy, calls: int, worth: Worth
) -> dict[Trial, float]:
    """Ask at most ``calls`` more trials, in pairs, about what may mislead; returns all that are known then.

    Of each suspect up to 8 queries are found for which ``policy`` shows it; these are asked as they are, and with the
    suspect left out. The likeliest suspects come first.
    """
    wanted = suspects(exposures_of(known, worth))[: calls // 2]
    pairs: dict[Key, dict[str, tuple[Trial, Trial]]] = {key: {} for key in wanted}
    for question in islice(stage.questions(), QUESTIONS_LOOKED_AT) if wanted else ():
        asked, (shown,) = stage.asked(question), stage.shown(question, [policy])
        for one in shown:
            held = pairs.get(_key(one))
            if held is not None and len(held) < QUERIES_A_SUSPECT:
                without = tuple(other for other in shown if other != one)
                held.setdefault(_query(asked), (Trial(asked, shown), Trial(asked, without)))
    trials = [trial for key in wanted for pair in pairs[key].values() for trial in pair if trial not in known]
    affordable = list(dict.fromkeys(trials))[:calls]
    scores = ask(affordable) if affordable else []
    answered = {trial: score for trial, score in zip(affordable, scores, strict=True) if score is not None}
    return {**known, **answered}


def exposures_of(known: Mapping[Trial, float], worth: Worth) -> list[Exposure]:
    """What each trial showed, what copying it would have earned, and what the answer did."""
    return [
        Exposure(
            _query(trial.asked),
            tuple(_key(one) for one in trial.shown),
            tuple(worth(one.output, trial.asked.output) for one in trial.shown),
            score,
        )
        for trial, score in known.items()
    ]


def _query(asked: Demonstration) -> str:
    return f"{asked.institution}\0{normalise_text(asked.input)}"


def _key(one: Demonstration) -> Key:
    return one.institution, one.id
