"""Whose demonstrations were shown to whom, against a slow and obvious count."""

from collections import Counter

import numpy as np
import pytest
from handmade import Tiny, demonstrations

from metachain.evaluation import evaluate
from metachain.origins import MOST_TOLD, origins, transfer_told
from metachain.plan import Plan
from metachain.pool import make_pool


def test_shares_are_counts_of_what_was_shown() -> None:
    """Of several draws together, own labels under one's own name, and nothing for what is not there."""
    made = demonstrations()
    pool = make_pool(made, Tiny().encode([one.input for one in made]))
    rng = np.random.default_rng(0)
    shown = [("h0", 4, rng.integers(-1, len(made), (5, 3))) for _ in range(2)]
    shown += [("h1", 0, np.full((2, 3), -1)), ("h1", 4, np.array([[0, 1, -1]]))]
    expected: dict[tuple[int, str], Counter[str]] = {}
    for name, labels, rows in shown:
        counter = expected.setdefault((labels, name), Counter())
        counter.update(pool.demonstrations[row].institution for row in rows.ravel() if row >= 0)
    told = origins(shown, pool)
    assert [(row["labels"], row["institution"]) for row in told] == sorted(expected)
    for row in told:
        counter = expected[row["labels"], row["institution"]]
        assert row["shares"] == pytest.approx({name: n / counter.total() for name, n in counter.items()}, abs=1e-4)


def test_an_evaluation_tells_both() -> None:
    """A row for each institution and label count, shares that sum to 1, and a square matrix in [0, 1]."""
    made = demonstrations(4, 16)
    result = evaluate(made, Tiny().encode([one.input for one in made]), Plan(labels=(0, 4), queries=6, seeds=(0,)))
    names = ["h0", "h1", "h2", "h3"]
    assert [(row["labels"], row["institution"]) for row in result["origins"]] == [(k, n) for k in (0, 4) for n in names]
    for row in result["origins"]:
        assert sum(row["shares"].values()) == pytest.approx(1, abs=1e-3)
        assert row["labels"] or row["institution"] not in row["shares"]
    matrix = np.array(result["transfer"]["rows"])
    assert result["transfer"]["institutions"] == names
    assert matrix.shape == (4, 4)
    assert ((matrix >= 0) & (matrix <= 1)).all()
    assert matrix[0, 2] > matrix[0, 1]  # h0 and h2 answer alike


def test_a_matrix_is_told_with_its_names() -> None:
    """Rounded, and as large as it is; an evaluation tells none that is larger than people look at."""
    told = transfer_told(np.array([[1, 0.123456], [0.5, 1]]), ["a", "b"])
    assert told == {"institutions": ["a", "b"], "rows": [[1.0, 0.1235], [0.5, 1.0]]}
    assert MOST_TOLD >= 100
