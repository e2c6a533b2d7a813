"""Chains for a served process: slow ones, one that returns its process id, and one that fails with a text."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.runnables import RunnableGenerator, RunnableLambda

__all__ = ["PIECES", "drip", "fail", "pid", "slow"]

PIECES = 20
PAUSE = 0.1
TEXTS = {"input_type": dict[str, str], "output_type": str}


async def _slow(given: Any) -> str:
    await asyncio.sleep(PIECES * PAUSE)
    return "answered"


def _drip(given: Iterator[Any]) -> Iterator[str]:
    raise NotImplementedError
    yield ""


async def _adrip(given: AsyncIterator[Any]) -> AsyncIterator[str]:
    async for _ in given:
        pass
    for number in range(PIECES):
        await asyncio.sleep(PAUSE)
        yield f"piece {number} "


def _fail(given: dict[str, str]) -> str:
    raise KeyError(given["input"])


slow = RunnableLambda(lambda _: "", _slow).with_types(**TEXTS)
drip = RunnableGenerator(_drip, _adrip).with_types(**TEXTS)
fail = RunnableLambda(_fail).with_types(**TEXTS)
pid = RunnableLambda(lambda _: str(os.getpid())).with_types(**TEXTS)
