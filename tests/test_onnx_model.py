"""Texts are put together by length, and a machine's threads are used as the user says."""

import os
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metachain.onnx_model import TOKENS_A_BATCH, _threads, batches


@given(st.lists(st.integers(1, TOKENS_A_BATCH + 10), max_size=60))
def test_batches_hold_every_text_once_and_are_bounded(lengths: list[int]) -> None:
    """Each place is in one batch, by length; a batch of more than one text is within the bound, padding included."""
    parts = batches(lengths)
    places = [place for part in parts for place in part]
    assert sorted(places) == list(range(len(lengths)))
    assert [lengths[place] for place in places] == sorted(lengths)
    for part in parts:
        assert len(part) == 1 or len(part) * max(lengths[place] for place in part) <= TOKENS_A_BATCH


@given(st.lists(st.integers(1, TOKENS_A_BATCH), min_size=2, max_size=60))
def test_batches_are_not_smaller_than_need_be(lengths: list[int]) -> None:
    """The first text of a batch would not have fitted into the one before."""
    parts = batches(lengths)
    for before, after in pairwise(parts):
        assert (len(before) + 1) * lengths[after[0]] > TOKENS_A_BATCH


@pytest.mark.parametrize(("asked", "given"), [("3", 3), ("4,2", 4), (" 1 ", 1)])
def test_threads_are_those_asked_for(asked: str, given: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """OMP_NUM_THREADS says how many threads embed."""
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert _threads() == given


@pytest.mark.parametrize("asked", ["", "0", "-1", "many"])
def test_without_a_number_the_processors_count(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it says nothing of use, there are as many threads as processors that the process may use."""
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert _threads() == len(os.sched_getaffinity(0))
