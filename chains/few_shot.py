"""The base of all chains: demonstrations as chat turns, then the query, then the model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import BaseChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda

from metachain.chains.answers.clean_step import AnswerCleaners, may_think
from metachain.chains.answers.cleaning import Cleaning, Kind, cleaning_of
from metachain.chains.audit_callback import audit_callbacks
from metachain.chains.demonstration_source import ShownDemonstration, turn
from metachain.chains.models import load_model
from metachain.chains.prompt_budget import PromptBudget, prompt_budget
from metachain.chains.select_step import SelectDemonstrations
from metachain.errors import DataError

__all__ = ["AnswerStep", "ChatRunnable", "PlainSteps", "ShownPrompt", "answering_chain", "chat_runnable"]
__all__ += ["few_shot_chain"]
__all__ += ["few_shot_prompt", "prompt_steps"]

ChatRunnable = Runnable[LanguageModelInput, AIMessage]


class PlainSteps(Protocol):
    """The steps of an answer as plain calls, for a chat model that is asked once and answers in words.

    A server calls them where nothing listens to LangChain's runs.
    """

    def prompt_of(self, shown: dict[str, Any]) -> tuple[list[BaseMessage], Any]:
        """Messages for the model, and what ``answer_of`` needs; may read the library."""

    def answer_of(self, answer: str, shown: dict[str, Any], prepared: Any) -> Any:
        """Answer of the chain, from the text of the model's."""


class AnswerStep(RunnableLambda[dict[str, Any], Any]):
    """The step that asks a model, with its chat model and plain steps; without these where it has none."""

    def __init__(
        self,
        func: Callable[..., Any],
        afunc: Callable[..., Any] | None = None,
        *,
        name: str,
        chat: ChatRunnable,
        plain: PlainSteps | None,
    ) -> None:
        super().__init__(func, afunc, name=name)
        self.chat = chat if isinstance(chat, BaseChatModel) else None
        self.plain = plain


def few_shot_chain(
    model: str | ChatRunnable,
    selector: BaseExampleSelector,
    instructions: str = "",
    *,
    input_key: str = "input",
    output_key: str = "output",
    max_prompt_tokens: int | float | None = None,
    count_tokens: Callable[[str], int] | None = None,
    clean: bool | Cleaning = False,
) -> Runnable[dict[str, Any], str]:
    """Make a chain that answers ``{input_key: text}``: a model with the few-shot examples of a selector.

    ``model`` is an argument of ``load_model``, or any Runnable over a chat model (``model.with_retry()``). The keys are
    those of the selector's examples. The target institution is the selector's; for a ``LibraryExampleSelector`` it is
    the input's ``institution`` or ``config={"configurable": {"institution": …}}``. The model is sent
    ``few_shot_prompt`` and nothing else.

    ``max_prompt_tokens`` limits instructions, demonstrations and query to a number of tokens, or (a float in (0, 1]) to
    a share of the model's context window; ``count_tokens`` counts the tokens of a text. See ``prompt_budget``.

    The answer is the model's words as they are. With ``clean`` (True, or a ``Cleaning`` with the rules) thoughts and
    marks around the answer are left out; the demonstrations tell whether it is to be a label, JSON or a text. A stream
    then passes on nothing that may be a thought: no text before a thought has closed, or the answer has ended.
    """
    return answering_chain(
        model,
        selector,
        instructions,
        input_key=input_key,
        output_key=output_key,
        max_prompt_tokens=max_prompt_tokens,
        count_tokens=count_tokens,
        clean=clean,
    )


