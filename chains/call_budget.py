"""Budgets of calls, tokens and money for a model, and the account that keeps to them."""

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
"""Upper bound: no known chat template spends more on the role and the marks of one message."""
TOKENS_PER_PROMPT = 128
"""Upper bound: no known chat template spends more before all messages, such as on a default system message."""
LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens", "num_predict", "max_new_tokens")
"""Names of a model's setting for the longest answer, in tokens."""


@dataclass(frozen=True)
class Prices:
    """Price of a million tokens of the prompt and of the answer, in any one currency."""

    input: float
    output: float

    def __post_init__(self) -> None:
        for name in ("input", "output"):
            _check_amount(f"the {name} price of a million tokens", getattr(self, name))


@dataclass(frozen=True)
class Usage:
    """Usage of a model: calls sent, tokens read, tokens written."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls, self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens
        )


@dataclass(frozen=True)
class CallBudget:
    """Limits on the usage of a model; None for no limit. ``money`` needs ``prices``, in the same currency.

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
        """True if the budget limits tokens or money, and not only the number of calls."""
        return self.tokens is not None or self.money is not None

    def cost(self, usage: Usage) -> Fraction:
        """Exact cost of a usage; 0 without prices."""
        if self.prices is None:
            return Fraction(0)
        read, written = (Fraction(str(price)) for price in (self.prices.input, self.prices.output))
        return (usage.input_tokens * read + usage.output_tokens * written) / MILLION

    def allows(self, usage: Usage) -> bool:
        """True if a usage is within every limit."""
        return (
            (self.calls is None or usage.calls <= self.calls)
            and (self.tokens is None or usage.tokens <= self.tokens)
            and (self.money is None or self.cost(usage) <= Fraction(str(self.money)))
        )


class Account:
    """Usage so far, and reservations for the calls under way.

    A call's worst case is reserved before the call is sent. Afterwards, its real usage replaces the reservation. So
    the usage never exceeds the budget, whatever runs at the same time, as long as no call uses more than its worst
    case. A call that uses more is charged in full. Not thread-safe: an account belongs to one event loop.
    """

    def __init__(self, budget: CallBudget, spent: Usage | None = None) -> None:
        self.budget, self.spent = budget, spent or Usage()
        self._under_way: dict[int, Usage] = {}
        self._next = 0

    @property
    def under_way(self) -> int:
        """Number of calls that are reserved and not settled."""
        return len(self._under_way)

    def fits(self, worst: Usage) -> bool:
        """True if a call fits if all calls under way use their worst case."""
        return self.budget.allows(sum(self._under_way.values(), start=self.spent + worst))

    def may_fit(self, worst: Usage) -> bool:
        """True if a call fits if all calls under way use no tokens."""
        return self.budget.allows(self.spent + worst + Usage(calls=self.under_way))

    def reserve(self, worst: Usage) -> int:
        """Reserve the worst case of a call, and return the reservation's number, for ``settle``."""
        self._next += 1
        self._under_way[self._next] = worst
        return self._next

    async def charge(self, used: Usage) -> None:
        """Charge usage of an earlier run."""
        self.spent += used

    def settle(self, number: int, used: Usage | None) -> None:
        """Replace a reservation by the call's usage; None, for unknown usage, charges the worst case."""
        worst = self._under_way.pop(number)
        self.spent += worst if used is None else used


def prompt_limit(messages: Sequence[BaseMessage]) -> int:
    """Upper bound on the tokens of a prompt of texts.

    Each token of a byte tokenizer, or of a character tokenizer with byte fallback, covers at least one byte. The tokens
    of a chat template are bounded by a constant for each message and one for the prompt.
    """
    size = sum(len(str(one.text).encode("utf-8", "surrogatepass")) for one in messages)
    return size + TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_PROMPT


def output_limit(model: Any) -> int:
    """Longest answer of a model, in tokens, from its own settings. Raises DataError for a model without a limit."""
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
