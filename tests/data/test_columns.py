"""Mapping of columns to fields."""

import pytest

from metachain.data.columns import named_columns, record_from_cells
from metachain.errors import DataError


def test_columns_are_named_in_pairs() -> None:
    """``FIELD=COLUMN``; the column's name may contain the sign itself."""
    assert named_columns(["input=text", "metadata.x=a=b"]) == {"input": "text", "metadata.x": "a=b"}


def test_a_date_is_metadata() -> None:
    """``date`` is short for ``metadata.date``, so that the two are one field."""
    assert named_columns(["date=given on"]) == {"metadata.date": "given on"}
    with pytest.raises(DataError, match="each field once"):
        named_columns(["date=a", "metadata.date=b"])


@pytest.mark.parametrize(
    ("pairs", "complaint"),
    [
        (["input"], "--column takes FIELD=COLUMN, each field once, such as input=description; got 'input'"),
        (["input="], "got 'input='"),
        (["input=a", "input=b"], "got 'input=b'"),
        (["Input=a"], "'Input' is not a field of a demonstration; columns can be given for institution, input, output"),
        (["=a"], "'' is not a field"),
        (["metadata.=a"], "'metadata.' is not a field"),
    ],
)
def test_what_names_no_column_is_refused(pairs: list[str], complaint: str) -> None:
    """A missing sign, a missing column, a repeated field and an unknown field are DataErrors."""
    with pytest.raises(DataError) as caught:
        named_columns(pairs)
    assert complaint in str(caught.value)


def test_what_is_empty_is_left_out() -> None:
    """Nulls and empty cells are left out; zeros and lists are kept; null keys of metadata are dropped."""
    cells = {
        "input": "x",
        "output": None,
        "id": "",
        "metadata": {"a": None, "b": 0},
        "metadata.c": [],
        "metadata.d": "",
    }
    assert record_from_cells(cells) == {"input": "x", "metadata": {"b": 0, "c": []}}
