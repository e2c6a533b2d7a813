"""Many prompts, one model: budgets hold, failures are asked again, and no answer is lost."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult, Generation
from langchain_core.rate_limiters import InMemoryRateLimiter
from oracles import briefly
from served import Record, Refused, Served, asked

from metachain.chains import OfflineChatModel
from metachain.chains.call_budget import CallBudget, Prices, Usage
from metachain.chains.calling import Answer, ModelCaller, backoff
from metachain.errors import DataError, ModelError
from metachain.progress import Asked

PRICES = Prices(input=3, output=15)


def at_once(failures: int) -> float:
    """No wait between attempts."""
    return 0


@pytest.fixture
def global_cache() -> Iterator[None]:
    """LangChain's cache, for this test."""
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


def test_answers_are_in_the_order_of_prompts_and_handed_on_as_they_come() -> None:
    """The list follows the prompts; ``on_answer`` follows the model."""
    model = Served(record=Record(), behave=lambda text, _: {"a": 0.05, "b": 0.0}[text])
    heard: list[tuple[int, str]] = []
    with ModelCaller(model) as caller:
        found = caller.answers(asked("a", "b"), lambda number, answer: heard.append((number, answer.text)))
        assert caller.spent == Usage(2, 2, 2)
    assert found == [Answer("a", 1, 1, cached=False, estimated=False), Answer("b", 1, 1, cached=False, estimated=False)]
    assert heard == [(1, "b"), (0, "a")]


def test_no_prompts_are_no_calls() -> None:
    """An empty list is answered with one."""
    with ModelCaller(Served(record=Record())) as caller:
        assert caller.answers([]) == []


BEHAVIOURS = st.lists(
    st.sampled_from([0.0, 0.001, 0.003, 429, 500, 503, "connection"]), min_size=1, max_size=3
)


@given(
    st.lists(st.tuples(st.text("aé漢", min_size=1, max_size=30), BEHAVIOURS), min_size=1, max_size=12, unique_by=lambda one: one[0]),
    st.integers(1, 8),
    st.integers(0, 15) | st.none(),
    st.integers(0, 3000) | st.none(),
    st.integers(0, 9000) | st.none(),
)
@briefly
def test_budgets_hold_whatever_happens(
    plan: list[tuple[str, list[Any]]], concurrency: int, calls: int | None, tokens: int | None, millionths: int | None
) -> None:
    """Calls that reach the server, tokens it counts and money it takes never exceed the budget, and what is charged."""
    behaviours = dict(plan)

    def behave(text: str, attempt: int) -> float | Exception:
        chosen = behaviours[text]
        one = chosen[min(attempt, len(chosen) - 1)]
        return one if isinstance(one, float) else ConnectionError() if one == "connection" else Refused(one)

    money = None if millionths is None else millionths / 1e6
    model = Served(record=Record(), behave=behave, max_tokens=40)
    budget = CallBudget(calls, tokens, money, PRICES)
    found: list[Answer | None] | None = None
    heard: dict[int, Answer] = {}
    with ModelCaller(model, budget=budget, max_concurrency=concurrency, retries=2, wait=at_once) as caller:
        try:
            found = caller.answers(asked(*behaviours), heard.__setitem__)
        except ModelError:
            pass
        spent = caller.spent
    assert budget.allows(spent)
    assert spent.calls == len(model.record.texts)
    assert spent.tokens >= model.record.tokens
    assert model.record.most <= concurrency
    if found is not None:
        assert {number: one for number, one in enumerate(found) if one} == heard
        assert [one.text if one else text for one, text in zip(found, behaviours, strict=True)] == list(behaviours)


@given(st.integers(0, 12), st.integers(1, 12), st.integers(1, 5))
@briefly
def test_a_budget_of_calls_is_used_up(calls: int, prompts: int, concurrency: int) -> None:
    """Exactly as many prompts are answered as the budget has calls, where none fails."""
    model = Served(record=Record())
    with ModelCaller(model, budget=CallBudget(calls), max_concurrency=concurrency) as caller:
        found = caller.answers(asked(*map(str, range(prompts))))
    assert sum(one is not None for one in found) == min(calls, prompts) == len(model.record.texts)


def test_a_call_waits_for_room_that_others_may_leave() -> None:
    """What calls under way may use is reserved; what they didn't use is free for the next."""
    model = Served(record=Record(), behave=lambda *_: 0.01, usage=lambda _: (1, 1), max_tokens=100)
    with ModelCaller(model, budget=CallBudget(tokens=300)) as caller:
        assert [one and one.text for one in caller.answers(asked("a", "b", "c"))] == ["a", "b", "c"]
        assert caller.spent.tokens == 6
    assert model.record.most == 1


def test_what_was_spent_before_counts() -> None:
    """A budget goes on where an earlier run ended."""
    with ModelCaller(Served(record=Record()), budget=CallBudget(5), spent=Usage(3)) as caller:
        assert [one is not None for one in caller.answers(asked("a", "b", "c"))] == [True, True, False]


@pytest.mark.parametrize(
    ("error", "tokens"),
    [
        (Refused(429), 0),
        (Refused(503), 0),
        (Refused(500), 127),
        (Refused(408), 127),
        (ConnectionResetError(), 127),
        (TimeoutError(), 127),
    ],
)
def test_a_failed_call_counts_and_is_sent_again(error: Exception, tokens: int) -> None:
    """Each attempt is a call; one that was refused unread used no tokens, any other the most it can have."""
    model = Served(record=Record(), behave=lambda _, attempt: error if attempt == 0 else None, max_tokens=0 or 3)
    with ModelCaller(model, budget=CallBudget(tokens=1000), wait=at_once) as caller:
        (found,) = caller.answers(asked("a"))
        assert found is not None
        worst = 1 + 16 + 128 + 3
        assert caller.spent == Usage(2, *((1, 1) if tokens == 0 else (1 + worst - 3, 1 + 3)))
