"""How many calls, tokens and how much money may be spent on a model, and the account that holds to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from langchain_core.messages import BaseMessage

from metachain.errors import DataError

__all__ = ["LIMITS", "Account", "CallBudget", "Prices", "Usage", "output_limit", "prompt_limit"]

MILLION = 1_000_000
TOKENS_PER_MESSAGE = 16
"""No known chat template spends more on a role and the marks around a message."""
TOKENS_PER_PROMPT = 128
"""Nor more on what it sets before all messages, such as a default system message."""
LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens", "num_predict", "max_new_tokens")
"""What models call the most tokens that an answer may have."""


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens, of the prompt and of the answer, in any one currency."""

    input: float
    output: float

    def __post_init__(self) -> None:
        for name in ("input", "output"):
            _check_amount(f"the {name} price of a million tokens", getattr(self, name))


@dataclass(frozen=True)
class Usage:
    """What was used: calls sent, tokens read, tokens written."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """All tokens, read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True)
class CallBudget:
    """The most that may be used; None for no limit. ``money`` needs ``prices``, in the same currency.

    Raises DataError for a limit that is negative or no number, and for money without prices.
    """

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    prices: Prices | None = None

    def __post_init__(self) -> None:
        for name in ("calls", "tokens"):
            limit = getattr(self, name)
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
                raise DataError(f"a budget of {name} is a whole number, 0 or more, got {limit!r}")
        if self.money is not None:
            _check_amount("a budget of money", self.money)
            if self.prices is None:
                raise DataError("a budget of money needs prices: CallBudget(money=…, prices=Prices(input=…, output=…))")

    @property
    def counts_tokens(self) -> bool:
        """Whether the size of a call matters, and not only the number of calls."""
        return self.tokens is not None or self.money is not None

    def cost(self, usage: Usage) -> Fraction:
        """Money that it costs, exactly; 0 without prices."""
        if self.prices is None:
            return Fraction(0)
        read, written = (Fraction(str(price)) for price in (self.prices.input, self.prices.output))
        return (usage.input_tokens * read + usage.output_tokens * written) / MILLION

    def allows(self, usage: Usage) -> bool:
        """Whether so much is within every limit."""
        return (
            (self.calls is None or usage.calls <= self.calls)
            and (self.tokens is None or usage.tokens <= self.tokens)
            and (self.money is None or self.cost(usage) <= Fraction(str(self.money)))
        )


class Account:
    """What was spent, and what calls under way may yet spend.

    A call's worst case is reserved before it is sent, and what it did use takes its place. So what is spent never
    exceeds the budget, whatever runs at the same time, as long as no call uses more than its worst case. One that does
    is charged all the same. Not thread-safe: it belongs to one event loop.
    """

    def __init__(self, budget: CallBudget, spent: Usage | None = None) -> None:
        self.budget = budget
        self.spent = Usage() if spent is None else spent
        self._under_way: dict[int, Usage] = {}
        self._next = 0

    @property
    def under_way(self) -> int:
        """How many calls are reserved and not settled."""
        return len(self._under_way)

    def fits(self, worst: Usage) -> bool:
        """Whether a call fits even if all under way turn out as bad as they can."""
        return self.budget.allows(sum(self._under_way.values(), start=self.spent + worst))

    def may_fit(self, worst: Usage) -> bool:
        """Whether it fits if all under way turn out to use nothing but the call itself."""
        return self.budget.allows(self.spent + worst + Usage(calls=self.under_way))

    def reserve(self, worst: Usage) -> int:
        """Set the worst case of a call aside, and give the number under which it is settled."""
        self._next += 1
        self._under_way[self._next] = worst
        return self._next

    async def charge(self, used: Usage) -> None:
        """Count what was used elsewhere."""
        self.spent += used

    def settle(self, number: int, used: Usage | None) -> None:
        """Charge what a call did use; None where that isn't known: its worst case is charged."""
        worst = self._under_way.pop(number)
        self.spent += worst if used is None else used


def prompt_limit(messages: Sequence[BaseMessage]) -> int:
    """No more tokens than this are read for a prompt of texts.

    Tokenizers of bytes, or of characters with bytes to fall back on, make at least one byte of every token; what a chat
    template adds is bounded by a constant for each message and one for the prompt.
    """
    size = sum(len(str(one.text).encode("utf-8", "surrogatepass")) for one in messages)
    return size + TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_PROMPT


def output_limit(model: Any) -> int:
    """Most tokens that a model's answer may have, from its own settings; DataError where it has no limit."""
    for name in LIMITS:
        limit = getattr(model, name, None)
        if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0:
            answers = getattr(model, "n", None)
            return limit * max(answers if isinstance(answers, int) else 1, 1)
    raise DataError(
        f"a budget of tokens or money needs a limit on the length of answers, and {type(model).__name__} has none: "
        "set it when making the model, such as load_model(spec, max_tokens=256) (num_predict for Ollama)"
    )


def _check_amount(what: str, amount: object) -> None:
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not isfinite(amount) or amount < 0:
        raise DataError(f"{what} is a finite number, 0 or more, got {amount!r}")
