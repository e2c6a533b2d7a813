"""Summaries in the style of the demonstrations; a blank summary is an error."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.runnables import Runnable, RunnableGenerator

from metachain.chains.answers.cleaning import Cleaning
from metachain.chains.few_shot import ChatRunnable, answering_chain
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
    clean: bool | Cleaning = True,
) -> Runnable[dict[str, Any], str]:
    """Make a chain that summarises ``{input_key: text}`` in the style of the demonstrations of ``selector``.

    It is ``few_shot_chain`` with default ``instructions``. A run raises AnswerError, a DataError, for a blank answer. A
    stream raises it at its end, because chunks are passed on as they arrive.

    Thoughts in their tags, and a fence around the whole summary, are left out; ``clean`` has the rules (``Cleaning``).
    A stream holds back what stands in such tags. For a model whose profile says that it reasons, it holds back all
    text until a thought has closed, or the answer has ended.
    """
    chain = answering_chain(
        model,
        selector,
        instructions,
        input_key=input_key,
        output_key=output_key,
        max_prompt_tokens=max_prompt_tokens,
        count_tokens=count_tokens,
        clean=clean,
        kind="text",
    )
    return chain | RunnableGenerator(_not_blank, _anot_blank, name="not_blank")


def _not_blank(chunks: Iterator[str]) -> Iterator[str]:
    blank = True
    for chunk in chunks:
        blank = blank and not chunk.strip()
        yield chunk
    _refuse_if(blank)


async def _anot_blank(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    blank = True
    async for chunk in chunks:
        blank = blank and not chunk.strip()
        yield chunk
    _refuse_if(blank)


def _refuse_if(blank: bool) -> None:
    if blank:
        raise AnswerError(
            "the model's summary is empty or blank: check that the text is not blank, "
            "and whether the model refused or ran out of tokens"
        )
