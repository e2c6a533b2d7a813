"""Stores the answers of chains, with the demonstrations shown, so that feedback can be given later."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableBinding
from langchain_core.runnables.utils import Input, Output
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from pydantic import BaseModel

from metachain.chains.answers.cleaning import Cleaning, cleaning_of, kind_of
from metachain.chains.audit_callback import demonstration_tokens, model_name, total_usage
from metachain.chains.classification import Classification
from metachain.chains.judge import judge_named
from metachain.chains.select_step import SELECTION_RUN
from metachain.errors import DataError
from metachain.failures import facts_of
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.scoring.metrics import Metric, checked_metric
from metachain.scoring.named_metrics import metric_named

__all__ = ["FeedbackRecorder", "Reference", "cleaned_answer", "outcome_of", "recorded", "text_of_answer"]

logger = logging.getLogger(__name__)

Reference = str | Callable[[Mapping[str, Any]], str | None]
"""Key of the chain's input that holds the right answer, or a function from an input to it (None where unknown)."""


def ignore_failure(error: Exception) -> None:
    """Do nothing with an error; it is logged all the same."""


class FeedbackRecorder(BaseTracer):
    """A callback that stores each answer of a chain as an outcome, for ``Library.record_feedback``.

    The outcome's id is that of the outermost run that the callback sees: ``run_id`` of the config where it is set,
    ``metadata.run_id`` of a LangServe response. Where several chains answer within that run, each answer is stored
    under the id of its own run. Nothing is stored for runs that fail, for streams that are not read to the end, for
    runs without an institution, and for agents. A recorder may be shared among chains, threads and event loops.

    ``model`` is the model's name in the outcomes; by default it is the provider and name in the traces. With a
    ``metric`` (a name of ``metric_named``, or any function of prediction and reference) and a ``reference``, each
    answer with a known reference is scored at once.

    Answers are stored and scored without thoughts and marks around them; ``clean`` has the rules (``Cleaning``).

    An answer reaches the caller even where it can't be stored or scored. The failure is logged, with the run's id and
    the kind of error, and handed to ``on_failure``; with ``raise_error`` it is raised. An answer that can't be scored
    is stored without a score. Raises DataError for a metric without a reference, and for a reference without a metric.
    """

    def __init__(
        self,
        library: Library,
        *,
        model: str = "",
        metric: str | Callable[[str, str], object] | None = None,
        reference: Reference | None = None,
        raise_error: bool = False,
        on_failure: Callable[[Exception], object] = ignore_failure,
        clean: bool | Cleaning = True,
    ) -> None:
        super().__init__()
        self._cleaning = cleaning_of(clean)
        if (metric is None) != (reference is None):
            raise DataError("'metric' and 'reference' need each other: give both to score answers, or neither")
        self.raise_error, self._on_failure = raise_error, on_failure
        self._library, self._model, self._reference = library, model, reference
        self._metric = _metric(metric, library)
        self._metric_name = metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)

    def _persist_run(self, run: Run) -> None:
        for one in _within(run):
            self.order_map.pop(one.id, None)  # langchain-core never removes them
        try:
            self._record(run)
        except Exception as error:
            self._on_failure(error)
            if self.raise_error:
                self.run_map.pop(str(run.id), None)
                raise
            kind = type(error).__name__
            logger.warning("the run %s was not recorded or scored: %s", run.id, kind, extra=facts_of(error))

    def _record(self, root: Run) -> None:
        whole = not root.error and all(one.end_time is not None for one in _within(root))
        answered = list(_answering_runs(root)) if whole else []
        failed: Exception | None = None
        for chain, selection in answered:
            id = str(root.id if len(answered) == 1 else chain.id)
            outcome = self._outcome(id, chain, selection)
            try:
                outcome = self._scored(outcome, selection)
            except Exception as error:  # noqa: BLE001 - the answer is stored first, then any error of a metric is raised
                failed = error
            self._store(outcome, chain, selection.outputs or {})
        if failed is not None:
            raise failed

    def _outcome(self, id: str, chain: Run, selection: Run) -> Outcome:
        shown = selection.outputs or {}
        answer = cleaned_answer(_text(chain) or "", shown, self._cleaning)
        return outcome_of(id, shown, self._model or _model_name(chain), answer, _usage(chain))

    def _store(self, outcome: Outcome, chain: Run, shown: Mapping[str, Any]) -> None:
        facts = {"model": _model_name(chain), **demonstration_tokens(shown), **_usage(chain)}
        self._library.record_answer(outcome, shown.get("selection_id", ""), **facts)

    def _scored(self, outcome: Outcome, selection: Run) -> Outcome:
        if self._metric is None:
            return outcome
        given: Mapping[str, Any] = selection.inputs
        reference = self._reference(given) if callable(self._reference) else given.get(str(self._reference))
        if reference is None:
            return outcome
        if not isinstance(reference, str):
            raise DataError(
                f"a reference must be a text, or None where it is not known, got {type(reference).__name__}"
            )
        return replace(outcome, score=self._metric(outcome.answer, reference), metric=self._metric_name)


