"""Summaries in the manner of the demonstrations, and an error instead of an empty one."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.runnables import Runnable, RunnableGenerator

from metachain.chains.few_shot import ChatRunnable, few_shot_chain
from metachain.errors import AnswerError

__all__ = ["SUMMARY_INSTRUCTIONS", "summarization_chain"]

SUMMARY_INSTRUCTIONS = (
    "Summarise the text. Say nothing that it does not say, and keep to the length, form and wording of the examples "
    "where there are any. Answer with the summary alone."
)


def summarization_chain(
    model: str | ChatRunnable,
    selector: BaseExampleSelector,
    instructions: str = SUMMARY_INSTRUCTIONS,
    *,
    input_key: str = "input",
    output_key: str = "output",
    max_prompt_tokens: int | float | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> Runnable[dict[str, Any], str]:
    """Summarise ``{input_key: text}`` as the demonstrations that ``selector`` chooses are summarised.

    It is ``few_shot_chain`` with instructions of its own, which yours take the place of. A blank answer is a DataError,
    at the end of the stream where it is streamed: chunks are passed on as they come.
    """
    chain = few_shot_chain(
        model,
        selector,
        instructions,
        input_key=input_key,
        output_key=output_key,
        max_prompt_tokens=max_prompt_tokens,
        count_tokens=count_tokens,
    )
    return chain | RunnableGenerator(_not_blank, _anot_blank, name="not_blank")


def _not_blank(chunks: Iterator[str]) -> Iterator[str]:
    said = False
    for chunk in chunks:
        said = said or bool(chunk.strip())
        yield chunk
    _refuse_unless(said)


async def _anot_blank(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    said = False
    async for chunk in chunks:
        said = said or bool(chunk.strip())
        yield chunk
    _refuse_unless(said)


def _refuse_unless(said: bool) -> None:
    if not said:
        raise AnswerError(
            "the model's summary is empty or blank: check that the text to be summarised is not, "
            "and whether the model refused or ran out of tokens"
        )
