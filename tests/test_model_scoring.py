"""A model in place of the offline readers: the same numbers where it reads alike, and each prompt asked once."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from handmade import demonstrations
from oracles import BagOfWords, hospitals

from metachain.demonstration import Demonstration
from metachain.errors import DataError
from metachain.evaluation import Plan, evaluate
from metachain.model_scoring import ShownPrompt
from metachain.reader import answer
from metachain.similarity import normalise_text

PLAN = Plan(labels=(0, 4), seeds=(0, 1), queries=8)
HOSPITALS = hospitals(4, 20)


class Reader:
    """The offline reader, asked for each prompt by itself."""

    name = "reader:slow"
    calls = 0
    tokens = 0

    def __init__(self) -> None:
        self.asked: list[ShownPrompt] = []

    def __call__(self, prompts: Sequence[ShownPrompt]) -> list[str]:
        """Answer them, and remember them."""
        self.asked += prompts
        self.calls += len(prompts)
        self.tokens += 7
        return [answer(query, shown) for shown, query in prompts]


def evaluated(made: Sequence[Demonstration], plan: Plan, answerer: Reader | None = None) -> dict[str, Any]:
    """The result with a small encoder."""
    dense = BagOfWords().encode([normalise_text(one.input) for one in made])
    return evaluate(made, dense, plan, answerer=answerer)


@pytest.mark.parametrize(
    ("plan", "made"),
    [
        (PLAN, HOSPITALS),
        (Plan(labels=(0, 4), seeds=(0,), queries=8, past=(2,), selectors=("semantic", "metachain")), HOSPITALS),
        (Plan(labels=(0, 4), seeds=(0,), queries=8, metric="token_f1"), HOSPITALS),
        (Plan(labels=(0, 4), seeds=(0,), queries=4), demonstrations(3, 12)),
    ],
)
def test_the_numbers_are_those_of_the_fast_path(plan: Plan, made: list[Demonstration]) -> None:
    """A model that reads as the offline reader does has its scores, to the last bit, by every selector."""
    fast, slow = evaluated(made, plan), evaluated(made, plan, Reader())
    for key in ("scores", "summary", "harm", "past", "calibration"):
        assert json.dumps(slow.get(key)) == json.dumps(fast.get(key)), key
    assert (fast["model"], slow["model"]) == ("offline", "reader:slow")
    assert (fast["settings"]["readers"], slow["settings"]["readers"]) == (["vote"], ["reader:slow"])


def test_each_prompt_is_asked_once_and_all_at_once() -> None:
    """However many selectors, label counts and seeds show it; what that took is in the result."""
    reader = Reader()
    result = evaluated(HOSPITALS, PLAN, reader)
    assert len(set(reader.asked)) == len(reader.asked)
    assert len(reader.asked) < sum(row["n"] for row in result["scores"])
    assert result["cost"]["model_calls"] == len(reader.asked)
    assert result["cost"]["tokens"] == 7


def test_prompts_are_made_of_what_is_shown() -> None:
    """Each query with whole demonstrations of the data, not more than are to be shown."""
    reader = Reader()
    evaluated(HOSPITALS, Plan(labels=(4,), seeds=(0,), queries=8, selectors=("semantic",)), reader)
    known = {(one.input, one.output) for one in HOSPITALS}
    assert all(set(shown) <= known and len(shown) == PLAN.shots for shown, _ in reader.asked)


def test_offline_readers_don_t_read_beside_a_model() -> None:
    """Several readers and a model are a DataError."""
    with pytest.raises(DataError, match="--readers reads offline, and reader:slow answers here"):
        evaluated(HOSPITALS, Plan(readers=("vote", "copy")), Reader())