def outcome_of(id: str, shown: Mapping[str, Any], model: str, answer: str, used: Mapping[str, int]) -> Outcome:
    """Build the outcome of an answer to a ``Shown``; ``used`` are the model's tokens."""
    keys = tuple((one["institution"], one["id"]) for one in shown["demonstrations"] if "id" in one)
    return Outcome(
        id,
        "chain",
        shown["institution"],
        shown["input"],
        model,
        keys,
        answer,
        input_tokens=used.get("input_tokens", 0),
        output_tokens=used.get("output_tokens", 0),
    )


def cleaned_answer(answer: str, shown: Mapping[str, Any], cleaning: Cleaning) -> str:
    """Clean an answer to a ``Shown``, whose demonstrations tell its kind and its labels."""
    outputs = [str(one["output"]) for one in shown["demonstrations"]]
    kind = kind_of(outputs) if outputs else "text"
    return cleaning.text(answer, outputs if kind == "label" else (), kind)


def recorded(
    chain: Runnable[Input, Output],
    library: Library,
    *,
    model: str = "",
    metric: str | Callable[[str, str], object] | None = None,
    reference: Reference | None = None,
    raise_error: bool = False,
    on_failure: Callable[[Exception], object] = ignore_failure,
    clean: bool | Cleaning = True,
) -> Runnable[Input, Output]:
    """Make the same chain with a ``FeedbackRecorder``, which stores each answer in the library.

    The arguments are those of ``FeedbackRecorder``. Wrap the whole chain that you invoke: within a bigger chain, the
    outcome's id is that of the inner run.
    """
    recorder = FeedbackRecorder(
        library,
        model=model,
        metric=metric,
        reference=reference,
        raise_error=raise_error,
        on_failure=on_failure,
        clean=clean,
    )
    # with_config would replace the chain's own callbacks.
    return RunnableBinding(bound=chain, config={"callbacks": [recorder]})


def _metric(metric: str | Callable[[str, str], object] | None, library: Library) -> Metric | None:
    if metric is None:
        return None
    if isinstance(metric, str):
        return metric_named(metric, encoder=library.encoder, judge=judge_named)
    if not callable(metric):
        raise DataError(f"'metric' must be a name or a function, got {type(metric).__name__}")
    return checked_metric(metric)


def _within(run: Run) -> Iterator[Run]:
    yield run
    for one in run.child_runs:
        yield from _within(one)


def _answering_runs(run: Run) -> Iterator[tuple[Run, Run]]:
    """Yield each run that gave a text, with its selection run, where that names the institution."""
    if run.error:
        return
    selections = [one for one in run.child_runs if one.name == SELECTION_RUN and _selected(one)]
    if len(selections) == 1 and _text(run) is not None:
        yield run, selections[0]
    for one in run.child_runs:
        yield from _answering_runs(one)


def _selected(run: Run) -> bool:
    shown = run.outputs or {}
    return not run.error and {"institution", "input", "demonstrations"} <= shown.keys() and bool(shown["institution"])


def _text(run: Run) -> str | None:
    """Answer of a run as a text; None where it has no such form."""
    given: Any = run.outputs
    return text_of_answer(given["output"] if isinstance(given, Mapping) and given.keys() == {"output"} else given)


def text_of_answer(answer: Any) -> str | None:
    """Text of a chain's answer; None where it has no such form."""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Classification):
        return answer.answer if answer.label is None else answer.label
    if isinstance(answer, BaseMessage):
        return str(answer.text)
    if answer is None or isinstance(answer, PromptValue):
        return None
    try:
        plain = answer.model_dump(mode="json", by_alias=True) if isinstance(answer, BaseModel) else answer
        return json.dumps(plain, ensure_ascii=False)
    except (TypeError, ValueError):
        return None


def _model_runs(run: Run) -> list[Run]:
    return [one for one in _within(run) if one.run_type in {"llm", "chat_model"}]


def _usage(run: Run) -> dict[str, Any]:
    return total_usage(map(_reported_usage, _model_runs(run)))


def _reported_usage(call: Run) -> Mapping[str, Any] | None:
    try:
        message: Mapping[str, Any] = (call.outputs or {})["generations"][0][0]["message"]["kwargs"]
    except (KeyError, IndexError, TypeError):
        return None
    return message.get("usage_metadata")


def _model_name(run: Run) -> str:
    """Provider and name of the last model called within a run."""
    calls = _model_runs(run)
    return model_name((calls[-1].extra or {}).get("metadata", {}) if calls else {})
