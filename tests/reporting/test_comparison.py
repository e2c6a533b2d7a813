"""Curves and differences: what the scores say, against a slow and obvious computation."""

import numpy as np
import pytest
from results import graded, result, scores, stored

from metachain.evaluation import selectors as episode
from metachain.evaluation.ablation import ABLATIONS, ablated_name
from metachain.evaluation.result import Evaluation
from metachain.evaluation.result_rows import CalibrationRow, PartWorth, Score
from metachain.learning.calibration import Bin
from metachain.reporting.comparison import (
    ABLATED,
    SELECTORS,
    Fare,
    Point,
    differences,
    fares,
    learning_curves,
    ordered,
    skill_curves,
    tenths,
    variants,
    worths,
)


def row(selector: str, labels: int, institution: str, score: float, *, seed: int = 0, metric: str = "a") -> Score:
    """One row of scores."""
    return Score(selector, labels, institution, seed, metric, score, 100)


def test_a_point_is_the_mean_over_institutions_of_means_over_seeds() -> None:
    """An institution with more seeds weighs no more than another."""
    scores = [row("bm25", 4, "h1", 0.2), row("bm25", 4, "h1", 0.4, seed=1), row("bm25", 4, "h2", 0.9)]
    (point,) = learning_curves(scores)["bm25"]
    assert point.mean == pytest.approx((0.3 + 0.9) / 2)


def test_intervals_agree_with_resampling_one_by_one() -> None:
    """The interval is the percentile bootstrap over institutions, to within the noise of resampling."""
    values = np.random.default_rng(1).uniform(0.2, 0.8, 30)
    scores = [row("bm25", 0, f"h{place}", float(value)) for place, value in enumerate(values)]
    (point,) = learning_curves(scores)["bm25"]
    draw = np.random.default_rng(2)
    means = sorted(np.mean(draw.choice(values, 30)) for _ in range(4000))
    assert point.interval == pytest.approx((means[100], means[3899]), abs=0.01)


def test_one_institution_has_no_interval() -> None:
    """There is nothing to resample in a single institution."""
    assert learning_curves([row("bm25", 0, "h1", 0.5)]) == {"bm25": (Point(0, 0.5, None),)}


def test_order_of_rows_changes_nothing() -> None:
    """Curves and differences are the same, bit for bit, however the rows are shuffled."""
    rng = np.random.default_rng(3)
    scores = [
        row(selector, labels, f"h{place}", float(rng.uniform()), seed=seed)
        for selector in ("semantic", "metachain", "bm25")
        for labels in (0, 8)
        for place in range(7)
        for seed in range(3)
    ]
    shuffled = [scores[place] for place in rng.permutation(len(scores))]
    assert learning_curves(scores) == learning_curves(shuffled)
    assert differences(scores) == differences(shuffled)


def test_differences_are_paired() -> None:
    """Only institutions scored with both are compared, at the same label count."""
    scores = [
        *(row("metachain", 8, "h1", 0.7), row("semantic", 8, "h1", 0.4)),
        *(row("metachain", 8, "h2", 0.7), row("semantic", 8, "h3", 0.4), row("metachain", 0, "h1", 0.1)),
    ]
    assert differences(scores) == {8: {"h1": pytest.approx(0.3)}}


def test_the_first_metric_counts() -> None:
    """Rows of further metrics are left out, and so are scores that are not numbers."""
    scores = [row("bm25", 0, "h1", 0.5), row("bm25", 0, "h1", 0.9, metric="b"), row("bm25", 0, "h2", float("nan"))]
    assert learning_curves(scores)["bm25"][0].mean == 0.5


def test_selectors_come_in_the_order_of_the_contract() -> None:
    """Known names first, in the contract's order, then ablated ones, then unknown ones by name; each once."""
    names = ["zz", "metachain-vote", "oracle", "metachain-kernel", "aa", "zero", "zero"]
    assert ordered(names) == ["zero", "oracle", "metachain-kernel", "metachain-vote", "aa", "zz"]


def test_every_selector_is_explained() -> None:
    """Whatever can be compared has words, and in the same order."""
    assert [name for name in SELECTORS if name not in episode.ON_REQUEST] == list(episode.SELECTORS)
    assert set(episode.ON_REQUEST) <= set(SELECTORS)
    assert list(ABLATED) == [ablated_name(part) for part in ABLATIONS]
    assert ABLATED["metachain-vote"] == "metachain without the nearest neighbours' vote"


def test_no_scores_no_curves() -> None:
    """An empty evaluation has neither curves nor differences."""
    assert learning_curves([]) == differences([]) == {}


def test_fares_are_means_over_seeds_and_queries_are_added() -> None:
    """By hand: one institution loses 0.2 over two seeds of 100 queries, one gains; one without a pair is left out."""
    scores = [
        *(row("metachain", 8, "h1", 0.8), row("semantic", 8, "h1", 0.4)),
        *(row("metachain", 8, "h2", 0.3), row("metachain", 8, "h2", 0.1, seed=1)),
        *(row("semantic", 8, "h2", 0.5), row("semantic", 8, "h2", 0.3, seed=1), row("metachain", 8, "h3", 0.9)),
        *(row("metachain", 8, "h1", 0.0, metric="b"), row("metachain", 4, "h1", 0.0), row("semantic", 4, "h1", 0.0)),
    ]
    losing, gaining = fares(scores, 8)
    assert losing == Fare("h2", 200, pytest.approx(0.4), pytest.approx(0.2))
    assert gaining == Fare("h1", 100, 0.4, 0.8)
    assert (losing.difference, gaining.difference) == (pytest.approx(-0.2), pytest.approx(0.4))
    assert fares(scores, 16) == fares([], 8) == ()


