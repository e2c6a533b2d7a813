"""Finds the policy under which one model answers best: past institutions play the new one, and the policies race."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import normalise_text
from metachain.errors import DataError
from metachain.learning.policy import CANDIDATES, DEFAULT, Policy
from metachain.progress import Progress, silent
from metachain.selection.harmful import Exposure, Harm, Key, misleading, suspects
from metachain.selection.racing import Dropped, most_left, paired, still_racing, winner
from metachain.selection.rehearsal import Question, RehearsalSet

__all__ = ["Ask", "PolicySearchResult", "RaceResult", "Trial", "learn_policy", "tune"]

BLOCKS = 16
"""In which the calls are spent; after each losers are dropped."""
MOST_QUESTIONS = 64
"""In one block."""
Z95 = 1.96

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trial:
    """One question to the model: a past institution's query, and what is shown before it in prompt order."""

    asked: Demonstration
    shown: tuple[Demonstration, ...]


Ask = Callable[[Sequence[Trial]], Sequence[float | None]]
"""Scores in [0, 1] of the model's answers, None for those that a budget left no room for."""


@dataclass(frozen=True)
class RaceResult:
    """What the race found."""

    policy: Policy
    trials: Mapping[Trial, float]
    """Different questions that were answered, and what the answers earned."""
    questions: int
    """Queries that all policies then racing were compared on."""
    scores: tuple[float, ...]
    """Mean score of each candidate over the queries that it was compared on; nan where there was none."""
    dropped: tuple[Dropped, ...]
    """Candidates that lost, in the order in which they did."""
    gain: float
    """Mean score of the policy less that of the incumbent, over the queries that both were compared on."""
    interval: tuple[float, float]
    """95 %, paired over queries; the winner was chosen on the same queries, so that it flatters a little."""


def tune(
    stage: RehearsalSet,
    ask: Ask,
    calls: int,
    candidates: Sequence[Policy] = CANDIDATES,
    incumbent: Policy = DEFAULT,
    progress: Progress = silent,
) -> RaceResult:
    """Race ``candidates``, in order of preference, on at most ``calls`` different trials; ``incumbent`` is in office.

    What two policies show alike is asked once. The race ends when one is left, the calls are spent, ``ask`` gives
    None, or there are no more questions. Raises DataError for a number of calls below 0, and for an incumbent that is
    no candidate.
    """
    if calls < 0:
        raise DataError(f"a number of calls must be 0 or more, got {calls}")
    if incumbent not in candidates:
        raise DataError(f"the incumbent must be one of the candidates, got {incumbent}")
    office = candidates.index(incumbent)
    known: dict[Trial, float] = {}
    rows: list[list[float]] = []
    dropped: list[Dropped] = []
    racing = list(range(len(candidates)))
    questions = stage.questions()
    while len(racing) > 1 and len(known) < calls:
        block = _block(questions, len(racing), calls)
        shown = [stage.shown(one, [candidates[arm] for arm in racing]) for one in block]
        trials = [[Trial(stage.asked(one), each) for each in some] for one, some in zip(block, shown, strict=True)]
        fresh = list(dict.fromkeys(trial for row in trials for trial in row if trial not in known))
        affordable = fresh[: calls - len(known)]
        scores = ask(affordable)
        known |= {trial: score for trial, score in zip(affordable, scores, strict=True) if score is not None}
        progress("asking the model", len(known), calls)
        complete = [row for row in trials if all(trial in known for trial in row)]
        for row in complete:
            rows.append([np.nan] * len(candidates))
            for arm, trial in zip(racing, row, strict=True):
                rows[-1][arm] = known[trial]
        racing, out = still_racing(np.array(rows), racing, most_left(len(candidates), len(known), calls), office)
        dropped += out
        if not block or len(complete) < len(block):
            break
    table = np.array(rows).reshape(-1, len(candidates))
    best = winner(table, racing, office)
    gain, error = _gain(table, best, office)
    interval = (gain - Z95 * error, gain + Z95 * error)
    return RaceResult(candidates[best], known, len(rows), _means(table), tuple(dropped), gain, interval)


def _gain(table: Floats, best: int, office: int) -> tuple[float, float]:
    """Mean lead of one candidate over another on the queries that both ran on, and its standard error."""
    if best == office:
        return 0.0, 0.0
    both = table[~np.isnan(table[:, [best, office]]).any(axis=1)]
    return paired(both[:, best], both[:, office])


def _means(table: Floats) -> tuple[float, ...]:
    """Mean of each column without its nan, nan where it is all nan."""
    ran = ~np.isnan(table)
    means = np.where(ran, table, 0.0).sum(axis=0) / np.where(ran.any(axis=0), ran.sum(axis=0), np.nan)
    return tuple(means.tolist())


def _block(questions: Iterator[Question], racing: int, calls: int) -> list[Question]:
    return list(islice(questions, min(max(calls // (BLOCKS * racing), 1), MOST_QUESTIONS)))


RACED_SHARE = 0.8
"""Of the calls; the rest, and what the race leaves, goes to demonstrations that may mislead."""
ROUNDS = 4
QUERIES_A_SUSPECT = 8
QUESTIONS_LOOKED_AT = 4000

Worth = Callable[[str, str], float]
"""What an answer earns, by the answer and the right one."""


@dataclass(frozen=True)
class PolicySearchResult:
    """What a model's answers taught."""

    policy: Policy
    """The race's winner, with what is demoted."""
    raced: RaceResult
    misleading: Mapping[Key, Harm]
    """Demonstrations that are shown no more, the worst first."""
    trials: int
    """Different questions that were answered, in the race and after it."""


@dataclass(frozen=True, slots=True)
class _Showing:
    question: Question
    trial: Trial


def learn_policy(
    stage: RehearsalSet,
    ask: Ask,
    calls: int,
    worth: Worth,
    candidates: Sequence[Policy] = CANDIDATES,
    progress: Progress = silent,
) -> PolicySearchResult:
    """Race ``candidates``, the default policy in office, then look for what misleads the model under the winner.

    At most ``calls`` different trials are asked; ``worth`` says what copying a demonstration's answer would earn.
    """
    raced = tune(stage, ask, int(calls * RACED_SHARE), candidates, DEFAULT, progress)
    known = _probed(stage, ask, raced.trials, raced.policy, calls - len(raced.trials), worth)
    harms = misleading(_exposures(known, worth))
    return PolicySearchResult(replace(raced.policy, demoted=frozenset(harms)), raced, harms, len(known))


def _probed(
    stage: RehearsalSet, ask: Ask, known: Mapping[Trial, float], policy: Policy, calls: int, worth: Worth
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


def _pairs(
    stage: RehearsalSet, showings: Sequence[_Showing], policy: Policy, suspected: Sequence[Key]
) -> Iterator[Trial]:
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
