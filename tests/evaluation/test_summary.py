"""Whose demonstrations were shown to whom, against a slow and obvious count."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
from handmade import Tiny, demonstrations
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly
from results import harm, summarise

from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.evaluation.result_rows import read_scores
from metachain.evaluation.summary import (
    LARGEST_MATRIX,
    by_institution,
    main_rows,
    origins,
    rounded_transfer,
    worth,
)
from metachain.learning.pool import make_pool


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
    told = [row.to_json() for row in origins(shown, pool)]
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
    told = rounded_transfer(np.array([[1, 0.123456], [0.5, 1]]), ["a", "b"]).to_json()
    assert told == {"institutions": ["a", "b"], "rows": [[1.0, 0.1235], [0.5, 1.0]]}
    assert LARGEST_MATRIX >= 100


def rows(selector: str, scores: dict[str, list[float]], labels: int = 4) -> list[dict[str, Any]]:
    """Rows of one selector: a list of scores, one a seed, for each institution."""
    return [
        {
            "selector": selector,
            "labels": labels,
            "institution": name,
            "seed": seed,
            "metric": "a",
            "score": score,
            "n": 9,
        }
        for name, several in scores.items()
        for seed, score in enumerate(several)
    ]


def test_the_mean_is_over_institutions_of_their_means_over_seeds() -> None:
    """An institution with more seeds weighs no more than another."""
    table = rows("bm25", {"a": [0.2, 0.4], "b": [0.9]})
    assert by_institution(table) == {("bm25", 4): {"a": pytest.approx(0.3), "b": 0.9}}
    assert summarise(table)[0]["mean"] == pytest.approx(0.6)


@pytest.mark.parametrize(("count", "worst"), [(1, 1), (9, 1), (10, 1), (19, 1), (20, 2), (31, 3)])
def test_the_worst_decile_is_the_mean_of_the_worst_tenth(count: int, worst: int) -> None:
    """Of n institutions the worst n // 10 are averaged, at least one."""
    scores = np.random.default_rng(count).uniform(size=count)
    table = rows("bm25", {f"h{number}": [score] for number, score in enumerate(scores)})
    assert summarise(table)[0]["worst_decile"] == pytest.approx(sum(sorted(scores)[:worst]) / worst)


def test_the_gain_is_relative_to_semantic() -> None:
    """The gain is the ratio of means over the institutions that both were scored at; semantic gains nothing."""
    table = rows("semantic", {"a": [0.5], "b": [0.25]}) + rows("metachain", {"a": [0.75], "b": [0.5], "c": [0.1]})
    semantic, metachain = summarise(table)
    assert (semantic["gain"], semantic["ci95"]) == (0.0, [0.0, 0.0])
    assert metachain["gain"] == pytest.approx(1.25 / 0.75 - 1)


def test_the_interval_agrees_with_resampling_one_by_one() -> None:
    """It is the paired percentile bootstrap over institutions, to within the noise of resampling."""
    rng = np.random.default_rng(1)
    base = rng.uniform(0.3, 0.8, 25)
    own = base + rng.uniform(-0.05, 0.2, 25)
    names = [f"h{number}" for number in range(25)]
    table = rows("semantic", {name: [v] for name, v in zip(names, base, strict=True)})
    table += rows("metachain", {name: [v] for name, v in zip(names, own, strict=True)})
    gains = []
    for _ in range(4000):
        drawn = [int(rng.integers(25)) for _ in range(25)]
        gains.append(sum(own[i] for i in drawn) / sum(base[i] for i in drawn) - 1)
    gains.sort()
    low, high = summarise(table)[1]["ci95"]
    assert low < summarise(table)[1]["gain"] < high
    assert (low, high) == pytest.approx((gains[100], gains[3899]), abs=0.01)


def test_a_constant_gain_has_an_interval_of_no_width() -> None:
    """Pairs are resampled together: where every institution gains the same, so does every resample."""
    base = {f"h{number}": [0.1 * number] for number in range(1, 6)}
    table = rows("semantic", base) + rows("metachain", {name: [1.5 * v[0]] for name, v in base.items()})
    assert summarise(table)[1]["ci95"] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("base", [{}, {"a": [0.0], "b": [0.0]}, {"z": [0.5]}])
