"""One grammar of filters on metadata."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from metachain.data.metadata.filters import condition_of

NOTE = {
    "ward": "4b",
    "year": 2021,
    "day": "2024-03-05",
    "at": "2024-03-05T23:30:00+02:00",
    "beds": "12",
    "open": True,
    "gone": None,
    "address": {"city": "Kiel", "a.b": 1},
    "tags": ["x", "y"],
    "e.g": 5,
}


@pytest.mark.parametrize(
    ("given", "admitted"),
    [
        ({}, True),
        ({"ward": " 4b\u00a0"}, True),
        ({"ward": ["4a", "4b"]}, True),
        ({"year": "2021"}, False),
        ({"year": {"$gte": 2021, "$lt": 2022}}, True),
        ({"year": {"$gt": 2021}}, False),
        ({"year": {"$gte": np.int64(2020)}}, True),
        ({"day": {"$gte": date(2024, 3, 5)}}, True),
        ({"day": {"$gt": date(2024, 3, 5)}}, False),
        ({"at": {"$lt": datetime(2024, 3, 5, 22, tzinfo=UTC)}}, True),
        ({"at": {"$gt": "2024-03-05"}}, True),
        ({"beds": {"$gt": 9}}, True),
        ({"ward": {"$gt": 3}}, False),
        ({"open": True}, True),
        ({"open": 1}, False),
        ({"open": {"$gte": 0}}, False),
        ({"gone": None}, True),
        ({"gone": {"$exists": True}}, True),
        ({"gone": {"$lte": 9}}, False),
        ({"lost": None}, False),
        ({"lost": {"$exists": False}}, True),
        ({"lost": {"$nin": [1]}}, True),
        ({"lost": {"$not": {"$gte": 1}}}, True),
        ({"address.city": "Kiel"}, True),
        ({"address.city": {"$in": ["Bonn"]}}, False),
        ({"address.a.b": 1}, True),
        ({"e.g": 5}, True),
        ({"tags": {"$eq": ["x", "y"]}}, True),
        ({"address": {"city": "Kiel", "a.b": 1}}, True),
        ({"$or": [{"year": 1}, {"ward": "4b"}]}, True),
        ({"$and": [{"year": 2021}, {"$not": {"ward": "4b"}}]}, False),
        ({"$not": {"$or": [{"year": 1}, {"ward": "4c"}]}}, True),
    ],
)
def test_a_note_is_admitted_or_not(given: dict[str, Any], admitted: bool) -> None:
    """Each comparison and joint decides as its name says, and its negation the other way."""
    assert condition_of(given).admits(NOTE) is admitted
    assert condition_of({"$not": given}).admits(NOTE) is not admitted
