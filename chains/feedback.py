"""Keeps what chains answered, with what they were shown, so that feedback on it can be given later."""

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

from metachain.chains.audit_callback import model_name, tell
from metachain.chains.classification import Classification
from metachain.chains.judge import judge_named
from metachain.chains.select_step import SELECTION_RUN
from metachain.errors import DataError
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.scoring.metrics import Metric, checked_metric
from metachain.scoring.named_metrics import metric_named

__all__ = ["FeedbackRecorder", "Reference", "recorded"]

logger = logging.getLogger(__name__)

TOKENS = "input_tokens", "output_tokens"
Reference = str | Callable[[Mapping[str, Any]], str | None]
"""The key of the chain's input that holds the right answer, or what finds it for an input: None where unknown."""


class FeedbackRecorder(BaseTracer):
    """A callback that stores each answer of a chain as an outcome, for ``Library.record_feedback``.

    A selection's id is that of the outermost run that the callback sees: ``run_id`` of the config where it is given
    there, ``metadata.run_id`` of a LangServe response. Several chains that answer within that one run are stored under
    the ids of their own runs. Runs that fail, streams that are not read to the end, runs in which nobody is named as
    asking and agents leave nothing. It may be shared among chains, threads and event loops.

    ``model`` is what the outcomes call the model; without one its provider and name, as its traces have them. With a
    ``metric`` (a name of ``metric_named``, or any function of prediction and reference) and a ``reference`` each answer
    whose reference is known is scored at once.

    The answer is never lost because it couldn't be stored or scored: that is logged, with the run's id and the kind of
    error. With ``raise_error`` it comes out of the run as an exception. What could not be scored is stored unscored.
    Raises DataError for a metric without a reference or the reverse.
    """

    def __init__(
        self,
        library: Library,
        *,
        model: str = "",
        metric: str | Callable[[str, str], object] | None = None,
        reference: Reference | None = None,
        raise_error: bool = False,
    ) -> None:
        super().__init__()
        if (metric is None) != (reference is None):
            raise DataError("'metric' and 'reference' need each other: give both to score answers at once, or neither")
        self.raise_error = raise_error
        self._library = library
        self._model = model
        self._metric = _metric(metric, library)
        self._metric_name = metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)
        self._reference = reference

    def _persist_run(self, run: Run) -> None:
        """Store what was answered under this outermost run, which has ended."""
        for one in _within(run):
            self.order_map.pop(one.id, None)  # which langchain-core never empties
        try:
            self._record(run)
        except Exception as error:
            if self.raise_error:
                self.run_map.pop(str(run.id), None)
                raise
            logger.warning("the run %s was not recorded or scored: %s", run.id, type(error).__name__)

    def _record(self, root: Run) -> None:
        whole = not root.error and all(one.end_time is not None for one in _within(root))
        answered = list(_answered(root)) if whole else []
        failed: Exception | None = None
        outcomes = []
        for chain, selecting in answered:
            id = str(root.id if len(answered) == 1 else chain.id)
            outcome = self._outcome(id, chain, selecting)
            score = None
            try:
                score = self._score(outcome, selecting)
            except Exception as error:  # noqa: BLE001 - whatever a metric raises, the answer is kept first
                failed = error
            outcomes.append(outcome if score is None else replace(outcome, score=score, metric=self._metric_name))
        self._library.outcomes.record(outcomes)
        for outcome, (chain, selecting) in zip(outcomes, answered, strict=True):
            self._tell(outcome.id, chain, selecting.outputs or {})
        if failed is not None:
            raise failed

    def _outcome(self, id: str, chain: Run, selecting: Run) -> Outcome:
        shown: Mapping[str, Any] = selecting.outputs or {}
        usages = _usages(chain)
        return Outcome(
            id,
            "chain",
            shown["institution"],
            shown["input"],
            self._model or _model_name(chain),
            tuple((one["institution"], one["id"]) for one in shown["demonstrations"] if "id" in one),
            _text(chain) or "",
            input_tokens=sum(one.get("input_tokens", 0) for one in usages),
            output_tokens=sum(one.get("output_tokens", 0) for one in usages),
        )

    def _tell(self, outcome: str, chain: Run, shown: Mapping[str, Any]) -> None:
        """Let the selection's entry in the audit name its outcome; of your own chains the model and tokens too."""
        if "selection_id" not in shown:
            return
        usages = [one for one in _usages(chain) if one]
        known: dict[str, Any] = {name: sum(one.get(name, 0) for one in usages) for name in TOKENS} if usages else {}
        known["demonstration_tokens"] = sum(one["tokens"] for one in shown["demonstrations"])
        tell(self._library.audit, shown["selection_id"], outcome=outcome, model=_model_name(chain), **known)

    def _score(self, outcome: Outcome, selecting: Run) -> float | None:
        if self._metric is None:
            return None
        given: Mapping[str, Any] = selecting.inputs
        reference = self._reference(given) if callable(self._reference) else given.get(str(self._reference))
        if reference is None:
            return None
        if not isinstance(reference, str):
            raise DataError(
                f"a reference must be a text, or None where it is not known, got {type(reference).__name__}"
            )
        return self._metric(outcome.answer, reference)


