"""Two arrays as one, against the array that they would make."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly

from metachain.stacked import Stacked, taken


@briefly
@given(st.lists(st.integers(0, 4), min_size=2, max_size=4), st.integers(0, 2**16))
def test_rows_are_those_of_the_whole(sizes: list[int], seed: int) -> None:
    """Rows of any shape, of two arrays or of more, stacked one on the other, are those of all in one."""
    rng = np.random.default_rng(seed)
    parts = [rng.random((size + (place == 0), 3), np.float32) for place, size in enumerate(sizes)]
    whole = np.concatenate(parts)
    stacked: Stacked | np.ndarray = parts[0]
    for part in parts[1:]:
        stacked = Stacked(stacked, part)
    assert stacked.shape == whole.shape
    assert len(stacked) == len(whole)
    for shape in ((5,), (2, 3), (0,), ()):
        rows = rng.integers(len(whole), size=shape)
        assert np.array_equal(stacked[np.asarray(rows)], whole[rows])


def test_numbers_are_taken_as_rows_are() -> None:
    """One number a row, too; where there is none something stands, and nothing is changed in place."""
    first, further = np.array([7, 8]), np.array([9])
    found = taken(np.array([[2, 0], [1, -1]]), first, further)
    assert found[0].tolist() == [9, 7]
    assert found[1, 0] == 8
    found[:] = 0
    assert (first.tolist(), further.tolist()) == ([7, 8], [9])
    with pytest.raises(IndexError):
        taken(np.array([3]), first, further)
