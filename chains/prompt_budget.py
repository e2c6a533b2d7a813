"""How many tokens a prompt may hold: how they are counted, and the selector that keeps to it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.runnables import Runnable
from langchain_core.runnables.base import RunnableBindingBase

from metachain.budget import positions_within
from metachain.chains.offline import OfflineChatModel
from metachain.demonstration import Demonstration
from metachain.errors import DataError
from metachain.retrievers.selector import MetaExampleSelector

__all__ = ["BudgetedSelector", "PromptBudget", "prompt_budget"]

CountText = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class PromptBudget:
    """How many tokens a prompt may hold, and what counts them."""

    tokens: int
    count_text: CountText | None = None
    """Tokens of one message's text; LangChain's approximation for the whole message where None."""

    def count(self, messages: Sequence[BaseMessage]) -> int:
        """Count the tokens of messages. Raises DataError where ``count_text`` gives anything but a whole number."""
        return sum(self._count(message) for message in messages)

    def _count(self, message: BaseMessage) -> int:
        text = str(message.text)
        if self.count_text is not None and not text:
            return 0
        found = 0 if self.count_text is None else self.count_text(text)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise DataError(f"'count_tokens' must give a whole number of tokens, 0 or more, got {found!r}")
        # A tokenizer that could not be loaded finds 0 tokens in any text.
        return found or count_tokens_approximately([message])


def prompt_budget(
    model: Runnable[Any, Any], max_prompt_tokens: int | float, count_tokens: CountText | None = None
) -> PromptBudget:
    """Make a budget of a number of tokens, or of a share of the model's context window (a float in (0, 1]).

    ``count_tokens`` counts where it is given, else the model's own tokenizer where that is known to need no network
    (``custom_get_token_ids``, the offline reader), else LangChain's approximation. Raises DataError for anything
    else, and for a share where LangChain doesn't know the context window.
    """
    if count_tokens is not None and not callable(count_tokens):
        raise DataError(f"'count_tokens' must be a function from a text to a number, got {count_tokens!r}")
    while isinstance(model, RunnableBindingBase):  # with retries, or with arguments bound
        model = model.bound
    return PromptBudget(_tokens(model, max_prompt_tokens), count_tokens or _local_count(model))


class BudgetedSelector(BaseExampleSelector):
    """Chooses as another selector does, and keeps to what a budget leaves once ``told`` and the query are counted.

    From ``MetaExampleSelector`` it has what is most useful for its length (``metachain.budget.select_within``). The
    examples of other selectors have no known utility, so they count alike: those most of which fit are kept.
    """

    def __init__(
        self,
        selector: BaseExampleSelector,
        budget: PromptBudget,
        told: Sequence[BaseMessage] = (),
        *,
        input_key: str = "input",
        output_key: str = "output",
    ) -> None:
        self._selector = selector
        self._budget = budget
        self._told = tuple(told)
        self._input_key = input_key
        self._output_key = output_key

    def select_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select what fits. Raises DataError where what is told and the query are over budget by themselves."""
        room = self._room(input_variables)
        if isinstance(self._selector, MetaExampleSelector):
            return self._selector.select_examples_within(input_variables, room, self._tokens)
        return self._fitting(self._selector.select_examples(dict(input_variables)), room)

    async def aselect_examples(self, input_variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Select without holding up the event loop."""
        if isinstance(self._selector, MetaExampleSelector):
            return await asyncio.to_thread(self.select_examples, input_variables)
        room = await asyncio.to_thread(self._room, input_variables)
        examples = await self._selector.aselect_examples(dict(input_variables))
        return await asyncio.to_thread(self._fitting, examples, room)

    def add_example(self, example: dict[str, str]) -> Any:
        """Add one to the selector that chooses."""
        return self._selector.add_example(example)

    async def aadd_example(self, example: dict[str, str]) -> Any:
        """Add one without holding up the event loop."""
        return await self._selector.aadd_example(example)

    def _room(self, input_variables: Mapping[str, Any]) -> int:
        needed = self._budget.count([*self._told, HumanMessage(str(input_variables[self._input_key]))])
        if needed > self._budget.tokens:
            raise DataError(
                f"the instructions and the query alone need {needed} tokens, but the prompt may hold "
                f"{self._budget.tokens}: raise 'max_prompt_tokens' to {needed} or more, or shorten them"
            )
        return self._budget.tokens - needed

    def _fitting(self, examples: Sequence[dict[str, Any]], room: int) -> list[dict[str, Any]]:
        tokens = [self._turn(one[self._input_key], one[self._output_key]) for one in examples]
        return [examples[place] for place in positions_within([1.0] * len(tokens), tokens, room)]

    def _tokens(self, one: Demonstration) -> int:
        return self._turn(one.input, one.output)

    def _turn(self, asked: Any, told: Any) -> int:
        return self._budget.count([HumanMessage(str(asked)), AIMessage(str(told))])


def _tokens(model: Runnable[Any, Any], wanted: int | float) -> int:
    if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 1:
        return wanted
    if not isinstance(wanted, float) or not 0 < wanted <= 1:
        raise DataError(
            "'max_prompt_tokens' must be a whole number of tokens, 1 or more, or a share of the context window, "
            f"a float over 0 and up to 1.0, got {wanted!r}"
        )
    window = (
        getattr(model, "num_ctx", None)  # what an Ollama server was told to hold, whatever the model could
        or (getattr(model, "profile", None) or {}).get("max_input_tokens")
        or getattr(model, "max_input_tokens", None)
    )
    if not isinstance(window, int) or window < 1:
        raise DataError(
            f"'max_prompt_tokens' is {wanted}, a share of the context window, but how large that is, is not known of "
            f"{type(model).__name__}: give a number of tokens, such as 4000"
        )
    return int(wanted * window)


def _local_count(model: Runnable[Any, Any]) -> CountText | None:
    """The model's own count where it is known to be right without a network; other clients download, or find 0."""
    if isinstance(model, OfflineChatModel):
        return model.get_num_tokens
    ids = model.custom_get_token_ids if isinstance(model, BaseLanguageModel) else None
    return None if ids is None else lambda text: len(ids(text))
