"""What may be spent on a model, and the account that holds to it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from oracles import briefly
from served import Record, Served

from metachain.chains.call_budget import Account, CallBudget, Prices, Usage, output_limit, prompt_limit
from metachain.errors import DataError

USAGES = st.builds(Usage, st.just(1), st.integers(0, 50), st.integers(0, 50))


def test_money_is_exact() -> None:
    """Ten calls at a tenth of a cent use up a cent, which sums of floats miss."""
    budget = CallBudget(money=0.01, prices=Prices(input=0.1, output=0))
    assert budget.allows(Usage(10, 100_000, 0))
    assert not budget.allows(Usage(10, 100_001, 0))


@given(st.lists(st.tuples(USAGES, st.floats(0, 1), st.booleans()), max_size=20), st.integers(0, 400), st.integers(0, 9))
@briefly
def test_an_account_never_exceeds_its_budget(plan: list[tuple[Usage, float, bool]], tokens: int, calls: int) -> None:
    """Calls that fit are reserved and settle for part of their worst case, in any order; what they use is within."""
    account = Account(CallBudget(calls, tokens))
    under_way: list[tuple[int, Usage, float]] = []
    for worst, part, settles in plan:
        assert not account.fits(worst) or account.may_fit(worst)
        if account.fits(worst):
            under_way.append((account.reserve(worst), worst, part))
        if settles and under_way:
            number, reserved, used = under_way.pop(0)
            account.settle(number, Usage(1, int(reserved.input_tokens * used), int(reserved.output_tokens * used)))
        assert account.under_way == len(under_way)
    for number, _, _ in under_way:
        account.settle(number, None)
    assert account.spent.tokens <= tokens
    assert account.spent.calls <= calls


def test_more_than_the_worst_case_is_charged_all_the_same() -> None:
    """A model that reports more than it can have used is believed, and nothing more fits."""
    account = Account(CallBudget(tokens=10))
    account.settle(account.reserve(Usage(1, 5, 0)), Usage(1, 20, 0))
    assert account.spent.tokens == 20
    assert not account.may_fit(Usage(1, 0, 0))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"calls": -1}, "a budget of calls is a whole number, 0 or more, got -1"),
        ({"calls": 1.5}, "a budget of calls"),
        ({"calls": True}, "a budget of calls"),
        ({"tokens": "9"}, "a budget of tokens"),
        ({"money": float("nan"), "prices": Prices(1, 1)}, "a budget of money is a finite number"),
        ({"money": 1}, r"needs prices: CallBudget\(money=…, prices=Prices"),
    ],
)
def test_a_budget_that_is_none_is_refused(limits: dict[str, Any], message: str) -> None:
    """With its name and what was got."""
    with pytest.raises(DataError, match=message):
        CallBudget(**limits)


@pytest.mark.parametrize("price", [-1, float("inf"), "3", None, True])
def test_a_price_that_is_none_is_refused(price: Any) -> None:
    """Prices are finite numbers, 0 or more."""
    with pytest.raises(DataError, match="the output price of a million tokens is a finite number"):
        Prices(1, price)


def test_a_prompt_has_no_more_tokens_than_bytes_and_marks() -> None:
    """UTF-8 bytes of all texts, 16 for each message, 128 for the prompt; lone surrogates have a size too."""
    assert prompt_limit([SystemMessage("é"), HumanMessage("漢"), AIMessage("\ud800")]) == 2 + 3 + 3 + 3 * 16 + 128


@pytest.mark.parametrize("name", ["max_tokens", "num_predict", "max_output_tokens", "max_completion_tokens"])
def test_the_limit_of_answers_is_the_models_own(name: str) -> None:
    """Whatever its class calls it; so often as it answers at once; -1 is no limit."""
    settings = {"num_predict": None, "max_tokens": None, name: 7}
    assert output_limit(type("Model", (), settings)()) == 7
    assert output_limit(type("Model", (), {**settings, "n": 3})()) == 21
    with pytest.raises(DataError, match="has none"):
        output_limit(type("Model", (), {name: -1})())
    assert output_limit(Served(record=Record(), max_tokens=5)) == 5
