"""Answers as validated objects: what is no valid JSON of the schema is asked for once more, then refused."""

from collections.abc import Callable
from typing import Any, TypeVar

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from pydantic import BaseModel, ValidationError

from metachain.chains.audit_callback import audit_callbacks
from metachain.chains.few_shot import ChatRunnable, chat_runnable, selecting_and_prompt
from metachain.chains.prompt_budget import prompt_budget
from metachain.errors import AnswerError, DataError
from metachain.scoring.json_metric import json_within

__all__ = ["extraction_chain"]

Schema = TypeVar("Schema", bound=BaseModel)

ANSWER_SHOWN = 80
PROBLEMS_NAMED = 5
PROBLEM_SHOWN = 160


def extraction_chain(
    model: str | ChatRunnable,
    selector: BaseExampleSelector,
    schema: type[Schema],
    instructions: str = "",
    *,
    input_key: str = "input",
    output_key: str = "output",
    max_prompt_tokens: int | float | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> Runnable[dict[str, Any], Schema]:
    """Answer ``{input_key: text}`` with an object of ``schema``, a Pydantic model; the demonstrations show its JSON.

    An invalid answer is asked for once more: the model is sent it back with what was wrong. The prompt is
    ``few_shot_prompt``: a model that should be told the schema is told in the ``instructions``. ``max_prompt_tokens``
    and ``count_tokens`` are those of ``few_shot_chain``; they keep the first prompt, to which asking again adds.
    Raises DataError for a schema that is no Pydantic model, and in a run whose second answer is invalid too.
    """
    if not isinstance(schema, type) or not issubclass(schema, BaseModel) or schema is BaseModel:
        raise DataError(f"'schema' must be a Pydantic model, a class derived from pydantic.BaseModel, got {schema!r}")
    chat = chat_runnable(model)
    budget = prompt_budget(chat, max_prompt_tokens, count_tokens)
    selecting, prompt = selecting_and_prompt(
        selector, instructions, input_key=input_key, output_key=output_key, budget=budget
    )

    def telling(shown: dict[str, Any]) -> ChatRunnable:
        return chat.with_config(callbacks=audit_callbacks(selecting.audit, shown))

    def extract(shown: dict[str, Any], config: RunnableConfig) -> Schema:
        asked, told = prompt.invoke(shown, config), telling(shown)
        first = told.invoke(asked, config)
        try:
            return _validated(first, schema)
        except ValidationError as error:
            again = _asked_again(asked, first, error)
        return _validated_or_refused(told.invoke(again, config), schema)

    async def aextract(shown: dict[str, Any], config: RunnableConfig) -> Schema:
        asked, told = await prompt.ainvoke(shown, config), telling(shown)
        first = await told.ainvoke(asked, config)
        try:
            return _validated(first, schema)
        except ValidationError as error:
            again = _asked_again(asked, first, error)
        return _validated_or_refused(await told.ainvoke(again, config), schema)

    return selecting | RunnableLambda(extract, aextract, name="extract").with_types(output_type=schema)


def _validated(answer: AIMessage, schema: type[Schema]) -> Schema:
    return schema.model_validate_json(json_within(str(answer.text)))


def _validated_or_refused(answer: AIMessage, schema: type[Schema]) -> Schema:
    try:
        return _validated(answer, schema)
    except ValidationError as error:
        raise AnswerError(
            f"the model's answer is no valid {schema.__name__}, nor was the one before it: {_problems(error)}; "
            f"got {str(answer.text)[:ANSWER_SHOWN]!r}: say in the instructions what the JSON must hold, "
            "and check that the demonstrations' outputs are such JSON"
        ) from error


def _asked_again(asked: PromptValue, answer: AIMessage, error: ValidationError) -> list[BaseMessage]:
    """The prompt, the answer and what was wrong with it. Only the text is sent back, and no blank one is."""
    text = str(answer.text)
    said = [AIMessage(text)] if text.strip() else []
    wrong = f"That answer can't be used: {_problems(error)}. Answer again, with the corrected JSON alone."
    return [*asked.to_messages(), *said, HumanMessage(wrong)]


def _problems(error: ValidationError) -> str:
    """The first problems with their places, without what was got, which may be long or private."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    named = [": ".join(filter(None, [".".join(map(str, one["loc"])), one["msg"]])) for one in found[:PROBLEMS_NAMED]]
    more = [f"and {len(found) - PROBLEMS_NAMED} more"] if len(found) > PROBLEMS_NAMED else []
    return "; ".join([*(one[:PROBLEM_SHOWN] for one in named), *more])
