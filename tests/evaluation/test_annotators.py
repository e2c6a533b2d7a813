"""Many answers to one text count as many: a generated world whose institutions all answer the same texts."""

import pytest
from oracles import BagOfWords

from benchmarks.common.annotators import annotators
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.evaluation.result import Evaluation

LABELS = (0, 2, 4)


@pytest.fixture(scope="module")
def result() -> Evaluation:
    """Plain nearest neighbours and metachain on all annotators."""
    made = annotators(seed=1)
    dense = BagOfWords().encode([one.input for one in made])
    plan = Plan(
        labels=LABELS, seeds=(0, 1), queries=20, selectors=("semantic", "hybrid", "metachain"), skill=(0.0, 1.0)
    )
    return evaluate(made, dense, plan)


def mean(result: Evaluation, selector: str, labels: int) -> float:
    """Mean score of a selector with some labels, by the reader that votes."""
    return next(one.mean for one in result.summary if (one.selector, one.labels, one.skill) == (selector, labels, 0.0))


@pytest.mark.parametrize("labels", LABELS)
def test_where_all_answer_the_same_texts_nothing_is_lost(result: Evaluation, labels: int) -> None:
    """With few labels and without any, metachain is not behind plain nearest neighbours, which show every answer.

    A point and a half is the noise of so small a world; counting each answer once cost fourteen points.
    """
    assert mean(result, "metachain", labels) >= mean(result, "semantic", labels) - 0.015
    assert mean(result, "hybrid", labels) >= mean(result, "semantic", labels) - 0.05


@pytest.mark.parametrize("labels", LABELS)
def test_what_few_say_stands_beside_what_many_say(result: Evaluation, labels: int) -> None:
    """The right answer is among those shown at least as often as with nearest neighbours."""
    found = {
        one.selector: one.recall
        for one in result.summary
        if (one.labels, one.skill) == (labels, 0.0) and one.recall is not None
    }
    assert found["metachain"] >= found["semantic"] - 0.02


def test_its_probabilities_are_shares_of_those_who_answer_so(result: Evaluation) -> None:
    """The expected calibration error stays under .15."""
    assert {one.labels for one in result.calibration} == set(LABELS)
    assert all(one.ece < 0.15 for one in result.calibration)
