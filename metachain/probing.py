"""Looks for demonstrations that mislead the model: asks more queries, then with and without what is suspected."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from metachain.demonstration import Demonstration
from metachain.misleading import Exposure, Key, suspects
from metachain.policy import Policy
from metachain.rehearsal import Question, Stage
from metachain.similarity import normalise_text
from metachain.tuning import Ask, Trial

__all__ = ["exposures_of", "probe"]

ROUNDS = 4
QUERIES_A_SUSPECT = 8
QUESTIONS_LOOKED_AT = 4000

Worth = Callable[[str, str], float]
"""What an answer earns, by the answer and the right one."""


@dataclass(frozen=True, slots=True)
class _Showing:
    question: Question
    trial: Trial


def probe(
    stage: Stage, ask: Ask, known: Mapping[Trial, float], policy: Policy, calls: int, worth: Worth
) -> dict[Trial, float]:
    """Ask at most ``calls`` more trials about what may mislead under ``policy``; returns all that are known then.

    In each of four rounds half of the calls go to queries that were not asked yet. With the other half the likeliest
    suspects are asked about: up to 8 queries for which ``policy`` shows one, as they are, and as they would be were it
    never shown.
    """
    found = dict(known)
    most = len(known) + calls
    showings = [
        _Showing(one, Trial(stage.asked(one), stage.shown(one, [policy])[0]))
        for one in islice(stage.questions(), QUESTIONS_LOOKED_AT if calls else 0)
    ]

    def asked(trials: Iterator[Trial], budget: int) -> None:
        fresh = list(islice((one for one in dict.fromkeys(trials) if one not in found), budget))
        scores = ask(fresh) if fresh else []
        found.update((trial, score) for trial, score in zip(fresh, scores, strict=True) if score is not None)

    for turn in range(ROUNDS):
        share = (most - len(found)) // (ROUNDS - turn)
        asked((one.trial for one in showings), share // 2)
        asked(_pairs(stage, showings, policy, suspects(exposures_of(found, worth))[:share]), share - share // 2)
    return found


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


def _pairs(stage: Stage, showings: Sequence[_Showing], policy: Policy, suspected: Sequence[Key]) -> Iterator[Trial]:
    """Of each suspect, in order, the trials that show it, and the same without it."""
    by_suspect: dict[Key, dict[str, _Showing]] = {key: {} for key in suspected}
    for one in showings:
        for demonstration in one.trial.shown:
            held = by_suspect.get(_key(demonstration))
            if held is not None and len(held) < QUERIES_A_SUSPECT:
                held.setdefault(_query(one.trial.asked), one)
    for key, held in by_suspect.items():
        without = replace(policy, demoted=policy.demoted | {key})
        for one in held.values():
            yield one.trial
            yield Trial(one.trial.asked, stage.shown(one.question, [without])[0])


def _query(asked: Demonstration) -> str:
    return f"{asked.institution}\0{normalise_text(asked.input)}"


def _key(one: Demonstration) -> Key:
    return one.institution, one.id
