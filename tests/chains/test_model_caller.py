"""Many prompts, one model: budgets hold, failures are asked again, and no answer is lost."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from oracles import briefly
from served import Record, RefusedError, Served, asked

from metachain.chains import OfflineChatModel, prompt_batch
from metachain.chains.call_budget import CallBudget, Prices, Usage
from metachain.chains.model_caller import Answer, ModelCaller, backoff
from metachain.errors import DataError, ModelError
from metachain.progress import ModelProgress

PRICES = Prices(input=3, output=15)


def at_once(failures: int) -> float:
    """No wait between attempts."""
    return 0


def once(error: Exception) -> Callable[[str, int], Exception | None]:
    """Fail the first time."""
    return lambda _, attempt: error if attempt == 0 else None


def said(text: str, *, cached: bool = False) -> Answer:
    """What ``Served`` says to a text."""
    return Answer(text, len(text.encode()), len(text), cached, estimated=False)


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
    assert found == [said("a"), said("b")]
    assert heard == [(1, "b"), (0, "a")]


def test_no_prompts_are_no_calls() -> None:
    """An empty list is answered with one."""
    with ModelCaller(Served(record=Record())) as caller:
        assert caller.answers([]) == []


BEHAVIOURS = st.lists(st.sampled_from([0.0, 0.001, 0.003, 429, 500, 503, "connection"]), min_size=1, max_size=3)


@given(
    st.dictionaries(st.text("aé漢", min_size=1, max_size=30), BEHAVIOURS, min_size=1, max_size=12),
    st.integers(1, 8),
    st.integers(0, 15) | st.none(),
    st.integers(0, 3000) | st.none(),
    st.integers(0, 9000) | st.none(),
)
@briefly
def test_budgets_hold_whatever_happens(
    behaviours: dict[str, list[Any]], concurrency: int, calls: int | None, tokens: int | None, millionths: int | None
) -> None:
    """Calls that reach the server, tokens it counts and money it takes never exceed the budget, and what is charged."""

    def behave(text: str, attempt: int) -> float | Exception:
        chosen = behaviours[text]
        one = chosen[min(attempt, len(chosen) - 1)]
        return one if isinstance(one, float) else ConnectionError() if one == "connection" else RefusedError(one)

    money = None if millionths is None else millionths / 1e6
    model = Served(record=Record(), behave=behave, max_tokens=40)
    budget = CallBudget(calls, tokens, money, PRICES)
    found: list[Answer | None] | None = None
    heard: dict[int, Answer] = {}
    with ModelCaller(model, budget=budget, max_concurrency=concurrency, retries=2, wait=at_once) as caller:
        with suppress(ModelError):
            found = caller.answers(asked(*behaviours), heard.__setitem__)
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


@pytest.mark.parametrize("error", [RefusedError(429), RefusedError(503), RefusedError(529)])
def test_a_refused_call_counts_without_tokens(error: Exception) -> None:
    """Each attempt is a call; one that was refused unread used no tokens."""
    model = Served(record=Record(), behave=once(error), max_tokens=3)
    with ModelCaller(model, budget=CallBudget(tokens=1000), wait=at_once) as caller:
        assert caller.answers(asked("a")) == [said("a")]
        assert caller.spent == Usage(2, 1, 1)


@pytest.mark.parametrize("error", [RefusedError(500), RefusedError(408), ConnectionResetError(), TimeoutError()])
def test_a_call_that_may_have_been_read_counts_with_all_it_can_have_used(error: Exception) -> None:
    """A time-out, a lost connection and a fault of the server may be billed: one byte, the template and the limit."""
    model = Served(record=Record(), behave=once(error), max_tokens=3)
    with ModelCaller(model, budget=CallBudget(tokens=1000), wait=at_once) as caller:
        assert caller.answers(asked("a")) == [said("a")]
        assert caller.spent == Usage(2, (1 + 16 + 128) + 1, 3 + 1)


def test_a_model_that_reports_no_usage_is_charged_the_most() -> None:
    """With a budget of tokens; the answer has an estimate, and says so."""
    model = Served(record=Record(), usage=lambda _: None, max_tokens=3)
    with ModelCaller(model, budget=CallBudget(tokens=1000)) as caller:
        (found,) = caller.answers(asked("abcd"))
        assert found is not None
        assert found.estimated
        assert found.input_tokens + found.output_tokens < caller.spent.tokens == 4 + 16 + 128 + 3
    with ModelCaller(model, budget=CallBudget(calls=1)) as caller:
        assert caller.answers(asked("abcd")) == [found]
        assert caller.spent == Usage(1, found.input_tokens, found.output_tokens)


def test_a_model_without_a_limit_has_no_budget_of_tokens() -> None:
    """The error says how to set one; a budget of calls needs none."""
    model = Served(record=Record())
    for budget in (CallBudget(tokens=9), CallBudget(money=9, prices=PRICES)):
        with pytest.raises(DataError, match=r"Served has none.*load_model\(spec, max_tokens=256\)"):
            ModelCaller(model, budget=budget)
    ModelCaller(model, budget=CallBudget(calls=9)).close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_other_errors_stop_at_once_and_keep_what_is_in(status: int) -> None:
    """No further call is made, calls under way end, and their answers are handed on before the error is raised."""
    behaviours: dict[str, float | Exception] = {"late": 0.05, "bad": RefusedError(status)}
    model = Served(record=Record(), behave=lambda text, _: behaviours[text])
    heard: dict[int, Answer] = {}
    with ModelCaller(model, max_concurrency=2) as caller, pytest.raises(ModelError, match=f"RefusedError {status}"):
        caller.answers(asked("late", "bad", "never"), heard.__setitem__)
    assert heard == {0: said("late")}
    assert model.record.texts == ["late", "bad"]


def test_after_all_retries_it_says_to_go_on_later() -> None:
    """So many retries, and no more; answers before are kept."""
    model = Served(record=Record(), behave=lambda text, _: RefusedError(429) if text == "b" else None)
    heard: dict[int, Answer] = {}
    with ModelCaller(model, retries=2, wait=at_once) as caller:
        with pytest.raises(ModelError, match=r"in 3 attempts \(RefusedError 429.*go on later"):
            caller.answers(asked("a", "b"), heard.__setitem__)
        assert caller.answers(asked("c")) == [said("c")]
    assert heard == {0: said("a")}
    assert model.record.texts.count("b") == 3


def test_waits_grow_and_the_server_is_heeded() -> None:
    """The wait is asked for each failure in a row, and ``retry-after`` is waited for where it is longer."""
    waits: list[int] = []

    def wait(failures: int) -> float:
        waits.append(failures)
        return 0

    model = Served(record=Record(), behave=lambda _, n: RefusedError(429, {"retry-after": "0.1"}) if n < 3 else None)
    started = time.monotonic()
    with ModelCaller(model, wait=wait) as caller:
        caller.answers(asked("a"))
    assert waits == [1, 2, 3]
    assert time.monotonic() - started >= 0.3


def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for() -> None:
    """Over five minutes, the answers so far are worth more than the wait."""
    model = Served(record=Record(), behave=once(RefusedError(429, {"retry-after": "3600"})))
    with ModelCaller(model) as caller, pytest.raises(ModelError, match="go on later"):
        caller.answers(asked("a"))


def test_backoff_doubles_up_to_a_minute() -> None:
    """Between half and all of 1, 2, 4, … 60 seconds."""
    for failures, longest in enumerate([1, 2, 4, 8, 16, 32, 60, 60], start=1):
        assert longest / 2 <= backoff(failures) <= longest


def test_requests_per_second_and_the_models_own_limiter_are_kept() -> None:
    """Calls begin no faster than either allows; the model itself is not changed."""
    for own, given_rate in (
        (None, 50.0),
        (InMemoryRateLimiter(requests_per_second=50, check_every_n_seconds=0.005), None),
    ):
        model = Served(record=Record(), rate_limiter=own)
        started = time.monotonic()
        with ModelCaller(model, requests_per_second=given_rate, max_concurrency=8) as caller:
            caller.answers(asked(*"abcdef"))
        assert time.monotonic() - started >= 5 / 50
        assert model.rate_limiter is own


@pytest.mark.usefixtures("global_cache")
def test_cached_answers_are_no_calls() -> None:
    """LangChain's cache is asked first, also where no budget is left, and what it knows costs nothing."""
    model = Served(record=Record())
    with ModelCaller(model, budget=CallBudget(1)) as caller:
        assert caller.answers(asked("a", "b")) == [said("a"), None]
        assert caller.answers(asked("b", "a")) == [None, said("a", cached=True)]
        assert caller.spent == Usage(1, 1, 1)
    assert asyncio.run(model.ainvoke("a")).text == "a"
    assert model.record.texts == ["a"]


