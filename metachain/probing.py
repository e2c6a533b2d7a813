"""Learns a model's policy: the race, then probes of what may mislead it, with and without what is suspected."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from metachain.demonstration import Demonstration
from metachain.misleading import Exposure, Harm, Key, misleading, suspects
from metachain.policy import CANDIDATES, DEFAULT, Policy
from metachain.progress import Progress, silent
from metachain.rehearsal import Question, Stage
from metachain.similarity import normalise_text
from metachain.tuning import Ask, Trial, Tuned, tune

__all__ = ["PolicyLesson", "learn_policy"]

RACED_SHARE = 0.8
"""Of the calls; the rest, and what the race leaves, goes to demonstrations that may mislead."""
ROUNDS = 4
QUERIES_A_SUSPECT = 8
QUESTIONS_LOOKED_AT = 4000

Worth = Callable[[str, str], float]
"""What an answer earns, by the answer and the right one."""


@dataclass(frozen=True)
class PolicyLesson:
    """What a model's answers taught."""

    policy: Policy
    """The race's winner, with what is demoted."""
    raced: Tuned
    misleading: Mapping[Key, Harm]
    """Demonstrations that are shown no more, the worst first."""
    trials: int
    """Different questions that were answered, in the race and after it."""


@dataclass(frozen=True, slots=True)
class _Showing:
    question: Question
    trial: Trial


def learn_policy(
    stage: Stage,
    ask: Ask,
    calls: int,
    worth: Worth,
    candidates: Sequence[Policy] = CANDIDATES,
    progress: Progress = silent,
) -> PolicyLesson:
    """Race ``candidates``, the default policy in office, then look for what misleads the model under the winner.

    At most ``calls`` different trials are asked; ``worth`` says what copying a demonstration's answer would earn.
    """
    raced = tune(stage, ask, int(calls * RACED_SHARE), candidates, DEFAULT, progress)
    known = _probed(stage, ask, raced.trials, raced.policy, calls - len(raced.trials), worth)
    harms = misleading(_exposures(known, worth))
    return PolicyLesson(replace(raced.policy, demoted=frozenset(harms)), raced, harms, len(known))


def _probed(
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
        asked(_pairs(stage, showings, policy, suspects(_exposures(found, worth))[:share]), share - share // 2)
    return found


def _exposures(known: Mapping[Trial, float], worth: Worth) -> list[Exposure]:
    """What each trial showed, what copying it would have earned, and what the answer did."""
    return [
        Exposure(
            _query(trial.asked),
            tuple(one.key for one in trial.shown),
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
            held = by_suspect.get(demonstration.key)
            if held is not None and len(held) < QUERIES_A_SUSPECT:
                held.setdefault(_query(one.trial.asked), one)
    for key, held in by_suspect.items():
        without = replace(policy, demoted=policy.demoted | {key})
        for one in held.values():
            yield one.trial
            yield Trial(one.trial.asked, stage.shown(one.question, [without])[0])


def _query(asked: Demonstration) -> str:
    return f"{asked.institution}\0{normalise_text(asked.input)}"
