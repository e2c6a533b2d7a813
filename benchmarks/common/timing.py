"""Duration of a call with one caller and with several.

A measurement ends when its time is over, but not before a minimum number of calls, so fast and slow calls share one
budget. Garbage collection stays on, because callers wait for it too.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

__all__ = ["Timing", "timed", "timed_together"]

T = TypeVar("T")
CALLERS = 8


@dataclass(frozen=True, slots=True)
class Timing:
    """Waiting times of callers, in milliseconds."""

    calls: int
    p50: float
    p99: float
    """99th percentile; the slowest call of fewer than a hundred."""
    per_second: float
    """Calls a second of all callers together."""
    callers: int = 1

    def record(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return asdict(self)


def timed(
    call: Callable[[T], object], given: Sequence[T], seconds: float = 1.0, least: int = 5, before: int = 2
) -> Timing:
    """Call with each of ``given`` in turn, repeatedly, for some seconds; the first ``before`` calls do not count.

    At least ``least`` calls are made, however long they take. Exceptions of a call are raised.
    """
    for one in given[:before]:
        call(one)
    begun = perf_counter()
    waited = _waits(call, given, 0, begun + seconds, least)
    return _timing(waited, perf_counter() - begun, 1)


def timed_together(
    call: Callable[[T], object], given: Sequence[T], seconds: float = 1.0, least: int = 2, callers: int = CALLERS
) -> Timing:
    """Do as ``timed`` in several threads at once, each from its own start in ``given``, with ``least`` calls each."""
    for one in given[:2]:
        call(one)
    waits: list[list[float]] = [[] for _ in range(callers)]
    failures: list[BaseException] = []
    together = threading.Barrier(callers + 1)

    def calling(number: int) -> None:
        together.wait()
        try:
            start = number * len(given) // callers
            waits[number] = _waits(call, given, start, perf_counter() + seconds, least)
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            failures.append(error)

    threads = [threading.Thread(target=calling, args=(number,)) for number in range(callers)]
    for one in threads:
        one.start()
    together.wait()
    begun = perf_counter()
    for one in threads:
        one.join()
    if failures:
        raise failures[0]
    return _timing([wait for one in waits for wait in one], perf_counter() - begun, callers)


def _waits(call: Callable[[T], object], given: Sequence[T], start: int, until: float, least: int) -> list[float]:
    waited: list[float] = []
    while len(waited) < least or perf_counter() < until:
        one = given[(start + len(waited)) % len(given)]
        begun = perf_counter()
        call(one)
        waited.append(perf_counter() - begun)
    return waited


def _timing(waited: Sequence[float], whole: float, callers: int) -> Timing:
    ms = 1000 * np.asarray(waited)
    p50, p99 = np.percentile(ms, 50), np.percentile(ms, 99, method="higher")
    return Timing(len(ms), float(p50), float(p99), len(ms) / whole, callers)
