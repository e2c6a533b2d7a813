"""Learning with the backing model in the loop: it answers for past institutions that play the new one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from langchain_core.messages import BaseMessage

from metachain.chains.answering import messages_of
from metachain.chains.call_budget import Usage
from metachain.chains.calling import Answer, ModelCaller
from metachain.demonstration import Demonstration
from metachain.errors import DataError
from metachain.library import Library
from metachain.metrics import METRICS, Metric, suited_metric
from metachain.misleading import Harm, Key, misleading
from metachain.outcomes import Outcome
from metachain.policies import Learned, save_policy
from metachain.policy import CANDIDATES, DEFAULT, Policy
from metachain.prior import Prior, pool_of, rows_to_study
from metachain.probing import exposures_of, probe
from metachain.progress import Progress, silent
from metachain.rehearsal import Stage
from metachain.study import Study
from metachain.tuning import Trial, Tuned, tune

__all__ = ["Collected", "Ledger", "collect"]

RACED_SHARE = 0.8
"""Of the calls; the rest, and what the race leaves, goes to demonstrations that may mislead."""


@dataclass(frozen=True)
class Collected:
    """What the model's answers taught."""

    learned: Learned
    tuned: Tuned
    misleading: Mapping[Key, Harm]
    """Demonstrations that are shown no more, the worst first."""
    answered_before: int
    """Trials whose answer was in the library already, so that they were not asked."""


def collect(
    library: Library,
    prior: Prior,
    caller: ModelCaller,
    *,
    model: str,
    metric: Metric,
    metric_name: str,
    calls: int,
    instructions: str = "",
    seed: int = 0,
    candidates: Sequence[Policy] = CANDIDATES,
    progress: Progress = silent,
) -> Collected:
    """Find the policy under which a model answers best, with at most ``calls`` answers; it is stored in the library.

    The prompts are those of ``few_shot_prompt`` with these ``instructions``. Each answer is an outcome in the library
    before the next step is taken; one that is there already, under the same ``model`` name and prompt, is not asked
    for again and counts as a call, so that the same call after an interruption ends as if there had been none.
    ``metric`` scores an answer against the right one in [0, 1]. Raises DataError for a score outside of it, and where
    the prior's institutions are not the library's; all that was answered is kept.
    """
    demonstrations = library.demonstrations()
    pool = pool_of(library, demonstrations, progress=progress)
    if pool.institutions != prior.institutions:
        raise DataError("the library's institutions are not those that were learned from; learn first")
    stage = Stage(Study.of(pool, rows_to_study(pool), progress), prior, seed)
    ledger = Ledger(library, caller, model, metric, metric_name, instructions)
    raced = tune(stage, ledger.ask, int(calls * RACED_SHARE), candidates, DEFAULT, progress)
    worth = METRICS[suited_metric([one.output for one in demonstrations])]
    known = probe(stage, ledger.ask, raced.trials, raced.policy, calls - len(raced.trials), worth)
    harms = misleading(exposures_of(known, worth))
    policy = replace(raced.policy, demoted=frozenset(harms))
    learned = Learned(model, policy, metric_name, len(known), raced.questions, raced.gain, raced.interval)
    save_policy(library, learned)
    return Collected(learned, raced, harms, ledger.answered_before)


class Ledger:
    """Asks a model what the library has no outcome of, and keeps each answer there as it arrives."""

    def __init__(
        self,
        library: Library,
        caller: ModelCaller,
        model: str,
        metric: Metric,
        metric_name: str,
        instructions: str = "",
    ) -> None:
        self._library, self._caller = library, caller
        self._model, self._metric, self._metric_name = model, metric, metric_name
        self._instructions = instructions
        self.answered_before = 0

    def ask(self, trials: Sequence[Trial]) -> list[float | None]:
        """Score in [0, 1] what the model answers to each trial, None where the budget leaves no room for it."""
        prompts = [self._prompt(trial) for trial in trials]
        ids = [_id(self._model, prompt) for prompt in prompts]
        held = self._library.outcomes.known(ids)
        for outcome in held.values():
            self._caller.charge(Usage(1, outcome.input_tokens, outcome.output_tokens))
        self.answered_before += len(held)
        missing = [place for place, id in enumerate(ids) if id not in held]
        fresh: dict[str, float] = {}

        def store(number: int, answer: Answer) -> None:
            place = missing[number]
            outcome = self._outcome(ids[place], trials[place], answer)
            self._library.outcomes.record([outcome])
            fresh[outcome.id] = self._score(outcome, trials[place])

        self._caller.answers([prompts[place] for place in missing], store)
        known = {id: self._score(held[id], trial) for id, trial in zip(ids, trials, strict=True) if id in held}
        known |= fresh
        return [known.get(id) for id in ids]

    def _prompt(self, trial: Trial) -> list[BaseMessage]:
        shown = tuple((one.input, one.output) for one in trial.shown)
        return messages_of((shown, trial.asked.input), self._instructions)

    def _outcome(self, id: str, trial: Trial, answer: Answer) -> Outcome:
        return Outcome(
            id,
            "collected",
            trial.asked.institution,
            trial.asked.input,
            self._model,
            tuple(_key(one) for one in trial.shown),
            answer.text,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
        )

    def _score(self, outcome: Outcome, trial: Trial) -> float:
        """As stored where this metric has scored it, else scored and stored now."""
        if outcome.score is not None and outcome.metric == self._metric_name:
            return outcome.score
        score = self._metric(outcome.answer, trial.asked.output)
        self._library.outcomes.record([replace(outcome, score=score, metric=self._metric_name)])
        return score


def _id(model: str, prompt: Sequence[BaseMessage]) -> str:
    """Of a call: the same for the same model's name and prompt."""
    told = json.dumps([model, [[one.type, str(one.text)] for one in prompt]])
    return sha256(told.encode()).hexdigest()


def _key(one: Demonstration) -> Key:
    return one.institution, one.id
