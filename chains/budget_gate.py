"""The gate between a chat model and its provider: no call passes that the budget has no room for."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from langchain_core.rate_limiters import BaseRateLimiter

from metachain.chains.call_budget import Account, Usage
from metachain.errors import DataError

__all__ = ["CURRENT_SLOT", "BudgetGate", "NoRoomError", "Slot"]


class NoRoomError(Exception):
    """The budget leaves no room for a call."""


@dataclass(eq=False)
class Slot:
    """Place of one worker, which makes one call at a time."""

    worst: Usage = field(default_factory=Usage)
    reservation: int | None = None
    """Number of the reservation in the account; None while no call is under way."""
    closing: bool = False
    """True if the worker makes no further call."""


CURRENT_SLOT: ContextVar[Slot] = ContextVar("CURRENT_SLOT")
"""Slot of the running worker; the gate reads it, because LangChain passes nothing to a rate limiter."""


class BudgetGate(BaseRateLimiter):
    """Lets one call through at a time, once the budget has room for it and all rate limiters allow it."""

    def __init__(self, account: Account, limiters: Sequence[BaseRateLimiter]) -> None:
        self._account, self._limiters = account, limiters
        self._lock, self._settled = asyncio.Lock(), asyncio.Event()

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """Wait until the call of the current slot may start, and reserve its worst case. Raises NoRoomError."""
        slot = CURRENT_SLOT.get()
        self.settle(slot, None)
        async with self._lock:
            while not self._account.fits(slot.worst):
                if not self._account.may_fit(slot.worst):
                    raise NoRoomError
                self._settled.clear()
                await self._settled.wait()
            for limiter in self._limiters:
                await limiter.aacquire(blocking=True)
            slot.reservation = self._account.reserve(slot.worst)
        return True

    def acquire(self, *, blocking: bool = True) -> bool:
        """Raise DataError, because a synchronous call has no slot."""
        raise DataError(
            "this model makes synchronous calls within its asynchronous method, so its calls can't be counted; "
            "use a model with an asynchronous client"
        )

    def settle(self, slot: Slot, used: Usage | None) -> None:
        """Charge the call under way in a slot, if there is one; None charges its worst case."""
        if slot.reservation is not None:
            self._account.settle(slot.reservation, used)
            slot.reservation = None
            self._settled.set()
