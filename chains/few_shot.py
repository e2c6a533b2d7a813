"""The base of all chains: chosen demonstrations as chat turns, then the query, then the model."""

from collections.abc import Callable
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import BaseChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda

from metachain.chains.audit_callback import audit_callbacks
from metachain.chains.models import load_model
from metachain.chains.prompt_budget import PromptBudget, prompt_budget
from metachain.chains.select_step import SelectDemonstrations, ShownDemonstration
from metachain.errors import DataError

__all__ = ["ChatRunnable", "chat_runnable", "few_shot_chain", "few_shot_prompt", "selecting_and_prompt", "turn"]

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
    those of the selector's examples. Who asks is the selector's institution, or (``LibraryExampleSelector``) named by
    the input's ``institution`` or ``config={"configurable": {"institution": …}}``. What the model is sent is
    ``few_shot_prompt``, nothing is added to it.

    ``max_prompt_tokens`` keeps instructions, demonstrations and query to a number of tokens, or (a float in (0, 1]) to
    a share of the model's context window; ``count_tokens`` counts those of a text. See ``prompt_budget``.
    """
    chat = chat_runnable(model)
    budget = prompt_budget(chat, max_prompt_tokens, count_tokens)
    selecting, prompt = selecting_and_prompt(
        selector, instructions, input_key=input_key, output_key=output_key, budget=budget
    )

    def answering(shown: dict[str, Any]) -> Runnable[dict[str, Any], str]:
        return (prompt | chat | StrOutputParser()).with_config(callbacks=audit_callbacks(selecting.audit, shown))

    return selecting | RunnableLambda(answering, name="answer").with_types(output_type=str)


def few_shot_prompt(
    selector: BaseExampleSelector,
    instructions: str = "",
    *,
    input_key: str = "input",
    output_key: str = "output",
    budget: PromptBudget | None = None,
) -> Runnable[dict[str, Any], PromptValue]:
    """Instructions as a system message (none where they are blank), demonstrations as chat turns, then the query.

    All texts are data: braces, JSON, LaTeX or a literal ``{input}`` arrive unchanged, in the instructions too.
    With a ``budget``, the demonstrations are those that it leaves room for. Choosing them is a run of its own.
    """
    selecting, prompt = selecting_and_prompt(
        selector, instructions, input_key=input_key, output_key=output_key, budget=budget
    )
    return selecting | prompt


def selecting_and_prompt(
    selector: BaseExampleSelector, instructions: str, *, input_key: str, output_key: str, budget: PromptBudget | None
) -> tuple[SelectDemonstrations, "ShownPrompt"]:
    """The two steps of ``few_shot_prompt``."""
    if not isinstance(instructions, str):
        raise DataError(f"'instructions' must be a string, got {type(instructions).__name__}")
    told: list[BaseMessage] = [SystemMessage(instructions)] if instructions.strip() else []
    selecting = SelectDemonstrations(selector, budget, told, input_key=input_key, output_key=output_key)
    return selecting, ShownPrompt(input_variables=["demonstrations", "input"], told=told)


class ShownPrompt(BaseChatPromptTemplate):
    """The prompt of a ``Shown``; no text of it is ever a template."""

    told: list[BaseMessage]

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It is made by its chain."""
        return False

    def format_messages(self, **kwargs: Any) -> list[BaseMessage]:
        """What is told, the turns, the query."""
        shown: list[ShownDemonstration] = kwargs["demonstrations"]
        turns = [message for one in shown for message in turn(one["input"], one["output"])]
        return [*self.told, *turns, HumanMessage(kwargs["input"])]

    def pretty_repr(self, html: bool = False) -> str:
        """The prompt without demonstrations and query."""
        return "\n\n".join([*(one.pretty_repr(html) for one in self.told), "{demonstrations}", "{input}"])


def turn(asked: str, said: str) -> list[BaseMessage]:
    """How one demonstration is shown wherever it is: the user's turn and the assistant's."""
    return [HumanMessage(asked), AIMessage(said)]


def chat_runnable(model: str | ChatRunnable) -> ChatRunnable:
    """A Runnable is kept, anything else goes to ``load_model``."""
    return model if isinstance(model, Runnable) else load_model(model)
