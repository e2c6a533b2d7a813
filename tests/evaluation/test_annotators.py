"""Many answers to one text count as many: a generated world whose institutions all answer the same texts."""

from collections.abc import Sequence
from statistics import fmean

import pytest
from oracles import BagOfWords

from benchmarks.common.annotators import annotators
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.evaluation.result import Evaluation

LABELS = (0, 2, 4)


@pytest.fixture(scope="module")
def results() -> list[Evaluation]:
    """Plain nearest neighbours and metachain on all annotators of five worlds."""
    plan = Plan(
        labels=LABELS, seeds=(0, 1), queries=20, selectors=("semantic", "hybrid", "metachain"), skill=(0.0, 1.0)
    )
    worlds = [annotators(seed=seed) for seed in range(1, 6)]
    return [evaluate(made, BagOfWords().encode([one.input for one in made]), plan) for made in worlds]


def mean(results: Sequence[Evaluation], value: str, selector: str, labels: int) -> float:
    """Mean of a value of the summary over the worlds, by the reader that votes."""
    rows = [row for one in results for row in one.summary]
    return fmean(
        getattr(one, value) for one in rows if (one.selector, one.labels, one.skill) == (selector, labels, 0.0)
    )


@pytest.mark.parametrize("labels", LABELS)
def test_where_all_answer_the_same_texts_nothing_is_lost(results: Sequence[Evaluation], labels: int) -> None:
    """With few labels and without any, metachain is not behind plain nearest neighbours, which show every answer.

    Two points are one and a half standard errors: in one world the difference is up to six points either way, as all
    nine demonstrations of a text are equally near, and only eight are shown. Counting each answer once cost fourteen.
    """
    assert mean(results, "mean", "metachain", labels) >= mean(results, "mean", "semantic", labels) - 0.02
    assert mean(results, "mean", "hybrid", labels) >= mean(results, "mean", "semantic", labels) - 0.02


@pytest.mark.parametrize("labels", LABELS)
def test_what_few_say_stands_beside_what_many_say(results: Sequence[Evaluation], labels: int) -> None:
    """The right answer is among those shown at least as often as with nearest neighbours."""
    assert mean(results, "recall", "metachain", labels) >= mean(results, "recall", "semantic", labels) - 0.02


@pytest.mark.parametrize("labels", LABELS)
def test_its_probabilities_are_shares_of_those_who_answer_so(results: Sequence[Evaluation], labels: int) -> None:
    """The expected calibration error stays under .1 on average, and under .15 in each world."""
    errors = [one.ece for result in results for one in result.calibration if one.labels == labels]
    assert len(errors) == len(results)
    assert fmean(errors) < 0.1
    assert max(errors) < 0.15