def summed(**gains: float) -> dict[str, list[dict[str, object]]]:
    """A summary of so many labels each, of ours and another."""
    return {
        "summary": [
            {
                "selector": selector,
                "labels": int(labels[1:]),
                "mean": 0.5,
                "worst_decile": 0.5,
                "gain": gain,
                "ci95": None,
            }
            for labels, gain in gains.items()
            for selector in ("metachain", "bm25")
        ]
    }


def test_variants_are_rows_of_ours_beside_the_main_ones() -> None:
    """The main reader and metric come first, all past institutions last; each has its row a label count."""
    result = {
        **summed(k0=0.1, k8=0.2),
        "settings": {"readers": ["vote", "copy"], "metrics": ["rouge_l", "token_f1"], "past": [5, "all"]},
        "readers": {"copy": summed(k0=0.3, k8=0.4)},
        "metrics": {"token_f1": summed(k8=0.5)},
        "past": [{"past": 5, **summed(k0=0.6)}],
    }
    gains = {
        kind: {name: {labels: one.gain for labels, one in found.items()} for name, found in named.items()}
        for kind, named in variants(Evaluation.from_json(stored(result))).items()
    }
    assert gains == {
        "reader": {"vote": {0: 0.1, 8: 0.2}, "copy": {0: 0.3, 8: 0.4}},
        "metric": {"rouge_l": {0: 0.1, 8: 0.2}, "token_f1": {8: 0.5}},
        "past institutions": {"5": {0: 0.6}, "all": {0: 0.1, 8: 0.2}},
    }
    assert list(gains["reader"]) == ["vote", "copy"]
    assert list(gains["past institutions"]) == ["5", "all"]


def test_without_ours_there_are_no_variants() -> None:
    """Nor where one reader, one metric and all past institutions were evaluated, or an older file says nothing."""
    plain = {"settings": {}, **summed(k0=0.1)}
    assert variants(Evaluation.from_json(stored(plain))) == {}
    other = summed(k0=0.1)["summary"][1:]
    parts = {"summary": other, "settings": {"readers": ["vote", "copy"]}, "readers": {"copy": {"summary": other}}}
    assert variants(Evaluation.from_json(stored(parts))) == {}


def test_curves_and_differences_are_the_reader_s_own() -> None:
    """Rows of a higher skill change neither, nor what each institution fares."""
    plain, higher = (
        result(rows).scores for rows in (scores({"a": 0.4, "b": 0.7}), graded(scores({"a": 0.4, "b": 0.7})))
    )
    assert learning_curves(higher) == learning_curves(plain)
    assert differences(higher) == differences(plain)
    assert fares(higher, 8) == fares(plain, 8)


def test_skill_curves_are_means_at_one_label_count() -> None:
    """By selector and skill, each over its institutions; a single skill is no curve."""
    rows = scores({"a": 0.4, "b": 0.7}) + scores({"a": 0.0}, labels=4)
    found = skill_curves(result(graded(rows)).scores, 8)
    assert list(found) == ["semantic", "metachain"]
    means = {name: {skill: point.mean for skill, point in points.items()} for name, points in found.items()}
    assert means["semantic"] == {0.0: 0.5, 0.5: pytest.approx(0.7), 1.0: 0.9}
    assert means["metachain"] == {0.0: pytest.approx(0.55), 0.5: pytest.approx(0.725), 1.0: 0.9}
    assert found["semantic"][0.0].interval == (0.5, 0.5)
    assert skill_curves(result(rows).scores, 8) == skill_curves([], 8) == {}


def test_skills_are_variants_of_the_main_result() -> None:
    """The reader's own gain comes first; other kinds keep to it."""
    rows = graded(scores({"a": 0.6, "b": 0.7}))
    parts = {"metrics": {"token_f1": {"summary": result(rows).to_json()["summary"]}}}
    found = variants(result(rows, **parts))
    assert {name: row[8].gain for name, row in found["skill"].items()} == {
        "0": pytest.approx(0.3),
        "0.5": pytest.approx(0.775 / 0.7 - 1),
        "1": pytest.approx(0.0),
    }
    assert {name: row[8].skill for name, row in found["metric"].items()} == {"exact_match": 0.0, "token_f1": 0.0}
    assert "skill" not in variants(result(scores({"a": 0.6})))


def test_worths_are_by_part_and_label_count() -> None:
    """Each row in its place; none where nothing was ablated."""
    rows = [PartWorth(part, labels, 1.0, None) for part in ("vote", "text") for labels in (0, 8)]
    assert worths(rows) == {"vote": {0: rows[0], 8: rows[1]}, "text": {0: rows[2], 8: rows[3]}}
    assert worths([]) == {}


def test_bins_find_their_tenth() -> None:
    """A bin is where its mean probability is, 1 belongs to the last, and rounding moves none down."""
    told = [0.0, 0.1, 0.29999999999999999, 0.55, 1.0]
    rows = [CalibrationRow(4, 0.1, 5, tuple(Bin(one, 1.0, 1) for one in told))]
    assert tenths(rows) == {(place, 4): Bin(one, 1.0, 1) for place, one in zip((0, 1, 3, 5, 9), told, strict=True)}
    assert tenths([]) == {}
