"""What benchmarks share: the machine they name, and how they time a call."""

import json
import threading
import time

import pytest

from benchmarks.common.machine import machine
from benchmarks.common.timing import timed, timed_together


def test_a_machine_names_what_is_installed() -> None:
    """Versions of what is there are told, what is not there is left out, and all of it is JSON."""
    found = machine(["numpy", "no-such-package"])
    assert list(found.packages) == ["numpy"]
    assert json.loads(json.dumps(found.record()))["cores"] >= 1
    assert f"numpy {found.packages['numpy']}" in found.line()


def test_one_caller_waits_as_long_as_the_call_takes() -> None:
    """A call of two milliseconds takes at least two, and calls go on until the time is over."""
    found = timed(time.sleep, [0.002], seconds=0.1)
    assert found.calls >= 5
    assert 2 <= found.p50 <= found.p99
    assert found.per_second <= 500


def test_a_slow_call_is_made_the_least_number_of_times() -> None:
    """The budget does not cut a measurement below ``least`` calls; two more come before it."""
    made: list[int] = []
    assert timed(made.append, [1, 2, 3], seconds=0.0, least=4).calls == 4
    assert made == [1, 2, 1, 2, 3, 1]


def test_callers_are_there_at_the_same_time() -> None:
    """Calls that wait for each other all return, and together they are as many a second as callers allow."""
    all_in, begun = threading.Barrier(4), []

    def call(_: int) -> None:
        begun.append(None)
        if len(begun) > 2:  # the two before the measurement come one by one
            all_in.wait(timeout=10)

    assert timed_together(call, [0, 1], seconds=0.0, least=2, callers=4).calls == 8


def test_a_failing_call_ends_the_measurement() -> None:
    """What a caller's thread meets is raised to who measures."""
    with pytest.raises(ZeroDivisionError):
        timed_together(lambda one: 1 // one, [1, 1, 0], seconds=0.0, callers=3)
