"""Learning with a model in the loop: it answers for training institutions in held-out episodes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

from langchain_core.messages import BaseMessage

from metachain.chains.answers.answer_reader import UNREAD, AnswerReader
from metachain.chains.answers.cleaning import Cleaning, cleaning_of
from metachain.chains.answers.score_alarm import ScoreAlarm
from metachain.chains.call_budget import Usage
from metachain.chains.classification import classify
from metachain.chains.label_scores import ScoresLabels
from metachain.chains.model_answerer import messages_of
from metachain.chains.model_caller import Answer, ModelCaller
from metachain.errors import DataError
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import CANDIDATES, DEFAULT, Policy
from metachain.learning.prior import Prior, rows_to_look_up
from metachain.learning.shared_past import pool_of
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.progress import Progress, silent
from metachain.scoring.metrics import METRICS, Metric, exact_match, suited_metric
from metachain.selection.fusion import Fusion, FusionTrial, WordTrial, learn_fusion, log_posterior
from metachain.selection.fusion_rehearsal import FusionQuestion, FusionRehearsal
from metachain.selection.learned_fusions import save_fusion
from metachain.selection.learned_policies import LearnedPolicy, save_policy
from metachain.selection.policy_search import PolicySearchResult, Trial, learn_policy
from metachain.selection.rehearsal import RehearsalSet

__all__ = ["Collected", "OutcomeCollector", "collect", "collect_fusion"]

EXACT_MATCH = "exact_match"


@dataclass(frozen=True)
class Collected:
    """Result of a policy search with a model in the loop."""

    learned: LearnedPolicy
    lesson: PolicySearchResult
    answered_before: int
    """Number of trials without a call, because the library already held the answer."""


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
    clean: bool | Cleaning = True,
    anyway: bool = False,
) -> Collected:
    """Find the policy under which a model answers best, with at most ``calls`` answers, and store it in the library.

    The prompts are those of ``few_shot_prompt`` with these ``instructions``. Each answer is stored as an outcome in the
    library before the next step. An answer that the library already holds for the same ``model`` name and prompt is
    reused, and counts as a call; so a repeated call after an interruption gives the result of an uninterrupted one.
    ``metric`` scores an answer against the right one, in [0, 1], after the rules of ``clean`` (``Cleaning``) have left
    out thoughts and marks around it. Where nearly all of the first 20 answers score 0, AnswerError is raised with three
    pairs of answer and reference, unless ``anyway``. Raises DataError for a score outside that range, and
    where the prior's institutions are not the library's; the library keeps all answers so far.
    """
    table = _table(library, prior, progress)
    rehearsals = RehearsalSet(table, prior, seed)
    outputs = [one.output for one in table.pool.demonstrations]
    reader = AnswerReader.of(cleaning_of(clean), outputs, sets=library.label_sets is not None)
    collector = OutcomeCollector(
        library, caller, model, metric, metric_name, instructions, reader=reader, alarm=ScoreAlarm(anyway)
    )
    worth = METRICS[suited_metric(outputs)]
    lesson = learn_policy(rehearsals, collector.ask, calls, worth, candidates, progress)
    raced = lesson.raced
    learned = LearnedPolicy(
        model, lesson.policy, metric_name, lesson.trials, raced.questions, raced.gain, raced.interval
    )
    save_policy(library, learned)
    return Collected(learned, lesson, collector.answered_before)


def collect_fusion(
    library: Library,
    prior: Prior,
    caller: ModelCaller,
    *,
    model: str,
    questions: int,
    scorer: ScoresLabels | None = None,
    policy: Policy = DEFAULT,
    instructions: str = "",
    seed: int = 0,
    progress: Progress = silent,
) -> Fusion:
    """Learn a model's fusion from its answers to ``questions`` queries of held-out episodes, and store it.

    The margin is learned from the model's words, the weights from its scores of labels where there is a ``scorer``
    (such as ``load_model("local")``). The prompts are those of ``few_shot_prompt`` with these ``instructions``, and the
    demonstrations that the ``policy`` chooses. Answers in words are stored and reused as in ``collect``; questions that
    the caller's budget has no room for are left out. Raises DataError where the prior's institutions are not the
    library's.
    """
    asked = list(FusionRehearsal(_table(library, prior, progress), prior, seed).fusion_questions(policy, questions))
    collector = OutcomeCollector(library, caller, model, exact_match, EXACT_MATCH, instructions)
    words = collector.words([Trial(one.asked, one.shown) for one in asked])
    worded = [
        WordTrial(one.answers, classify(word, one.labels).label or word, one.asked.label)
        for one, word in zip(asked, words, strict=True)
        if word is not None
    ]
    scored = [_scored(scorer, one, instructions) for one in asked] if scorer else []
    fusion = learn_fusion(scored, worded)
    save_fusion(library, model, fusion)
    return fusion


def _scored(scorer: ScoresLabels, one: FusionQuestion, instructions: str) -> FusionTrial:
    prompt = _prompt(Trial(one.asked, one.shown), instructions)
    (scores,) = scorer.label_log_probabilities([prompt], [one.labels])
    log_p = log_posterior(one.labels, one.answers)
    return FusionTrial(one.labels, tuple(log_p.tolist()), tuple(scores.tolist()), one.asked.label)


def _table(library: Library, prior: Prior, progress: Progress) -> NeighbourTable:
    """Neighbours among the prior's institutions. Raises DataError where these are not the library's."""
    shared = library.sharing.usable_by(None).demonstrations & set(library.institutions())
    if tuple(sorted(shared)) != prior.institutions:
        raise DataError("the institutions that share with everyone are not those of the prior; learn first")
    pool = pool_of(library, library.demonstrations(*prior.institutions), progress=progress)
    return NeighbourTable.of(pool, rows_to_look_up(pool), progress)


class OutcomeCollector:
    """Asks a model for the outcomes that a library lacks, and stores each answer in it on arrival."""

    def __init__(
        self,
        library: Library,
        caller: ModelCaller,
        model: str,
        metric: Metric,
        metric_name: str,
        instructions: str = "",
        *,
        reader: AnswerReader = UNREAD,
        alarm: ScoreAlarm | None = None,
    ) -> None:
        self._library, self._caller, self._model = library, caller, model
        self._metric, self._metric_name, self._instructions = metric, metric_name, instructions
        self._sets = library.label_sets
        self._reader, self._alarm = reader, alarm or ScoreAlarm(anyway=True)
        self.answered_before = 0

    def ask(self, trials: Sequence[Trial]) -> list[float | None]:
        """Score the model's answer to each trial, in [0, 1]; None where the budget has no room for the call."""
        return [None if one is None else one.score for one in self._outcomes(trials)]

    def words(self, trials: Sequence[Trial]) -> list[str | None]:
        """Give the model's answer to each trial; None where the budget has no room for the call."""
        return [None if one is None else self._compared(one.answer) for one in self._outcomes(trials)]

    def _compared(self, answer: str) -> str:
        """The answer as it is compared with outputs: where these are sets of labels, in their canonical form."""
        return self._sets.stored(answer) if self._sets else answer

    def _outcomes(self, trials: Sequence[Trial]) -> list[Outcome | None]:
        prompts = [_prompt(trial, self._instructions) for trial in trials]
        ids = [_id(self._model, prompt) for prompt in prompts]
        held = self._library.outcomes.by_id(ids)
        self._caller.charge(sum((Usage(1, one.input_tokens, one.output_tokens) for one in held.values()), Usage()))
        self.answered_before += len(held)
        first = {id: place for place, id in reversed(list(enumerate(ids)))}
        missing = sorted(place for id, place in first.items() if id not in held)

        def store(places: Sequence[int], number: int, answer: Answer) -> None:
            place = places[number]
            outcome = self._outcome(ids[place], trials[place], answer)
            self._library.outcomes.record([outcome])
            held[outcome.id] = outcome

        references = {id: trial.asked.output for id, trial in zip(ids, trials, strict=True)}
        self._score(held, list(held), references)
        while missing:
            asked = self._first(missing, trials) if self._alarm.waits_for else missing
            self._caller.answers([prompts[place] for place in asked], partial(store, asked))
            self._score(held, [ids[place] for place in asked if ids[place] in held], references)
            missing = [place for place in missing if place not in set(asked)]
        return [held.get(id) for id in ids]

    def _first(self, missing: Sequence[int], trials: Sequence[Trial]) -> list[int]:
        """Places of the calls whose scores the alarm looks at: evenly among the trials, those that show most first."""
        wanted = min(self._alarm.waits_for, len(missing))
        showing = [place for place in missing if trials[place].shown]
        known = showing if len(showing) >= wanted else list(missing)
        return sorted({known[len(known) * number // wanted] for number in range(wanted)})

    def _score(self, held: dict[str, Outcome], ids: Sequence[str], references: Mapping[str, str]) -> None:
        """Clean and score outcomes that aren't yet, and store them; those that are held come first to the alarm."""
        changed: list[Outcome] = []
        for one in [held[id] for id in ids]:
            answer = self._reader.text(one.answer)
            if one.score is None or one.metric != self._metric_name or answer != one.answer:
                score = self._metric(self._compared(answer), references[one.id])
                held[one.id] = replace(one, answer=answer, score=score, metric=self._metric_name)
                changed.append(held[one.id])
        self._library.outcomes.record(changed)
        for one in [held[id] for id in ids]:
            self._alarm.add(one.answer, references[one.id], one.score or 0.0)

    def _outcome(self, id: str, trial: Trial, answer: Answer) -> Outcome:
        return Outcome(
            id,
            "collected",
            trial.asked.institution,
            trial.asked.input,
            self._model,
            tuple(one.key for one in trial.shown),
            answer.text,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
        )


def _prompt(trial: Trial, instructions: str) -> list[BaseMessage]:
    shown = tuple((one.input, one.output) for one in trial.shown)
    return messages_of((shown, trial.asked.input), instructions)


def _id(model: str, prompt: Sequence[BaseMessage]) -> str:
    """Id of an outcome: the SHA-256 of the model's name and the prompt."""
    call = json.dumps([model, [[one.type, str(one.text)] for one in prompt]])
    return sha256(call.encode()).hexdigest()