def test_the_models_own_cache_is_honoured() -> None:
    """A model's ``cache`` is used as LangChain does, and ``False`` keeps it out."""
    model = Served(record=Record(), cache=InMemoryCache())
    with ModelCaller(model) as caller:
        assert caller.answers(asked("a")) + caller.answers(asked("a")) == [said("a"), said("a", cached=True)]


@pytest.mark.usefixtures("global_cache")
def test_a_model_that_may_not_be_cached_is_not() -> None:
    """``cache=False`` keeps the global cache out."""
    model = Served(record=Record(), cache=False)
    with ModelCaller(model) as caller:
        assert caller.answers(asked("a")) + caller.answers(asked("a")) == [said("a")] * 2
        assert caller.spent.calls == 2


def test_an_empty_answer_is_an_answer() -> None:
    """What a model that says nothing is worth, the metric says."""
    with ModelCaller(FakeListChatModel(responses=[""])) as caller:
        (found,) = caller.answers(asked("a"))
    assert found is not None
    assert found.text == ""


def test_a_model_without_asynchronous_method_is_asked_in_threads() -> None:
    """LangChain runs its synchronous one in a thread; the answers are the same."""
    prompts = [[*one, AIMessage("0450"), *one] for one in asked("x-ray", "mri")]
    model = OfflineChatModel()
    with ModelCaller(model) as caller:
        found = caller.answers(prompts)
        assert [one and one.text for one in found] == [str(model.invoke(one).text) for one in prompts]
        assert caller.spent.calls == 2


