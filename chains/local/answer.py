"""An answer while it is written: its tokens, the text that is certain, and its end."""

from collections.abc import Callable, Sequence
from typing import Any

from metachain.chains.local.prompt_format import PromptFormat

__all__ = ["Answer", "picker"]

UNFINISHED = "\ufffd"
"""A character whose last bytes are in tokens to come."""


class Answer:
    """Tokens of an answer; ``add`` gives out the text that no token to come can change."""

    def __init__(self, form: PromptFormat, stop: Sequence[str] | None) -> None:
        self.ids: list[int] = []
        self.ended = False
        """True once the model, or one of the texts of ``stop``, has ended the answer."""
        self._form, self._stop = form, [sign for sign in stop or () if sign]
        self._text, self._given = "", 0

    def add(self, token: int) -> str:
        """Add a token, and return the new text that is certain."""
        self.ids.append(token)
        if token in self._form.ends:
            self.ended = True
            return ""
        text = self._form.text(self.ids)
        places = [text.find(sign) for sign in self._stop if sign in text]
        if places:
            text, self.ended = text[: min(places)], True
        self._text = text
        return "" if text.endswith(UNFINISHED) else self._give(len(text) - _begun(text, self._stop))

    def rest(self) -> str:
        """Return the text that was held back."""
        return self._give(len(self._text))

    def _give(self, end: int) -> str:
        start, self._given = self._given, max(self._given, end)
        return self._text[start:end]


def picker(temperature: float, seed: int) -> Callable[[Any], int]:
    """Make a function that picks a token from scores: the highest at temperature 0, else drawn by a softmax."""
    if not temperature:
        return lambda scores: int(scores.argmax())
    import torch  # noqa: PLC0415

    generator = torch.Generator().manual_seed(seed)
    return lambda scores: int(torch.multinomial((scores / temperature).softmax(-1), 1, generator=generator))


def _begun(text: str, stop: Sequence[str]) -> int:
    """Length of the longest end of a text with which one of ``stop`` begins."""
    return max((size for sign in stop for size in range(1, len(sign)) if text.endswith(sign[:size])), default=0)