def answering_chain(
    model: str | ChatRunnable,
    selector: BaseExampleSelector,
    instructions: str,
    *,
    input_key: str,
    output_key: str,
    max_prompt_tokens: int | float | None,
    count_tokens: Callable[[str], int] | None,
    clean: bool | Cleaning,
    kind: Kind | None = None,
) -> Runnable[dict[str, Any], str]:
    """Make ``few_shot_chain``; a ``kind`` sets what answers are to be, and lets a stream of texts pass early."""
    chat = chat_runnable(model)
    budget = prompt_budget(chat, max_prompt_tokens, count_tokens)
    select, prompt = prompt_steps(selector, instructions, input_key=input_key, output_key=output_key, budget=budget)

    cleaners = AnswerCleaners(cleaning_of(clean), kind, may_think(chat)) if clean is not False else None

    def answer(shown: dict[str, Any]) -> Runnable[dict[str, Any], str]:
        answering = prompt | chat | StrOutputParser()
        cleaned = answering | cleaners.of(shown).step() if cleaners else answering
        return cleaned.with_config(callbacks=audit_callbacks(select.audit, shown))

    step = AnswerStep(answer, name="answer", chat=chat, plain=_PlainPrompt(prompt, cleaners))
    return select | step.with_types(output_type=str)


def few_shot_prompt(
    selector: BaseExampleSelector,
    instructions: str = "",
    *,
    input_key: str = "input",
    output_key: str = "output",
    budget: PromptBudget | None = None,
) -> Runnable[dict[str, Any], PromptValue]:
    """Make a prompt of instructions, demonstrations and query.

    Instructions are a system message (none where they are blank), demonstrations are chat turns, and the query is the
    last message. All texts are data: braces, JSON, LaTeX or a literal ``{input}`` arrive unchanged, in the instructions
    too. A ``budget`` limits the demonstrations to those that fit. The selection is a run of its own.
    """
    select, prompt = prompt_steps(selector, instructions, input_key=input_key, output_key=output_key, budget=budget)
    return select | prompt


def prompt_steps(
    selector: BaseExampleSelector, instructions: str, *, input_key: str, output_key: str, budget: PromptBudget | None
) -> tuple[SelectDemonstrations, "ShownPrompt"]:
    """Make the two steps of ``few_shot_prompt``: selection and prompt. Raises DataError for wrong arguments."""
    if not isinstance(instructions, str):
        raise DataError(f"'instructions' must be a string, got {type(instructions).__name__}")
    system: list[BaseMessage] = [SystemMessage(instructions)] if instructions.strip() else []
    select = SelectDemonstrations(selector, budget, system, input_key=input_key, output_key=output_key)
    return select, ShownPrompt(input_variables=["demonstrations", "input"], instructions=system)


class ShownPrompt(BaseChatPromptTemplate):
    """The prompt of a ``Shown``; none of its texts is a template."""

    instructions: list[BaseMessage]
    """One system message, or none."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """False, because its chain makes it anew."""
        return False

    def format_messages(self, **kwargs: Any) -> list[BaseMessage]:
        """Build the instructions, the turns and the query."""
        shown: list[ShownDemonstration] = kwargs["demonstrations"]
        turns = [message for one in shown for message in turn(one["input"], one["output"])]
        return [*self.instructions, *turns, HumanMessage(kwargs["input"])]

    def pretty_repr(self, html: bool = False) -> str:
        """The instructions, with place holders for demonstrations and query."""
        return "\n\n".join([*(one.pretty_repr(html) for one in self.instructions), "{demonstrations}", "{input}"])


@dataclass(frozen=True)
class _PlainPrompt:
    prompt: ShownPrompt
    cleaners: AnswerCleaners | None

    def prompt_of(self, shown: dict[str, Any]) -> tuple[list[BaseMessage], None]:
        return self.prompt.format_messages(**shown), None

    def answer_of(self, answer: str, shown: dict[str, Any], prepared: None) -> str:
        return self.cleaners.of(shown).text(answer) if self.cleaners else answer


def chat_runnable(model: str | ChatRunnable) -> ChatRunnable:
    """Return a Runnable as it is, and load anything else with ``load_model``."""
    return model if isinstance(model, Runnable) else load_model(model)
