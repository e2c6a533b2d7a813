"""What may be evaluated: each value is checked when the plan is made."""

from typing import Any

import pytest

from metachain.errors import DataError
from metachain.evaluation.ablation import ABLATIONS, PARTS, ablated_name
from metachain.evaluation.plan import Plan, selectors_named
from metachain.evaluation.selectors import ON_REQUEST, SELECTORS


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"protocol": "hospital"}, "protocol must be one of institution, group, got 'hospital'"),
        ({"labels": ()}, "labels must be"),
        ({"labels": (-1, 4)}, "labels must be"),
        ({"seeds": ()}, "seeds must be"),
        ({"seeds": (-1,)}, "seeds must be"),
        ({"shots": 0}, "shots and queries"),
        ({"queries": 0}, "shots and queries"),
        ({"selectors": ()}, "--selectors names none; known: zero, random"),
        ({"selectors": ("semantic", "telepathy")}, "unknown selector 'telepathy' in --selectors; known: zero"),
        ({"readers": ()}, "--readers names none"),
        ({"readers": ("vote", "oracle")}, "unknown reader 'oracle' in --readers; known: vote, majority, copy, dense"),
        ({"skill": ()}, "--skill names none; such as 0,0.5,1"),
        ({"skill": (0.5, 1.5)}, "--skill takes numbers from 0 .* to 1, got 1.5"),
        ({"skill": (-0.1,)}, "--skill takes numbers from 0 .* to 1, got -0.1"),
        ({"skill": (float("nan"),)}, "--skill takes numbers from 0 .* to 1, got nan"),
        ({"metric": "bleu"}, "unknown metric 'bleu' in --metric; known: exact_match, label_f1"),
        ({"ablate": ("vote", "luck")}, "unknown part 'luck' in --ablate; known: kernel, evidence, dedup, screening"),
        ({"ablate": ("vote",), "selectors": ("semantic",)}, "--ablate compares with metachain, which --selectors"),
        ({"past": (1, 5)}, "--past takes numbers of past institutions of 2 or more .* got 1"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, Any], message: str) -> None:
    """The message names what is wrong, and what is known."""
    with pytest.raises(DataError, match=message):
        Plan(**wrong)


def test_selectors_come_in_the_order_named() -> None:
    """Looked up by name, in one place."""
    assert selectors_named(("prior", "bm25")) == {"prior": SELECTORS["prior"], "bm25": SELECTORS["bm25"]}
    assert list(selectors_named(("prior", "bm25"))) == ["prior", "bm25"]
    assert Plan().selectors == tuple(SELECTORS)


def test_ablated_selectors_come_after_the_others_and_once() -> None:
    """Parts that are left out add selectors of their own, known by their name."""
    plan = Plan(selectors=("metachain", "metachain-vote", "oracle"), ablate=("text", "vote", "text"))
    assert plan.compared == ("metachain", "metachain-vote", "oracle", "metachain-text")
    assert list(selectors_named(plan.compared)) == list(plan.compared)
    assert Plan().compared == tuple(SELECTORS)


def test_skills_over_0_are_scored_in_addition() -> None:
    """Each once, in ascending order; the reader itself is scored anyway."""
    assert Plan(skill=(1.0, 0.25, 0.0, 0.25)).skilled == (0.25, 1.0)
    assert Plan().skilled == Plan(skill=(0.0,)).skilled == ()


def test_every_part_is_explained() -> None:
    """What may be left out has words, in the same order; no two selectors share a name."""
    assert list(PARTS) == list(ABLATIONS)
    names = [*SELECTORS, *ON_REQUEST, *map(ablated_name, ABLATIONS)]
    assert len(selectors_named(names)) == len(names)
