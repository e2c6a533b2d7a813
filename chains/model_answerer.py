"""A chat model in place of the offline reader: ``metachain evaluate --model``."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from metachain.chains.answers.answer_reader import AnswerReader
from metachain.chains.answers.cleaning import Cleaning, cleaning_of
from metachain.chains.answers.score_alarm import ScoreAlarm
from metachain.chains.call_budget import LIMITS, CallBudget, Usage
from metachain.chains.dask_model import model_at
from metachain.chains.demonstration_source import turn
from metachain.chains.label_scores import ScoringChatModel, scoring_model
from metachain.chains.model_caller import Answer, ModelCaller
from metachain.chains.models import load_model
from metachain.errors import DataError, ModelError
from metachain.evaluation.scorers import ShownPrompt
from metachain.library.answer_cache import AnswerCache
from metachain.progress import ModelProgressCallback, silent_model
from metachain.scoring.metrics import Metric, exact_match
from metachain.workers import HERE, Workers

__all__ = ["ModelAnswerer", "answering_with", "load_countable", "messages_of"]


class ModelAnswerer:
    """Answers prompts with a model, within a number of calls; the cache keeps all answers.

    ``name`` identifies the model in the cache: another model, or the same model with other settings, needs another
    name. A ``ScoringChatModel`` may have the name of its model: the cache keeps what they answer apart. ``calls`` is
    the maximum number of calls; None allows no call, and the error then gives the number needed.
    Raises DataError before the first call where ``calls`` is too small. Raises ModelError where failed calls used the
    calls up, and where the model refuses; the cache keeps the answers so far.
    """

    def __init__(
        self,
        model: BaseChatModel,
        name: str,
        cache: AnswerCache,
        *,
        calls: int | None = None,
        instructions: str = "",
        max_concurrency: int = 4,
        requests_per_second: float | None = None,
        progress: ModelProgressCallback = silent_model,
        clean: bool | Cleaning = True,
        anyway: bool = False,
    ) -> None:
        self.name, self.calls, self.tokens = name, 0, 0
        self._model, self._cache, self._allowed, self._instructions = model, cache, calls or 0, instructions
        self._concurrency, self._rate, self._progress = max_concurrency, requests_per_second, progress
        self._cleaning, self._alarm = cleaning_of(clean), ScoreAlarm(anyway)
        self._expected: Mapping[ShownPrompt, str] = {}
        self._metric: Metric = exact_match
        self._sets = False

    def expect(self, references: Mapping[ShownPrompt, str], metric: Metric, *, sets: bool = False) -> None:
        """Take the right answers to prompts: where nearly all first answers score 0, asking raises AnswerError.

        ``sets`` says that answers are sets of labels.
        """
        self._expected, self._metric, self._sets = references, metric, sets

    def __call__(self, prompts: Sequence[ShownPrompt]) -> list[str]:
        """Answer each prompt, in order; the answers are cleaned, those in the cache are the model's words."""
        outputs = [output for demonstrations, _ in prompts for _, output in demonstrations]
        read = AnswerReader.of(self._cleaning, outputs, sets=self._sets)
        keys = [self._key(prompt) for prompt in prompts]
        answers = self._cache.by_key(keys)
        missing = [place for place, key in enumerate(keys) if key not in answers]
        if len(missing) > self._allowed:
            before = len(prompts) - len(missing)
            kept = f" ({before} answers are kept from before)" if before else ""
            raise DataError(
                f"this takes {len(missing)} calls of {self.name}{kept}, --calls allows {self._allowed}: allow more, or "
                "ask for fewer --selectors, --labels, --seeds or --queries"
            )
        if missing:
            self.calls, self.tokens = 0, 0
            first = self._spread(missing, prompts)
            rest = [place for place in missing if place not in set(first)]
            for places in filter(None, (first, rest)):
                self._ask([prompts[place] for place in places], [keys[place] for place in places], answers)
                self._look([prompts[place] for place in places], [answers[keys[place]] for place in places], read)
        return [read.text(answers[key]) for key in keys]

    def _spread(self, missing: Sequence[int], prompts: Sequence[ShownPrompt]) -> list[int]:
        """Places of the first calls, whose scores the alarm looks at: evenly among prompts with demonstrations."""
        known = [place for place in missing if prompts[place][0] and prompts[place] in self._expected]
        wanted = self._alarm.waits_for
        return [known[len(known) * number // wanted] for number in range(wanted)] if len(known) >= wanted > 0 else []

    def _look(self, prompts: Sequence[ShownPrompt], answers: Sequence[str], read: AnswerReader) -> None:
        for prompt, said in zip(prompts, answers, strict=True):
            if self._alarm.waits_for and prompt[0] and prompt in self._expected:
                text, right = read.text(said), self._expected[prompt]
                self._alarm.add(text or said, right, self._metric(text, right))

    def _ask(self, prompts: Sequence[ShownPrompt], keys: Sequence[str], texts: dict[str, str]) -> None:
        def keep(number: int, answer: Answer) -> None:
            self._cache.keep(keys[number], answer.text)
            texts[keys[number]] = answer.text

        messages = [messages_of(prompt, self._instructions) for prompt in prompts]
        with ModelCaller(
            self._model,
            budget=CallBudget(self._allowed),
            spent=Usage(self.calls),
            max_concurrency=self._concurrency,
            requests_per_second=self._rate,
            progress=self._progress,
        ) as caller:
            try:
                answers = caller.answers(messages, keep)
            finally:
                self.calls, self.tokens = caller.spent.calls, self.tokens + caller.spent.tokens
        left = answers.count(None)
        if left:
            raise ModelError(f"calls failed, so {left} answers are missing after {self.calls} calls; run this again")

    def _key(self, prompt: ShownPrompt) -> str:
        demonstrations, _ = prompt
        scored = ["score"] if demonstrations and isinstance(self._model, ScoringChatModel) else []
        return sha256(json.dumps([self.name, self._instructions, *prompt, *scored]).encode()).hexdigest()


def answering_with(
    spec: str,
    *,
    calls: int | None,
    instructions: str,
    max_concurrency: int,
    requests_per_second: float | None,
    asking: Callable[[str], AbstractContextManager[ModelProgressCallback]],
    workers: Workers = HERE,
    answers_by: str = "generate",
    clean: bool | Cleaning = True,
    anyway: bool = False,
) -> Callable[[Path | None], AbstractContextManager[ModelAnswerer]]:
    """Load a model, and return a function that opens its answerer on a cache, given the cache's path.

    ``asking`` opens a progress display with a title, such as ``metachain.cli.shared.console.asking``. With
    ``answers_by`` "score" the model answers with the most probable of the labels shown. Raises DataError as
    ``load_model``, ``ModelCaller`` and ``scoring_model`` do.
    """
    model = load_countable(spec, workers=workers)
    if answers_by == "score":
        model = scoring_model(model)
    limits: dict[str, Any] = {"max_concurrency": max_concurrency, "requests_per_second": requests_per_second}
    ModelCaller(model, **limits).close()
    reading: dict[str, Any] = {"clean": cleaning_of(clean), "anyway": anyway}

    @contextmanager
    def answering(path: Path | None) -> Iterator[ModelAnswerer]:
        with AnswerCache.open(path) as cache, asking("asking") as progress:
            yield ModelAnswerer(
                model, spec, cache, calls=calls, instructions=instructions, progress=progress, **limits, **reading
            )

    return answering


def messages_of(prompt: ShownPrompt, instructions: str = "") -> list[BaseMessage]:
    """Build the messages of ``few_shot_prompt`` for demonstrations, a query and instructions."""
    demonstrations, query = prompt
    system: list[BaseMessage] = [SystemMessage(instructions)] if instructions.strip() else []
    turns = [message for one in demonstrations for message in turn(*one)]
    return [*system, *turns, HumanMessage(query)]


def load_countable(spec: str, answer_tokens: int | None = None, workers: Workers = HERE) -> BaseChatModel:
    """Load a model without the client's own retries, which a ``ModelCaller`` could not count.

    ``answer_tokens`` is the maximum length of an answer, set under the name that the model's class uses. Dask's
    ``workers``, if given, send the calls (``model_at``).
    """
    fields = type(load_model(spec)).model_fields
    limits = [name for name in LIMITS if name in fields][:1] if answer_tokens else []
    without_retries = {"max_retries": 0} if "max_retries" in fields else {}
    return model_at(workers, spec, {**without_retries, **dict.fromkeys(limits, answer_tokens)})