async def test_it_works_while_an_event_loop_runs() -> None:
    """Within a running loop both ways work, and the model sees one loop for the caller's life: the caller's."""
    model = Served(record=Record())
    with ModelCaller(model) as caller:
        assert caller.answers(asked("a")) == [said("a")]
        assert await caller.aanswers(asked("b")) == [said("b")]
    assert len(model.record.loops) == 1
    assert id(asyncio.get_running_loop()) not in model.record.loops


def test_an_error_where_answers_are_kept_stops_the_calls() -> None:
    """What ``on_answer`` raises is raised, and no more is asked."""

    def full(number: int, answer: Answer) -> None:
        raise OSError("disk full")

    model = Served(record=Record(), behave=lambda *_: 0.01)
    with ModelCaller(model, max_concurrency=1) as caller, pytest.raises(OSError, match="disk full"):
        caller.answers(asked(*map(str, range(100))), full)
    assert len(model.record.texts) <= 3


def test_an_interruption_keeps_calls_under_way() -> None:
    """Ctrl-C asks no more; what is under way is paid for, so it is waited for and handed on."""
    heard: list[str] = []

    def interrupted(number: int, answer: Answer) -> None:
        heard.append(answer.text)
        if len(heard) == 1:
            raise KeyboardInterrupt

    behaviours = {"a": 0.01, "b": 0.05}
    model = Served(record=Record(), behave=lambda text, _: behaviours.get(text))
    with ModelCaller(model, max_concurrency=2, requests_per_second=100) as caller, pytest.raises(KeyboardInterrupt):
        caller.answers(asked("a", "b", *"cdefghijk"), interrupted)
    assert heard[0] == "a"
    assert sorted(heard) == sorted(model.record.texts)
    assert len(heard) < 11


def test_a_call_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error, calls under way have a while to end; one cut off is charged all it can have used."""
    monkeypatch.setattr(prompt_batch, "DRAIN", 0.02)
    behaviours: dict[str, float | Exception] = {"a": 60.0, "b": RefusedError(401)}
    model = Served(record=Record(), behave=lambda text, _: behaviours[text], max_tokens=3)
    with ModelCaller(model, budget=CallBudget(tokens=1000)) as caller, pytest.raises(ModelError, match="key"):
        caller.answers(asked("a", "b"))
    assert caller.spent == Usage(2, 1 + 16 + 128, 3)


def test_progress_tells_calls_tokens_and_money() -> None:
    """After each answer: how many are done, and what was used of the budget in all."""
    told: list[ModelProgress] = []
    model = Served(record=Record(), usage=lambda _: (1_000_000, 100_000))
    with ModelCaller(model, budget=CallBudget(prices=PRICES), spent=Usage(7), progress=told.append) as caller:
        caller.answers(asked("a"))
        assert caller.money == 4.5
    assert told == [ModelProgress(1, 1, 8, 1_100_000, 4.5)]


def test_a_closed_caller_says_so() -> None:
    """Closing twice is fine, asking afterwards is a DataError."""
    caller = ModelCaller(Served(record=Record()))
    caller.close()
    caller.close()
    with pytest.raises(DataError, match="closed"):
        caller.answers(asked("a"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_concurrency": 0}, "'max_concurrency' must be a whole number, 1 or more, got 0"),
        ({"max_concurrency": True}, "'max_concurrency'"),
        ({"retries": -1}, "'retries' must be a whole number, 0 or more"),
        ({"requests_per_second": 0}, "'requests_per_second' must be over 0"),
        ({"requests_per_second": float("nan")}, "'requests_per_second'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    """With their name and what was got."""
    with pytest.raises(DataError, match=message):
        ModelCaller(Served(record=Record()), **settings)


def test_only_a_chat_model_can_be_counted() -> None:
    """Other Runnables may hide calls."""
    with pytest.raises(DataError, match="got RunnableRetry"):
        ModelCaller(Served(record=Record()).with_retry())  # type: ignore[arg-type]


def test_a_model_that_goes_past_the_gate_is_refused() -> None:
    """A model whose own ``ainvoke`` hides its calls can't be counted, and isn't believed to be cached."""

    class Sly(Served):
        async def ainvoke(self, *args: Any, **kwargs: Any) -> AIMessage:
            return AIMessage("sly")

    with ModelCaller(Sly(record=Record())) as caller, pytest.raises(DataError, match="calls of Sly can't be counted"):
        caller.answers(asked("a"))
