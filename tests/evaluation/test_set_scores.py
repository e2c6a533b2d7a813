"""Scores of sets of labels, and that single labels are scored as ever."""

import numpy as np
from handmade import Letters

from metachain.data.demonstration import Demonstration
from metachain.data.synthetic import WorldSettings, generate_visits, generate_world
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.evaluation.scorers import set_values
from metachain.label_sets import LabelSets
from metachain.learning.pool import make_pool
from metachain.scoring.metrics import paired_f1, set_bags

PLAN = Plan(labels=(0, 4), seeds=(0,), queries=10, selectors=("semantic", "metachain"))


def test_micro_f1_counts_all_labels_together() -> None:
    """Twice the common labels over the sum of the sizes; order, duplicates and blanks are forgiven."""
    sets = LabelSets(";")
    found = set_values(sets, ["b; a;a", "c", ""], ["a;b", "c;d;e", "f"])
    assert found["exact_match"].tolist() == [1, 0, 0]
    assert np.isclose(found["micro_f1"].mean(), 2 * 3 / (3 + 6))
    assert np.allclose(found["label_f1"], [1, 0.5, 0])


def test_paired_f1_is_equality_for_single_labels() -> None:
    """1 for the same label, 0 for others; a part for sets in common."""
    bags = set_bags([("a",), ("b",), ("a", "b")])
    assert paired_f1(bags, np.array([0, 0, 0, 2]), np.array([0, 1, 2, 2])).tolist() == [1, 0, 2 / 3, 1]


def test_single_labels_are_learned_and_scored_the_same_with_a_separator() -> None:
    """To the last digit: no answer holds several."""
    world = generate_world(WorldSettings(institutions=4, demonstrations=40, misleading=0))
    dense = Letters().encode([one.input for one in world])
    plain = evaluate(world, dense, PLAN)
    sets = evaluate(world, dense, PLAN, label_separator=";")
    assert [one for one in sets.scores if one.metric == "exact_match"] == list(plain.scores)
    assert make_pool(world, dense, separators=";").sets is None


def test_the_order_of_labels_changes_no_score() -> None:
    """Each output in another order gives the same result."""
    world = generate_visits(WorldSettings(institutions=4, demonstrations=30, misleading=0))
    turned = [
        Demonstration(one.institution, one.input, ";".join(reversed(one.output.split("; "))), one.id) for one in world
    ]
    dense = Letters().encode([one.input for one in world])
    assert (
        evaluate(world, dense, PLAN, label_separator=";").scores
        == evaluate(turned, dense, PLAN, label_separator=";").scores
    )
