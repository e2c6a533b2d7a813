"""A selector with fixed examples, and a callback that keeps the messages sent to a model."""

from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import BaseMessage

__all__ = ["Fixed", "Sent", "fixed"]


class Fixed(BaseExampleSelector):
    """Selects the same examples for every query."""

    def __init__(self, examples: list[dict[str, Any]]) -> None:
        self.examples = examples

    def add_example(self, example: dict[str, str]) -> None:
        """Add an example at the end."""
        self.examples.append(example)

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        """Return all examples."""
        return self.examples


class Sent(BaseCallbackHandler):
    """Keeps the messages sent to a chat model."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []

    def on_chat_model_start(self, serialized: Any, messages: list[list[BaseMessage]], **kwargs: Any) -> None:
        """Keep the messages of one call."""
        self.messages = messages[0]


def fixed(*pairs: tuple[str, str]) -> Fixed:
    """Make a selector of these (input, output) pairs."""
    return Fixed([{"input": asked, "output": told} for asked, told in pairs])
