"""Search for the policy under which one model answers best, by a race of policies over held-out episodes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

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
"""Number of blocks in which the calls are spent; after each block losers are dropped."""
MOST_QUESTIONS = 64
"""Maximum number of questions in one block."""
Z95 = 1.96
RACED_SHARE = 0.8
"""Share of the calls for the race; the other calls go to demonstrations that may mislead."""
ROUNDS = 4
QUERIES_A_SUSPECT = 8
MOST_PROBED = 4000
"""Maximum number of questions from which those about suspects are taken."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One question to the model. Trials with the same texts are equal, whichever institutions these are from."""

    asked: Demonstration
    """Query of a past institution, with its right answer."""
    shown: tuple[Demonstration, ...]
    """Few-shot examples, in prompt order."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Query, right answer, and the input and output of each example."""
        return (*_texts(self.asked), *chain.from_iterable(map(_texts, self.shown)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trial) and self.texts == other.texts

    def __hash__(self) -> int:
        return hash(self.texts)


Ask = Callable[[Sequence[Trial]], Sequence[float | None]]
"""Scores in [0, 1] of the model's answers to trials; None where the budget was spent."""
Worth = Callable[[str, str], float]
"""Score in [0, 1] of an answer, by the answer and the right one."""


@dataclass(frozen=True)
class RaceResult:
    """Result of the race."""

    policy: Policy
    trials: Mapping[Trial, float]
    """Different trials that were answered, with the scores of the answers."""
    questions: int
    """Number of queries on which all policies still racing were compared."""
    scores: tuple[float, ...]
    """Mean score of each candidate over the queries on which it was compared; nan without any."""
    dropped: tuple[Dropped, ...]
    """Candidates that lost, in the order in which they were dropped."""
    gain: float
    """Mean score of the policy less that of the incumbent, over the queries on which both were compared."""
    interval: tuple[float, float]
    """95 % interval of the gain, paired over queries; slightly optimistic, as the same queries chose the winner."""


@dataclass(frozen=True)
class PolicySearchResult:
    """Policy learned from a model's answers."""

    policy: Policy
    """Winner of the race, with the demonstrations that it never shows."""
    raced: RaceResult
    misleading: Mapping[Key, Harm]
    """Demonstrations that are no longer shown, the most harmful first."""
    trials: int
    """Number of different trials that were answered, in the race and after it."""


def tune(
    rehearsals: RehearsalSet,
    ask: Ask,
    calls: int,
    candidates: Sequence[Policy] = CANDIDATES,
    incumbent: Policy = DEFAULT,
    progress: Progress = silent,
) -> RaceResult:
    """Race ``candidates``, given in order of preference, on at most ``calls`` different trials.

    ``incumbent`` is the candidate in use now. Two policies that show the same demonstrations share one trial. The race
    ends when one policy is left, the calls are spent, ``ask`` gives None, or there are no more questions. Raises
    DataError for a number of calls below 0, and for an incumbent that is no candidate.
    """
    if calls < 0:
        raise DataError(f"a number of calls must be 0 or more, got {calls}")
    if incumbent not in candidates:
        raise DataError(f"the incumbent must be one of the candidates, got {incumbent}")
    in_use = candidates.index(incumbent)
    known: dict[Trial, float] = {}
    rows: list[list[float]] = []
    dropped: list[Dropped] = []
    racing = list(range(len(candidates)))
    questions = rehearsals.questions()
    while len(racing) > 1 and len(known) < calls:
        block = list(islice(questions, min(max(calls // (BLOCKS * len(racing)), 1), MOST_QUESTIONS)))
        trials = [_trials(rehearsals, one, [candidates[arm] for arm in racing]) for one in block]
        known |= _asked(ask, chain.from_iterable(trials), known, calls - len(known))
        progress("asking the model", len(known), calls)
        complete = [row for row in trials if all(trial in known for trial in row)]
        for row in complete:
            score = {arm: known[trial] for arm, trial in zip(racing, row, strict=True)}
            rows.append([score.get(arm, np.nan) for arm in range(len(candidates))])
        racing, out = still_racing(np.array(rows), racing, most_left(len(candidates), len(known), calls), in_use)
        dropped += out
        if not block or len(complete) < len(block):
            break
    return _race_result(candidates, known, np.array(rows).reshape(-1, len(candidates)), racing, dropped, in_use)


def learn_policy(
    rehearsals: RehearsalSet,
    ask: Ask,
    calls: int,
    worth: Worth,
    candidates: Sequence[Policy] = CANDIDATES,
    progress: Progress = silent,
) -> PolicySearchResult:
    """Race ``candidates`` against the default policy, then find demonstrations that mislead the model under the winner.

    At most ``calls`` different trials are asked; ``worth`` gives the score for copying a demonstration's answer.
    """
    raced = tune(rehearsals, ask, int(calls * RACED_SHARE), candidates, DEFAULT, progress)
    known = _probed(rehearsals, ask, raced.trials, raced.policy, calls - len(raced.trials), worth)
    harms = misleading(_exposures(known, worth))
    return PolicySearchResult(replace(raced.policy, demoted=frozenset(harms)), raced, harms, len(known))


def _trials(rehearsals: RehearsalSet, question: Question, policies: Sequence[Policy]) -> list[Trial]:
    return [Trial(rehearsals.asked(question), shown) for shown in rehearsals.shown(question, policies)]


def _asked(ask: Ask, trials: Iterable[Trial], known: Mapping[Trial, float], most: int) -> dict[Trial, float]:
    """Ask the first ``most`` different trials that are not ``known``; returns those that were answered."""
    new = list(islice((one for one in dict.fromkeys(trials) if one not in known), most))
    scores = ask(new) if new else []
    return {trial: score for trial, score in zip(new, scores, strict=True) if score is not None}


def _race_result(
    candidates: Sequence[Policy],
    known: Mapping[Trial, float],
    table: Floats,
    racing: Sequence[int],
    dropped: Sequence[Dropped],
    incumbent: int,
) -> RaceResult:
    """Result of a race with scores ``table`` (n, A), nan where a candidate was out of the race."""
    best = winner(table, racing, incumbent)
    gain, error = _gain(table, best, incumbent)
    interval = (gain - Z95 * error, gain + Z95 * error)
    return RaceResult(candidates[best], known, len(table), _means(table), tuple(dropped), gain, interval)


def _gain(table: Floats, best: int, incumbent: int) -> tuple[float, float]:
    """Mean score of one candidate less that of another, on the queries of both, and its standard error."""
    if best == incumbent:
        return 0.0, 0.0
    both = table[~np.isnan(table[:, [best, incumbent]]).any(axis=1)]
    return paired(both[:, best], both[:, incumbent])


def _means(table: Floats) -> tuple[float, ...]:
    """Mean of each column without its nan; nan for a column of nan only."""
    ran = ~np.isnan(table)
    means = np.where(ran, table, 0.0).sum(axis=0) / np.where(ran.any(axis=0), ran.sum(axis=0), np.nan)
    return tuple(means.tolist())


def _probed(
    rehearsals: RehearsalSet, ask: Ask, known: Mapping[Trial, float], policy: Policy, calls: int, worth: Worth
) -> dict[Trial, float]:
    """Ask at most ``calls`` more trials about demonstrations that may mislead under ``policy``; returns all known ones.

    In each of four rounds half of the calls go to queries that were not asked yet. The other half goes to the likeliest
    suspects: for each, up to 8 queries for which ``policy`` shows it, once with the suspect and once without it.
    """
    scores = dict(known)
    most = len(known) + calls
    questions = list(islice(rehearsals.questions(), MOST_PROBED if calls else 0))
    trials = {one: _trials(rehearsals, one, [policy])[0] for one in questions}
    for done in range(ROUNDS):
        share = (most - len(scores)) // (ROUNDS - done)
        scores |= _asked(ask, trials.values(), scores, share // 2)
        suspected = suspects(_exposures(scores, worth))[:share]
        scores |= _asked(ask, _pairs(rehearsals, trials, policy, suspected), scores, share - share // 2)
    return scores


def _exposures(known: Mapping[Trial, float], worth: Worth) -> list[Exposure]:
    return [
        Exposure(
            _query_key(trial.asked),
            tuple(one.key for one in trial.shown),
            tuple(worth(one.output, trial.asked.output) for one in trial.shown),
            score,
        )
        for trial, score in known.items()
    ]


def _pairs(
    rehearsals: RehearsalSet, trials: Mapping[Question, Trial], policy: Policy, suspected: Sequence[Key]
) -> Iterator[Trial]:
    """For each suspect, in order, yield the trials that show it and the same trials without it."""
    by_suspect: dict[Key, dict[str, Question]] = {key: {} for key in suspected}
    for question, trial in trials.items():
        for demonstration in trial.shown:
            if (chosen := by_suspect.get(demonstration.key)) is not None and len(chosen) < QUERIES_A_SUSPECT:
                chosen.setdefault(_query_key(trial.asked), question)
    for key, chosen in by_suspect.items():
        without = replace(policy, demoted=policy.demoted | {key})
        for question in chosen.values():
            yield trials[question]
            yield _trials(rehearsals, question, [without])[0]


def _texts(one: Demonstration) -> tuple[str, str]:
    return one.input, one.output


def _query_key(asked: Demonstration) -> str:
    return f"{asked.institution}\0{normalise_text(asked.input)}"
