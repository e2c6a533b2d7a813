"""A selector that always chooses the same, and a model that keeps what it was sent."""

from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import BaseMessage

__all__ = ["Fixed", "Sent", "fixed"]


class Fixed(BaseExampleSelector):
    """Shows the same examples whatever is asked."""

    def __init__(self, examples: list[dict[str, Any]]) -> None:
        self.examples = examples

    def add_example(self, example: dict[str, str]) -> None:
        """Add one at the end."""
        self.examples.append(example)

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        """All of them."""
        return self.examples


class Sent(BaseCallbackHandler):
    """Keeps what a chat model was sent."""

    def __init__(self) -> None:
        self.messages: list[BaseMessage] = []

    def on_chat_model_start(self, serialized: Any, messages: list[list[BaseMessage]], **kwargs: Any) -> None:
        """Keep it."""
        self.messages = messages[0]


def fixed(*pairs: tuple[str, str]) -> Fixed:
    """A selector of these demonstrations."""
    return Fixed([{"input": asked, "output": told} for asked, told in pairs])
