"""Prompts as tokens: the model's own chat template, or plain lines for a model without one."""

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from metachain.errors import DataError

__all__ = ["PromptFormat"]

ROLES: dict[type[BaseMessage], str] = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant"}
LINES = {"system": "{}\n", "user": "Input: {}\nOutput:", "assistant": " {}\n"}
"""Turns of a model without a chat template, which goes on with " answer" and a line's end."""
MARK = "\ue000{}\ue001"
"""Stands for a text of the prompt while the template is filled; characters that no language uses."""


@dataclass(frozen=True)
class PromptFormat:
    """The texts around a model's turns."""

    tokenizer: Any
    _lock: AbstractContextManager[Any] = field(default_factory=Lock, repr=False)

    @cached_property
    def end(self) -> int:
        """Token that ends an answer."""
        if not self._has_template:
            return self.ids("\n")[-1]
        told = self._filled(
            [{"role": "user", "content": MARK.format(0)}, {"role": "assistant", "content": MARK.format(1)}]
        )
        return self.ids(told.partition(MARK.format(1))[2])[0]

    @cached_property
    def ends(self) -> set[int]:
        """All tokens that end an answer."""
        return {self.end, self.tokenizer.eos_token_id}

    @property
    def lead(self) -> str:
        """Text between the prompt and the answer."""
        return "" if self._has_template else " "

    def prompt(self, messages: Sequence[BaseMessage]) -> list[int]:
        """Tokens of a prompt, up to the answer. Texts are data: a mark of the template within them is no mark."""
        turns = [{"role": _role(one), "content": str(one.text)} for one in messages]
        texts = [turn["content"] for turn in turns]
        marked = any(mark in text for mark in self._marks for text in texts)
        if not marked:
            return self._start + self.ids(self._filled(turns))
        pieces = self._filled([{**turn, "content": MARK.format(place)} for place, turn in enumerate(turns)])
        found = list(self._start)
        for number, piece in enumerate(re.split(MARK.format(r"(\d+)"), pieces)):
            found += self.ids(texts[int(piece)], data=True) if number % 2 else self.ids(piece)
        return found

    def answers(self, labels: Iterable[str]) -> list[list[int]]:
        """Tokens of labels as whole answers, the end of turn included."""
        return [[*self.ids(self.lead + label, data=True), self.end] for label in labels]

    def ids(self, text: str, *, data: bool = False) -> list[int]:
        """Tokens of a text; with ``data``, marks of the template within it are text."""
        with self._lock:  # the choice is a setting of the tokenizer while it works
            found = self.tokenizer(text, add_special_tokens=False, split_special_tokens=data, verbose=False)
        return list(found["input_ids"])

    def text(self, ids: Sequence[int]) -> str:
        """Text of an answer's tokens."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).removeprefix(self.lead)

    def _filled(self, turns: Sequence[dict[str, str]]) -> str:
        if not self._has_template:
            return "".join(LINES[turn["role"]].format(turn["content"]) for turn in turns)
        from jinja2 import TemplateError  # noqa: PLC0415

        try:
            return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        except TemplateError as error:
            raise DataError(
                f"the model's chat template refuses this prompt ({error}): leave out instructions if it knows no "
                "system message, and let human and assistant take turns"
            ) from error

    @property
    def _has_template(self) -> bool:
        return bool(self.tokenizer.chat_template)

    @cached_property
    def _start(self) -> list[int]:
        """Token before a prompt of plain lines; a template brings its own."""
        added = [] if self._has_template else self.tokenizer("")["input_ids"]
        return [one for one in added if one == self.tokenizer.bos_token_id]

    @cached_property
    def _marks(self) -> list[str]:
        return [mark for mark in self.tokenizer.get_added_vocab() if mark.strip()]


def _role(message: BaseMessage) -> str:
    for kind, role in ROLES.items():
        if isinstance(message, kind):
            return role
    raise DataError(f"a local model reads system, human and assistant messages, got {type(message).__name__}")
