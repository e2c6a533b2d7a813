"""Readers of graded skill: an exact expectation between the reader as it is and the best answer shown."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import BagOfWords, hospitals

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import normalise_text
from metachain.evaluation import plan as planned
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.evaluation.selectors import SELECTORS, Shown, Trial
from metachain.evaluation.skill import skilled_score
from metachain.scoring.metrics import METRICS
from metachain.scoring.reader import answer

SKILLS = (0.0, 0.25, 0.5, 1.0)
PLAN = Plan(labels=(0, 4), seeds=(0,), queries=8, selectors=("zero", "random", "semantic", "metachain"))
LABELS = hospitals(4, 20)
TEXTS = [
    replace(one, output=f"At {one.institution} {one.input} is {word} again, visit {place}.")
    for place, one in enumerate(LABELS)
    for word in [("mild", "severe", "stable", "worse")[place % 4]]
]
unit = st.floats(0, 1)
pairs = st.lists(st.tuples(unit, unit), min_size=1, max_size=20)


def evaluated(made: Sequence[Demonstration], plan: Plan) -> dict[str, Any]:
    """The result with the tiny encoder."""
    dense = BagOfWords().encode([normalise_text(one.input) for one in made])
    return evaluate(made, dense, plan).to_json()


def by_skill(result: dict[str, Any]) -> dict[tuple[Any, ...], dict[float, dict[str, Any]]]:
    """Rows of scores by skill, for each selector, label count, institution and metric."""
    found: dict[tuple[Any, ...], dict[float, dict[str, Any]]] = {}
    for row in result["scores"]:
        key = row["selector"], row["labels"], row["institution"], row["metric"]
        found.setdefault(key, {})[row.get("skill", 0.0)] = row
    return found


@given(pairs, unit)
def test_a_skilled_score_is_the_expectation_query_by_query(scored: list[tuple[float, float]], skill: float) -> None:
    """Each query has its two outcomes, weighed by their probabilities."""
    own, best = map(np.array, zip(*scored, strict=True))
    expected = [skill * max(one, other) + (1 - skill) * one for one, other in scored]
    assert skilled_score(own, best, skill) == pytest.approx(sum(expected) / len(expected))


@given(pairs, unit, unit)
def test_skill_is_linear_and_costs_nothing(scored: list[tuple[float, float]], one: float, other: float) -> None:
    """More skill never scores less, half-way between two skills the score is half-way, and the ends are exact."""
    own, best = map(np.array, zip(*scored, strict=True))
    low, high = (skilled_score(own, best, skill) for skill in sorted((one, other)))
    assert low <= high + 1e-12
    assert skilled_score(own, best, (one + other) / 2) == pytest.approx((low + high) / 2)
    assert skilled_score(own, best, 0.0) == own.mean()
    assert skilled_score(own, best, 1.0) == np.maximum(own, best).mean()


@pytest.mark.parametrize("made", [LABELS, TEXTS], ids=["labels", "texts"])
def test_skills_come_beside_the_main_scores(made: list[Demonstration]) -> None:
    """Without the rows of higher skill the result is that of a run without skills, byte for byte."""
    plain = evaluated(made, replace(PLAN, readers=("vote", "copy"), past=(2,)))
    graded = evaluated(made, replace(PLAN, readers=("vote", "copy"), past=(2,), skill=(1.0, 0.5)))
    assert graded["settings"].pop("skill") == [0.0, 0.5, 1.0]
    assert {row["skill"] for row in graded["scores"][len(plain["scores"]) :]} == {0.5, 1.0}
    parts = [graded, *graded.get("metrics", {}).values()]
    for part in parts:
        skills = [row.get("skill", 0.0) for row in part["summary"]]
        assert skills == sorted(skills)
        part["summary"] = [row for row in part["summary"] if "skill" not in row]
    graded["scores"] = [row for row in graded["scores"] if "skill" not in row]
    assert json.dumps(graded | {"cost": 0}) == json.dumps(plain | {"cost": 0})


@pytest.mark.parametrize("made", [LABELS, TEXTS], ids=["labels", "texts"])
def test_scores_lie_on_a_line_from_the_reader_to_the_best_shown(made: list[Demonstration]) -> None:
    """At every selector, label count and institution; for labels it ends at the share of right answers shown."""
    result = evaluated(made, replace(PLAN, skill=SKILLS))
    for rows in by_skill(result).values():
        assert tuple(rows) == SKILLS
        none, full = rows[0.0]["score"], rows[1.0]["score"]
        assert full >= max(none, rows[0.0]["recall"])
        assert made is TEXTS or full == rows[0.0]["recall"]
        for skill, row in rows.items():
            assert row["score"] == pytest.approx((1 - skill) * none + skill * full)
            assert {name: row[name] for name in ("recall", "distinct", "shots", "n")} == {
                name: rows[0.0][name] for name in ("recall", "distinct", "shots", "n")
            }
    assert any(rows[1.0]["score"] > rows[0.0]["score"] for rows in by_skill(result).values())


def test_a_text_may_be_better_than_any_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The full skill takes, query by query, the better of the text written and of the best output shown."""
    seen: list[tuple[Trial, Shown]] = []

    def noted(trial: Trial) -> Shown:
        seen.append((trial, SELECTORS["semantic"](trial)))
        return seen[-1][1]

    monkeypatch.setattr(planned, "SELECTORS", {**SELECTORS, "semantic": noted})
    plan = replace(PLAN, selectors=("semantic",), metric="rouge_l", skill=(1.0,))
    extracts = [
        replace(one, input=f"{one.output} The weather was {place % 5} again.") for place, one in enumerate(TEXTS)
    ]
    rows = [row for row in evaluated(extracts, plan)["scores"] if "skill" in row]
    score = METRICS["rouge_l"]
    for row, (trial, shown) in zip(rows, seen, strict=True):
        known = trial.knowledge.table.pool.demonstrations
        full, best = [], []
        for query, places in zip(trial.episode.query.tolist(), shown.tolist(), strict=True):
            outputs = [known[place].output for place in places]
            text = answer(known[query].input, [(known[place].input, known[place].output) for place in places[::-1]])
            best.append(max(score(output, known[query].output) for output in outputs))
            full.append(max(best[-1], score(text, known[query].output)))
        assert row["score"] == pytest.approx(np.mean(full))
        assert row["recall"] == pytest.approx(np.mean(best))
    assert any(row["score"] > row["recall"] for row in rows)
