"""The queue of a worker: the institutions come in turn, and none is held up by what another sends."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from metachain.chains.service.fair_queue import FairQueue, Kind, LargeBodies
from metachain.chains.service.limits import Limits
from metachain.chains.service.metrics import Metrics


class Working:
    """A queue, and the works that it has begun, each until it is let go."""

    def __init__(self, limits: Limits) -> None:
        self.queue = FairQueue(limits, Metrics())
        self.begun: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def ask(self, name: str, kind: Kind = "ask") -> "asyncio.Task[str]":
        """Begin to wait for the turn of the institution that the name begins with."""
        self.gates[name] = asyncio.Event()

        async def work() -> str:
            self.begun.append(name)
            await self.gates[name].wait()
            return name

        return asyncio.create_task(self.queue.run(kind, name[0], work))

    async def settle(self) -> list[str]:
        """Let all run that can; returns the works begun so far."""
        for _ in range(20):
            await asyncio.sleep(0)
        return self.begun


@pytest.fixture
async def one() -> Working:
    """A queue of one selection at once."""
    return Working(Limits(turns=1))


@pytest.fixture
async def two() -> Working:
    """A queue of two selections at once."""
    return Working(Limits(turns=2))


async def test_institutions_come_in_turn(one: Working) -> None:
    """Who asks once waits for one work of another, and not for its backlog; each gets its own result."""
    names = ["a1", "a2", "a3", "b1", "b2", "c1"]
    tasks = [one.ask(name) for name in names]
    for _ in names:
        for name in await one.settle():
            one.gates[name].set()
    assert await one.settle() == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert await asyncio.gather(*tasks) == names


async def test_an_institution_has_one_turn_at_once(two: Working) -> None:
    """The other turn is for others, also where nobody else asks yet."""
    two.ask("a1")
    two.ask("a2")
    assert await two.settle() == ["a1"]
    two.ask("b1")
    assert await two.settle() == ["a1", "b1"]
    two.gates["b1"].set()
    assert await two.settle() == ["a1", "b1"]
    two.gates["a1"].set()
    assert await two.settle() == ["a1", "b1", "a2"]


async def test_each_kind_of_work_has_a_pool(one: Working) -> None:
    """Labels of one hold up nobody's question and nobody's feedback, but its own adaptation."""
    for name, kind in (("a1", "label"), ("a2", "ask"), ("a3", "adapt"), ("b1", "label"), ("b2", "feedback")):
        one.ask(name, kind)  # type: ignore[arg-type]
    assert await one.settle() == ["a1", "a2", "b2"]
    one.gates["b2"].set()
    one.gates["a1"].set()
    assert await one.settle() == ["a1", "a2", "b2", "a3", "b1"]


async def test_who_gives_up_waiting_is_passed_over(one: Working) -> None:
    """It takes no turn from those who wait."""
    one.ask("a1")
    given_up, waiting = one.ask("b1"), one.ask("c1")
    await one.settle()
    given_up.cancel()
    one.gates["a1"].set()
    assert await one.settle() == ["a1", "c1"]
    one.gates["c1"].set()
    assert await waiting == "c1"


async def test_work_that_is_given_up_keeps_its_turn_until_its_end(one: Working) -> None:
    """Else an institution would compute more at once by asking and hanging up."""
    given_up = one.ask("a1")
    one.ask("a2")
    await one.settle()
    given_up.cancel()
    assert await one.settle() == ["a1"]
    one.gates["a1"].set()
    assert await one.settle() == ["a1", "a2"]


async def test_work_that_fails_gives_its_turn_back(one: Working) -> None:
    """The error reaches the one who asked."""

    async def fail() -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await one.queue.run("ask", "a", fail)
    one.ask("a1")
    assert await one.settle() == ["a1"]


def test_inputs_count_for_an_institution() -> None:
    """A batch of 100 is not one request; a large request alone is taken, and others have their own."""
    queue = FairQueue(Limits(inputs_of_one=150), Metrics())
    with queue.taking("a", 100):
        with pytest.raises(HTTPException) as refused, queue.taking("a", 100):
            pass
        assert refused.value.status_code == 429
        assert refused.value.headers == {"Retry-After": "1"}
        with queue.taking("a", 50), queue.taking("b", 150):
            pass
    with queue.taking("a", 1000), pytest.raises(HTTPException), queue.taking("a"):
        pass
    with queue.taking("a", texts=10_000), pytest.raises(HTTPException), queue.taking("a", 51):
        pass
    with queue.taking("a", 150):
        pass


async def test_large_bodies_of_one_are_read_one_after_another() -> None:
    """Another institution's body, and small ones, are read meanwhile; each arrives whole."""
    going, read = asyncio.Event(), []

    def receiving(name: str) -> Receive:
        pieces = iter([b"first ", name.encode()])

        async def receive() -> Message:
            piece = next(pieces)
            read.append((name, piece))
            await going.wait()
            return {"type": "http.request", "body": piece, "more_body": piece == b"first "}

        return receive

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        body += (await receive())["body"]
        await send({"type": "whole", "body": body})

    bodies: list[bytes] = []
    middleware = LargeBodies(app, queue=FairQueue(Limits(), Metrics()), caller=lambda scope: scope["caller"])
    asking = [
        asyncio.create_task(middleware(_scope(name, size), receiving(name), _kept(bodies)))
        for name, size in (("a1", 100_000), ("a2", 100_000), ("a3", 10), ("b1", 100_000))
    ]
    for _ in range(10):
        await asyncio.sleep(0)
    assert sorted(read) == [("a1", b"first "), ("a3", b"first "), ("b1", b"first ")]
    going.set()
    await asyncio.gather(*asking)
    assert sorted(bodies) == [b"first a1", b"first a2", b"first a3", b"first b1"]
    assert ("a2", b"first ") in read
    orders = [pair for pair in pairwise(name for name, _ in read if name in {"a1", "a2"}) if pair[0] != pair[1]]
    assert orders == [("a1", "a2")]


async def test_a_large_body_is_refused_unread_where_it_would_be_refused_anyway() -> None:
    """An institution with as many inputs under way as it may have; another's body is read."""
    queue = FairQueue(Limits(inputs_of_one=100), Metrics())
    read: list[str] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        read.append(scope["caller"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    middleware = LargeBodies(app, queue=queue, caller=lambda scope: scope["caller"])
    with queue.taking("a", 100):
        await middleware(_scope("a1", 100_000), receive, send)
        await middleware(_scope("b1", 100_000), receive, send)
    assert sent[0]["status"] == 429
    assert read == ["b"]


def _scope(name: str, size: int) -> Scope:
    headers = [(b"content-length", str(size).encode())]
    return {"type": "http", "path": "/", "headers": headers, "caller": name[0]}


def _kept(bodies: list[bytes]) -> Callable[[Message], Awaitable[None]]:
    async def send(message: Message) -> None:
        bodies.append(message["body"])

    return send