def test_no_gain_without_something_to_gain_over(base: dict[str, list[float]]) -> None:
    """Where semantic is absent, scores 0, or was scored at other institutions, gain and interval are None."""
    (row,) = [
        one
        for one in summarise(rows("semantic", base) + rows("bm25", {"a": [0.5], "b": [0.1]}))
        if one["selector"] == "bm25"
    ]
    assert (row["gain"], row["ci95"]) == (None, None)


@pytest.mark.parametrize("base", [[0.0, 0.5], [0.0, 0.0, 0.5], [0.0] * 5 + [1.0]])
def test_every_summary_is_json(base: list[float]) -> None:
    """Where semantic scores 0 at some institutions no number becomes infinite or undefined."""
    table = rows("semantic", {f"h{number}": [score] for number, score in enumerate(base)})
    table += rows("bm25", {f"h{number}": [0.5] for number in range(len(base))})
    json.dumps(summarise(table), allow_nan=False)


@given(st.permutations(range(12)))
@briefly
def test_the_order_of_scores_changes_no_number(order: list[int]) -> None:
    """Permuting the rows leaves mean, worst decile, gain and interval of every selector."""
    values = np.random.default_rng(0).uniform(size=(3, 2, 2))
    table = [
        row
        for number, selector in enumerate(("semantic", "bm25", "metachain"))
        for row in rows(selector, {name: values[number, place].tolist() for place, name in enumerate("ab")})
    ]
    before, after = (
        {one["selector"]: one for one in summarise(several)} for several in (table, [table[i] for i in order])
    )
    for selector, row in before.items():
        assert [after[selector][name] for name in ("mean", "worst_decile", "gain")] == pytest.approx(
            [row[name] for name in ("mean", "worst_decile", "gain")]
        )
        assert after[selector]["ci95"] == pytest.approx(row["ci95"])


def test_the_same_scores_give_the_same_bytes() -> None:
    """Resampling is seeded."""
    table = rows("semantic", {"a": [0.5], "b": [0.2]}) + rows("bm25", {"a": [0.4], "b": [0.6]})
    assert json.dumps(summarise(table)) == json.dumps(summarise(table))


def test_harm_is_the_share_of_draws_that_lose_over_a_point() -> None:
    """By hand: of five draws one loses two points, one exactly a point, one gains, two are equal."""
    base = {"a": [0.50, 0.50], "b": [0.30, 0.30], "c": [0.9]}
    ours = {"a": [0.48, 0.49], "b": [0.35, 0.30], "c": [0.9]}
    (row,) = harm(rows("semantic", base) + rows("metachain", ours))
    assert row == {"labels": 4, "share": 0.2, "lost": 1, "draws": 5}


@pytest.mark.parametrize("points", range(1, 60))
def test_exactly_one_point_is_no_harm(points: int) -> None:
    """However the two numbers are rounded, a loss of one query in a hundred does not count and of two does."""
    base = rows("semantic", {"a": [points / 100]}) + rows("semantic", {"a": [points / 100]}, 8)
    ours = rows("metachain", {"a": [(points - 1) / 100]}) + rows("metachain", {"a": [(points - 2) / 100]}, 8)
    assert [row["lost"] for row in harm(base + ours)] == [0, 1]


def test_harm_is_paired_and_by_label_count() -> None:
    """Draws that only one was scored at don't count; label counts come ascending; other selectors are of no matter."""
    table = [
        *rows("metachain", {"a": [0.1], "b": [0.1]}, 8),
        *rows("semantic", {"a": [0.5], "c": [0.5]}, 8),
        *rows("metachain", {"a": [0.5, 0.2]}, 2),
        *rows("semantic", {"a": [0.5, 0.5]}, 2),
        *rows("bm25", {"a": [0.0]}, 2),
        *rows("metachain", {"a": [0.0]}, 32),
    ]
    assert harm(table) == [
        {"labels": 2, "share": 0.5, "lost": 1, "draws": 2},
        {"labels": 8, "share": 1.0, "lost": 1, "draws": 1},
    ]
    assert harm(table, ours="bm25") == [{"labels": 2, "share": 1.0, "lost": 1, "draws": 1}]
    assert harm([]) == []


def test_of_several_metrics_the_first_counts() -> None:
    """Summary and harm are those of the first metric's rows alone."""
    first = rows("semantic", {"a": [0.5], "b": [0.4]}) + rows("metachain", {"a": [0.6], "b": [0.1]})
    table = [{**row, "metric": "one"} for row in first] + [{**row, "metric": "two", "score": 0.0} for row in first]
    assert summarise(table) == summarise(first)
    assert harm(table) == harm(first)
    assert main_rows(table) == list(read_scores(table[:4]))
    assert main_rows([]) == []


