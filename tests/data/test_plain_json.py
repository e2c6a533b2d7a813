"""Metadata of any common kind become plain JSON, in one form each."""

import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from metachain.data.demonstration import Demonstration
from metachain.data.metadata.json_form import plain_json
from metachain.errors import DataError


class Ward(Enum):
    """A ward."""

    SURGERY = "4b"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29, 8, 30, tzinfo=UTC), "2024-02-29T08:30:00+00:00"),
        (time(8, 30), "08:30:00"),
        (timedelta(minutes=2), 120.0),
        (math.nan, None),
        (-math.inf, None),
        (np.float32("nan"), None),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([1.5, np.nan]), [1.5, None]),
        (np.datetime64("2024-02-29"), "2024-02-29"),
        (np.datetime64("NaT"), None),
        (np.array(["2024-02-29", "NaT"], "datetime64[D]"), ["2024-02-29", None]),
        (Decimal("12.50"), "12.50"),
        (Decimal("NaN"), None),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (PurePosixPath("/a/b"), "/a/b"),
        (Ward.SURGERY, "4b"),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (("a", {"when": date(2024, 1, 2)}), ["a", {"when": "2024-01-02"}]),
        (b"caf\xc3\xa9", "café"),
        (b"\xff\x00", "/wA="),
        (b"a\0", "YQA="),
        ({2: "x", True: "y", date(2024, 1, 2): "z"}, {"2": "x", "true": "y", "2024-01-02": "z"}),
        (10**30, 10**30),
    ],
)
def test_each_kind_has_a_form_in_json(value: Any, plain: Any) -> None:
    """The form is plain JSON, and that of a demonstration's metadata."""
    assert plain_json(value) == plain
    held = Demonstration("a", "x", "1", metadata={"one": value}).metadata
    assert json.loads(json.dumps(held, allow_nan=False)) == json.loads(json.dumps({"one": plain}))


def test_values_of_pandas_are_plain() -> None:
    """Time stamps, missing values and rows of pandas are written like others."""
    pandas = pytest.importorskip("pandas")
    stamp = pandas.Timestamp("2024-02-29 08:30")
    assert plain_json([stamp, pandas.NaT, pandas.NA]) == ["2024-02-29T08:30:00", None, None]
    frame = pandas.DataFrame({"n": [1], "x": [np.nan], "when": [stamp]})
    assert plain_json(frame.to_dict("records")) == [{"n": 1, "x": None, "when": "2024-02-29T08:30:00"}]


def test_a_date_in_the_metadata_is_the_demonstrations_date() -> None:
    """A day given as a date counts like its text."""
    assert Demonstration("a", "x", "1", metadata={"date": date(2024, 2, 29)}).date == datetime(2024, 2, 29, tzinfo=UTC)


def test_circles_and_foreign_objects_are_refused() -> None:
    """What has no form in JSON is refused by name."""
    circle: list[Any] = []
    circle.append(circle)
    for value, message in ((object(), "object has no form in JSON"), (circle, "holds itself"), (1j, "complex")):
        with pytest.raises(DataError, match=f"'metadata' must hold only JSON values .*{message}"):
            Demonstration("a", "x", "1", metadata={"one": value})