def recorded(
    chain: Runnable[Input, Output],
    library: Library,
    *,
    model: str = "",
    metric: str | Callable[[str, str], object] | None = None,
    reference: Reference | None = None,
    raise_error: bool = False,
) -> Runnable[Input, Output]:
    """The same chain, each answer of which is stored in the library; the arguments are those of ``FeedbackRecorder``.

    Record what you invoke: within a bigger chain a selection's id is that of this part's run.
    """
    recorder = FeedbackRecorder(library, model=model, metric=metric, reference=reference, raise_error=raise_error)
    # Not with_config, which would put a chain's own callbacks out of office.
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
    """A run and all below it."""
    yield run
    for one in run.child_runs:
        yield from _within(one)


def _answered(run: Run) -> Iterator[tuple[Run, Run]]:
    """Runs that answered with a text, each with the run in it that selected for somebody."""
    if run.error:
        return
    selecting = [one for one in run.child_runs if one.name == SELECTION_RUN and _selected(one)]
    if len(selecting) == 1 and _text(run) is not None:
        yield run, selecting[0]
    for one in run.child_runs:
        yield from _answered(one)


def _selected(run: Run) -> bool:
    shown = run.outputs or {}
    return not run.error and {"institution", "input", "demonstrations"} <= shown.keys() and bool(shown["institution"])


def _text(run: Run) -> str | None:
    """What a run answered, as a text; None where that can't be said."""
    given: Any = run.outputs
    answer = given["output"] if isinstance(given, Mapping) and given.keys() == {"output"} else given
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Classification):
        return answer.answer if answer.label is None else answer.label
    if isinstance(answer, BaseMessage):
        return str(answer.text)
    if answer is None or isinstance(answer, PromptValue):
        return None
    try:
        told = answer.model_dump(mode="json", by_alias=True) if isinstance(answer, BaseModel) else answer
        return json.dumps(told, ensure_ascii=False)
    except (TypeError, ValueError):
        return None


def _asked(run: Run) -> list[Run]:
    """All calls of models within a run."""
    return [one for one in _within(run) if one.run_type in {"llm", "chat_model"}]


def _usages(run: Run) -> list[Mapping[str, Any]]:
    """The tokens of each call of a model within a run, empty where it doesn't say."""
    return [_usage(one) for one in _asked(run)]


def _usage(run: Run) -> Mapping[str, Any]:
    """The tokens of a model's run, where it says how many."""
    try:
        message: Mapping[str, Any] = (run.outputs or {})["generations"][0][0]["message"]["kwargs"]
    except (KeyError, IndexError, TypeError):
        return {}
    return message.get("usage_metadata") or {}


def _model_name(run: Run) -> str:
    """The provider and name of the model that was asked last within a run."""
    asked = _asked(run)
    return model_name((asked[-1].extra or {}).get("metadata", {}) if asked else {})
