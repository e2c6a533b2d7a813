"""How much a server takes at once: what is more is refused at once, and what takes too long is ended."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from handmade import Tiny, demonstrations, learned_library
from langchain_core.runnables import RunnableGenerator, RunnableLambda

from metachain.chains.server import Limits, create_app
from metachain.library.library import Library

SLOW = {"input": {"input": "x"}}


class Gate:
    """Chains that wait until they are let go on."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0

    async def wait(self, given: Any) -> str:
        """Answer when the gate is opened."""
        self.waiting += 1
        try:
            await self.open.wait()
        finally:
            self.waiting -= 1
        return "answered"

    async def stream(self, given: AsyncIterator[Any]) -> AsyncIterator[str]:
        """One piece now, another when the gate is opened."""
        async for _ in given:
            pass
        yield "first"
        await self.open.wait()
        yield "second"

    async def until(self, waiting: int) -> None:
        """Wait for so many to wait."""
        while self.waiting != waiting:
            await asyncio.sleep(0.005)


class Asking:
    """An app in this event loop, and its callers."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.gate = Gate()
        self.library = Library.open(learned_library(str(folder / "hospitals.db"), demonstrations()), Tiny())
        taken = {"input_type": dict[str, str]}
        chains = {
            "slow": RunnableLambda(lambda _: "", self.gate.wait).with_types(**taken, output_type=str),
            "drip": RunnableGenerator(_never, self.gate.stream).with_types(**taken, output_type=str),
        }
        app = create_app(self.library, chains, limits=limits)
        secrets = {who: self.library.keys.make(who)[1] for who in ("h0", "h1")}
        self.clients = {
            who: httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app),
                base_url="http://testserver",
                headers={"Authorization": f"Bearer {secret}"},
                timeout=60,
            )
            for who, secret in secrets.items()
        }

    def post(self, who: str, path: str = "/slow/invoke") -> "asyncio.Task[httpx.Response]":
        """Begin to ask."""
        return asyncio.create_task(self.clients[who].post(path, json=SLOW))

    async def close(self) -> None:
        """Let everybody go."""
        self.gate.open.set()
        for one in self.clients.values():
            await one.aclose()
        self.library.close()


def _never(given: Iterator[Any]) -> Iterator[str]:
    raise NotImplementedError
    yield ""


@pytest.fixture
async def full(tmp_path: Path) -> AsyncIterator[Asking]:
    """A server that takes three requests at once, two of one key."""
    asking = Asking(tmp_path, Limits(requests=3, requests_of_one=2))
    yield asking
    await asking.close()


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[Asking]:
    """A server that gives a request a quarter of a second."""
    asking = Asking(tmp_path, Limits(seconds=0.25))
    yield asking
    await asking.close()


async def test_one_key_can_not_take_all(full: Asking) -> None:
    """Its third request is refused with 429 while others are answered; what has been taken is answered."""
    mine = [full.post("h0"), full.post("h0")]
    await full.gate.until(2)
    refused = await full.post("h0")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    other = full.post("h1")
    await full.gate.until(3)
    full.gate.open.set()
    assert [(await one).json()["output"] for one in (*mine, other)] == ["answered"] * 3
    assert (await full.post("h0")).status_code == 200


async def test_what_is_too_much_is_refused_at_once(full: Asking) -> None:
    """With 503, whoever asks; health is told all the same."""
    taken = [full.post("h0"), full.post("h0"), full.post("h1")]
    await full.gate.until(3)
    refused = await full.post("h1")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert (await full.clients["h0"].get("/healthz")).status_code == 200
    full.gate.open.set()
    assert {(await one).status_code for one in taken} == {200}


async def test_who_hangs_up_makes_room(full: Asking) -> None:
    """A request that is given up counts no more."""
    taken = [full.post("h0"), full.post("h0")]
    await full.gate.until(2)
    for one in taken:
        one.cancel()
    await asyncio.gather(*taken, return_exceptions=True)
    assert full.gate.waiting == 0
    full.gate.open.set()
    assert (await full.post("h0")).status_code == 200


async def test_what_takes_too_long_is_ended(hasty: Asking) -> None:
    """With 504, and the chain is stopped."""
    late = await hasty.post("h0")
    assert late.status_code == 504
    assert "longer than 0.25 seconds" in late.json()["detail"]
    assert hasty.gate.waiting == 0


async def test_a_stream_that_takes_too_long_is_cut(hasty: Asking) -> None:
    """What was said is said; in place of the rest comes an event that says why."""
    answered = await hasty.post("h0", "/drip/stream")
    assert answered.status_code == 200
    assert '"first"' in answered.text
    assert '"second"' not in answered.text
    assert "event: end" not in answered.text
    assert '"status_code": 504' in answered.text