def test_each_skill_is_summarised_by_itself() -> None:
    """Rows of a higher skill come last, with a gain over ``semantic`` of the same skill; nothing else reads them."""
    plain = rows("semantic", {"a": [0.5], "b": [0.4]}) + rows("metachain", {"a": [0.6], "b": [0.1]})
    higher = rows("semantic", {"a": [0.8], "b": [0.4]}) + rows("metachain", {"a": [0.9], "b": [0.9]})
    higher = [{**row, "skill": 0.5} for row in higher]
    table = plain + higher
    none, half = summarise(table)[:2], summarise(table)[2:]
    assert none == summarise(plain)
    assert [{**row, "skill": 0.5} for row in summarise([{**row, "skill": 0.0} for row in higher])] == half
    assert half[1]["gain"] == pytest.approx(1.8 / 1.2 - 1)
    assert (harm(table), by_institution(table)) == (harm(plain), by_institution(plain))
    assert worth(table, {"x": "semantic"}) == worth(plain, {"x": "semantic"})
    assert main_rows(table) == list(read_scores(plain))
    assert by_institution(table, 0.5)["metachain", 4] == {"a": 0.9, "b": 0.9}


def test_measures_are_means_over_institutions() -> None:
    """Of their means over seeds, as the score; rows without one don't count, and without any it is left out."""
    table = rows("bm25", {"a": [0.2, 0.4], "b": [0.9]})
    assert list(summarise(table)[0])[-1] == "ci95"
    known = [{**row, "recall": share, "shots": 8.0} for row, share in zip(table, (0.0, 0.5, 1.0), strict=True)]
    (row,) = summarise(known)
    assert (row["recall"], row["shots"], row.get("distinct")) == (pytest.approx((0.25 + 1) / 2), 8.0, None)
    (mixed,) = summarise(table[:2] + known[2:])
    assert (mixed["recall"], mixed["mean"]) == (1.0, row["mean"])


def test_a_part_is_worth_what_is_lost_without_it() -> None:
    """By hand: means over seeds, then the mean difference over the institutions that both were scored at, in points."""
    table = [
        *rows("metachain", {"a": [0.5, 0.7], "b": [0.4], "c": [0.9]}),
        *rows("metachain-vote", {"a": [0.5], "b": [0.5], "d": [0.0]}),
        *rows("metachain", {"a": [0.5]}, 0),
        *rows("metachain-vote", {"a": [0.52]}, 0),
        *rows("metachain-text", {"a": [0.5]}, 8),
    ]
    none, four = worth(table, {"vote": "metachain-vote", "text": "metachain-text"})
    assert none == {"part": "vote", "labels": 0, "points": pytest.approx(-2.0), "ci95": None}
    assert (four["part"], four["labels"], four["points"]) == ("vote", 4, pytest.approx((10 - 10) / 2))
    assert four["ci95"] == pytest.approx([-10, 10])
    assert worth([], {"vote": "metachain-vote"}) == []


def test_the_interval_of_a_worth_agrees_with_resampling_one_by_one() -> None:
    """It is the paired percentile bootstrap over institutions; what all lose alike has no width."""
    rng = np.random.default_rng(4)
    ours = {f"h{number}": [float(rng.uniform(0.2, 0.9))] for number in range(25)}
    lost = {name: float(rng.uniform(-0.05, 0.1)) for name in ours}
    table = rows("metachain", ours) + rows("x", {name: [score - lost[name]] for name, (score,) in ours.items()})
    table += rows("y", {name: [score - 0.02] for name, (score,) in ours.items()})
    found, flat = worth(table, {"x": "x", "y": "y"})
    values = list(lost.values())
    means = sorted(100 * sum(values[int(rng.integers(25))] for _ in range(25)) / 25 for _ in range(4000))
    assert found["points"] == pytest.approx(100 * np.mean(values))
    assert found["ci95"] == pytest.approx([means[100], means[3899]], abs=0.15)
    assert flat["ci95"] == pytest.approx([2.0, 2.0])
    table = [{**row, "metric": "one"} for row in table] + [{**row, "metric": "two", "score": 0.0} for row in table]
    assert worth(table, {"x": "x", "y": "y"}) == [found, flat]
    json.dumps([found, flat], allow_nan=False)
