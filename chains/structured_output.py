"""Answers as validated objects; the model is asked once more after an invalid answer."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from pydantic import BaseModel, ValidationError

from metachain.chains.answers.cleaning import Cleaning, cleaning_of
from metachain.chains.answers.json_values import only_value_within
from metachain.chains.audit_callback import audit_callbacks
from metachain.chains.few_shot import ChatRunnable, chat_runnable, prompt_steps
from metachain.chains.prompt_budget import prompt_budget
from metachain.errors import AnswerError, DataError

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
    clean: bool | Cleaning = True,
) -> Runnable[dict[str, Any], Schema]:
    """Make a chain that answers ``{input_key: text}`` with an object of ``schema``, a Pydantic model.

    The demonstrations show the JSON of the schema. After an invalid answer, the model is asked once more, with its
    answer and the problems found. The prompt is ``few_shot_prompt``, which does not state the schema: state it in the
    ``instructions`` if the model needs it. ``max_prompt_tokens`` and ``count_tokens`` are those of ``few_shot_chain``.
    They limit the first prompt; the second one is longer. ``clean`` has the rules by which the JSON is found in
    an answer (``Cleaning``); with False an answer must be the JSON alone.

    Raises DataError for a schema that is no Pydantic model. A run raises AnswerError, a DataError, where the
    second answer is invalid too.
    """
    if not isinstance(schema, type) or not issubclass(schema, BaseModel) or schema is BaseModel:
        raise DataError(f"'schema' must be a Pydantic model, a class derived from pydantic.BaseModel, got {schema!r}")
    chat, cleaning = chat_runnable(model), cleaning_of(clean)
    budget = prompt_budget(chat, max_prompt_tokens, count_tokens)
    select, prompt = prompt_steps(selector, instructions, input_key=input_key, output_key=output_key, budget=budget)

    def audited(shown: dict[str, Any]) -> ChatRunnable:
        return chat.with_config(callbacks=audit_callbacks(select.audit, shown))

    def extract(shown: dict[str, Any], config: RunnableConfig) -> Schema:
        messages, asked = prompt.invoke(shown, config), audited(shown)
        first = asked.invoke(messages, config)
        try:
            return _validated(first, schema, cleaning)
        except ValidationError as error:
            second = _second_prompt(messages, first, error)
        return _validated_or_refused(asked.invoke(second, config), schema, cleaning)

    async def aextract(shown: dict[str, Any], config: RunnableConfig) -> Schema:
        messages, asked = await prompt.ainvoke(shown, config), audited(shown)
        first = await asked.ainvoke(messages, config)
        try:
            return _validated(first, schema, cleaning)
        except ValidationError as error:
            second = _second_prompt(messages, first, error)
        return _validated_or_refused(await asked.ainvoke(second, config), schema, cleaning)

    return select | RunnableLambda(extract, aextract, name="extract").with_types(output_type=schema)


def _validated(answer: AIMessage, schema: type[Schema], cleaning: Cleaning) -> Schema:
    text = cleaning.text(str(answer.text), kind="json")
    try:
        return schema.model_validate_json(text)
    except ValidationError:
        value = None if "json" in cleaning.off else only_value_within(text)
        if value is None:
            raise
        with suppress(ValidationError):
            return schema.model_validate_json(value)
        raise


def _validated_or_refused(answer: AIMessage, schema: type[Schema], cleaning: Cleaning) -> Schema:
    try:
        return _validated(answer, schema, cleaning)
    except ValidationError as error:
        raise AnswerError(
            f"the model's answer is no valid {schema.__name__}, nor was the one before it: {_problems(error)}; "
            f"got {str(answer.text)[:ANSWER_SHOWN]!r}: describe the JSON in the instructions, "
            "and check that the demonstrations' outputs are such JSON"
        ) from error


def _second_prompt(first: PromptValue, answer: AIMessage, error: ValidationError) -> list[BaseMessage]:
    """Build the prompt, the answer's text (none where it is blank) and the problems found."""
    answered = [AIMessage(str(answer.text))] if str(answer.text).strip() else []
    wrong = f"That answer can't be used: {_problems(error)}. Answer again, with the corrected JSON alone."
    return [*first.to_messages(), *answered, HumanMessage(wrong)]


def _problems(error: ValidationError) -> str:
    """The first problems with their places, without the values, which may be long or private."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    named = [": ".join(filter(None, [".".join(map(str, one["loc"])), one["msg"]])) for one in found[:PROBLEMS_NAMED]]
    more = [f"and {len(found) - PROBLEMS_NAMED} more"] if len(found) > PROBLEMS_NAMED else []
    return "; ".join([*(one[:PROBLEM_SHOWN] for one in named), *more])
