"""The base of all chains: chosen demonstrations as chat turns, then the query, then the model."""

from collections.abc import Callable
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, FewShotChatMessagePromptTemplate
from langchain_core.runnables import Runnable

from metachain.chains.models import load_model
from metachain.chains.prompt_budget import BudgetedSelector, PromptBudget, prompt_budget
from metachain.errors import DataError

__all__ = ["ChatRunnable", "chat_runnable", "few_shot_chain", "few_shot_prompt", "turn_prompt"]

ChatRunnable = Runnable[LanguageModelInput, AIMessage]


def few_shot_chain(
    model: str | ChatRunnable,
    selector: BaseExampleSelector,
    instructions: str = "",
    *,
    input_key: str = "input",
    output_key: str = "output",
    max_prompt_tokens: int | float | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> Runnable[dict[str, Any], str]:
    """Answer ``{input_key: text}`` with a model that is shown the demonstrations which ``selector`` chooses.

    ``model`` is what ``load_model`` takes, or any Runnable over a chat model (``model.with_retry()``). The keys are
    those of the selector's examples. What the model is sent is ``few_shot_prompt``, nothing is added to it.

    ``max_prompt_tokens`` keeps instructions, demonstrations and query to a number of tokens, or (a float in (0, 1]) to
    a share of the model's context window; ``count_tokens`` counts those of a text. See ``prompt_budget``.
    """
    chat = chat_runnable(model)
    budget = None if max_prompt_tokens is None else prompt_budget(chat, max_prompt_tokens, count_tokens)
    prompt = few_shot_prompt(selector, instructions, input_key=input_key, output_key=output_key, budget=budget)
    return prompt | chat | StrOutputParser()


def few_shot_prompt(
    selector: BaseExampleSelector,
    instructions: str = "",
    *,
    input_key: str = "input",
    output_key: str = "output",
    budget: PromptBudget | None = None,
) -> ChatPromptTemplate:
    """Instructions as a system message (none where they are blank), demonstrations as chat turns, then the query.

    All texts are data: braces, JSON, LaTeX or a literal ``{input}`` arrive unchanged, in the instructions too.
    With a ``budget``, the demonstrations are those that it leaves room for.
    """
    if not isinstance(selector, BaseExampleSelector):
        raise DataError(f"'selector' must be a LangChain example selector, got {type(selector).__name__}")
    if not isinstance(instructions, str):
        raise DataError(f"'instructions' must be a string, got {type(instructions).__name__}")
    for key in (input_key, output_key):
        if not isinstance(key, str) or not key.isidentifier():
            raise DataError(f"a key of the prompt must be a plain name such as 'input', got {key!r}")
    # A message object is passed on as it is; only ("system", text) would be read as a template.
    told = [SystemMessage(instructions)] if instructions.strip() else []
    if budget is not None:
        selector = BudgetedSelector(selector, budget, told, input_key=input_key, output_key=output_key)
    turns = FewShotChatMessagePromptTemplate(
        input_variables=[input_key],
        example_selector=selector,
        example_prompt=turn_prompt(input_key, output_key),
    )
    return ChatPromptTemplate([*told, turns, ("human", f"{{{input_key}}}")])


def turn_prompt(input_key: str = "input", output_key: str = "output") -> ChatPromptTemplate:
    """How one demonstration is shown wherever it is: the user's turn and the assistant's, filled with its texts.

    The texts are values that are put in once, whatever braces they hold.
    """
    return ChatPromptTemplate([("human", f"{{{input_key}}}"), ("ai", f"{{{output_key}}}")])


def chat_runnable(model: str | ChatRunnable) -> ChatRunnable:
    """A Runnable is kept, anything else goes to ``load_model``."""
    return model if isinstance(model, Runnable) else load_model(model)
