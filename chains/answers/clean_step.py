"""The step of a chain that cleans a model's answer, at once or as it streams."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableGenerator

from metachain.chains.answers.cleaning import Cleaning, Kind, kind_of
from metachain.chains.answers.thoughts import ThoughtGate

__all__ = ["AnswerCleaner", "AnswerCleaners", "may_think"]


@dataclass(frozen=True)
class AnswerCleaner:
    """Cleans the answers to one prompt."""

    cleaning: Cleaning
    kind: Kind
    labels: tuple[str, ...] = ()
    waits: bool = False
    """Hold back a stream until a thought has closed, or the end; for models that leave out the opening tag."""

    def text(self, answer: str) -> str:
        """Clean a whole answer."""
        return self.cleaning.text(answer, self.labels, self.kind)

    def step(self) -> Runnable[str, str]:
        """Make the step after the model; labels and JSON come as one chunk, texts as soon as they are no thought."""
        return RunnableGenerator(self._stream, self._astream, name="clean")

    def _stream(self, chunks: Iterator[str]) -> Iterator[str]:
        gate = ThoughtGate(self.waits)
        for chunk in chunks:
            shown = gate.add(chunk)
            if self._streams and (shown or not chunk):
                yield shown
        yield from filter(None, [self._end(gate)])

    async def _astream(self, chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        gate = ThoughtGate(self.waits)
        async for chunk in chunks:
            shown = gate.add(chunk)
            if self._streams and (shown or not chunk):
                yield shown
        for rest in filter(None, [self._end(gate)]):
            yield rest

    def _end(self, gate: ThoughtGate) -> str:
        cleaned = self.text(gate.text)
        return gate.end(cleaned) if self._streams else cleaned

    @property
    def _streams(self) -> bool:
        """True for texts, and where thoughts are left out or nothing is."""
        held = self.cleaning.off & {"channels", "thoughts", "whole_fence"}
        return self.kind == "text" and not held


@dataclass(frozen=True)
class AnswerCleaners:
    """Makes the cleaner of each prompt."""

    cleaning: Cleaning
    kind: Kind | None
    """Kind of all answers; None to tell it from the demonstrations of each prompt."""
    thinks: bool
    """True for a model that is known to think aloud."""

    def of(self, shown: Mapping[str, Any]) -> AnswerCleaner:
        """Make the cleaner of a ``Shown``: its demonstrations tell the kind of the answer, and the labels."""
        if self.kind is not None:
            return AnswerCleaner(self.cleaning, self.kind, (), self.thinks)
        outputs = tuple(str(one["output"]) for one in shown["demonstrations"])
        kind = kind_of(outputs) if outputs else "text"
        return AnswerCleaner(self.cleaning, kind, outputs if kind == "label" else (), True)


def may_think(chat: Any) -> bool:
    """True for a model whose profile says that it reasons."""
    profile = getattr(chat, "profile", None) if isinstance(chat, BaseChatModel) else None
    return bool((profile or {}).get("reasoning_output"))
