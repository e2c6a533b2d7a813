"""A model in place of the offline readers: the same numbers where it reads alike, and each prompt asked once."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from handmade import demonstrations
from oracles import BagOfWords, hospitals

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text
from metachain.errors import DataError
from metachain.evaluation import scorers as scoring
from metachain.evaluation.leave_one_out import Plan, evaluate
from metachain.evaluation.scorers import LabelScorer, Scores, ShownPrompt, TextScorer, scorer_for
from metachain.learning.pool import Pool, make_pool
from metachain.scoring import reader
from metachain.scoring.metrics import METRICS, token_f1
from metachain.scoring.reader import answer

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
    return evaluate(made, dense, plan, answerer=answerer).to_json()


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
    """Several readers and a model are a DataError, and so is a reader's skill."""
    for option, plan in (("--readers", Plan(readers=("vote", "copy"))), ("--skill", Plan(skill=(0.0, 0.5)))):
        with pytest.raises(DataError, match=f"{option} reads offline, and reader:slow answers here"):
            evaluated(HOSPITALS, plan, Reader())


def test_offline_readers_have_no_scores() -> None:
    """Answers by score without a model are a DataError; the way a model answered is among the settings."""
    plan = Plan(labels=(4,), seeds=(0,), queries=2, selectors=("semantic",), answers_by="score")
    with pytest.raises(DataError, match="only a model answers by 'score'"):
        evaluated(HOSPITALS, plan, None)
    assert evaluated(HOSPITALS, plan, Reader())["settings"]["answers_by"] == "score"
    offline = evaluated(HOSPITALS, replace(plan, answers_by="generate"), None)
    assert "answers_by" not in offline["settings"]


NOTES = (
    ("doctor asks about the hip", "Hip pain for two weeks."),
    ("doctor asks about the knee", "Knee pain since the fall."),
    ("doctor asks about sleep", "Sleeps badly, wakes at four."),
    ("doctor asks about pills", "Takes water tablets in the morning."),
    ("doctor asks about smoking", "Stopped smoking last spring."),
)
SPANS = tuple((text, f"{text.split()[-1]} [Topic]") for text, _ in NOTES)
CODES = tuple((text, f"code {place % 2}") for place, (text, _) in enumerate(NOTES))
QUERY = np.array([0, 1])
SHOWN = np.array([[1, 2, 3], [4, -1, -1]])


def pool_of(pairs: tuple[tuple[str, str], ...]) -> Pool:
    """One institution's pairs, in this order."""
    texts = [text for text, _ in pairs]
    made = [Demonstration("h", *pair, id=f"{place:03}") for place, pair in enumerate(pairs)]
    return make_pool(made, hybrid_vectors(BagOfWords().encode(texts), lexical_vectors(texts)))


def listed(scores: Scores) -> dict[str, dict[str, list[float]]]:
    """Scores as lists, a number a query."""
    return {reader: {name: values.tolist() for name, values in row.items()} for reader, row in scores.items()}


@pytest.mark.parametrize(
    ("pairs", "metric", "metrics"),
    [
        (CODES, None, ("exact_match",)),
        (NOTES, None, ("rouge_l", "token_f1")),
        (SPANS, None, ("span_f1", "token_f1")),
        (NOTES, "exact_match", ("exact_match",)),
        (CODES, "token_f1", ("token_f1",)),
        (SPANS, "rouge_l", ("rouge_l",)),
    ],
)
def test_metrics_suit_the_outputs_unless_one_is_named(
    pairs: tuple[tuple[str, str], ...], metric: str | None, metrics: tuple[str, ...]
) -> None:
    """Labels by exact match, texts by ROUGE-L and token F1, spans by span F1 and token F1; or by the one named."""
    scorer = scorer_for(pool_of(pairs), metric)
    assert scorer.metrics == metrics
    assert tuple(scorer(QUERY, SHOWN, ("vote",))["vote"]) == metrics


def test_labels_are_right_or_wrong() -> None:
    """By hand: ``copy`` answers code 1 to a code 0 and code 0 to a code 1; shown the like, both are right."""
    scorer = LabelScorer(pool_of(CODES))
    assert listed(scorer(QUERY, SHOWN, ("copy",))) == {"copy": {"exact_match": [0.0, 0.0]}}
    assert listed(scorer(QUERY, np.array([[2, 1], [2, 3]]), ("copy",))) == {"copy": {"exact_match": [1.0, 0.0]}}
    assert listed(scorer(QUERY, np.zeros((2, 0), int), ("copy", "vote"))) == {
        "copy": {"exact_match": [0.0, 0.0]},
        "vote": {"exact_match": [0.0, 0.0]},
    }


def test_exact_match_of_labels_is_the_same_by_either_way() -> None:
    """Numbers of answers compared, and answers compared as texts, give the same scores."""
    pool = pool_of(CODES)
    readers = ("vote", "majority", "copy", "dense")
    as_texts = TextScorer(pool, ("exact_match",), writes=False)
    assert listed(LabelScorer(pool)(QUERY, SHOWN, readers)) == listed(as_texts(QUERY, SHOWN, readers))


@pytest.mark.parametrize("pairs", [NOTES, SPANS])
def test_texts_are_the_readers_answers_in_prompt_order(pairs: tuple[tuple[str, str], ...]) -> None:
    """``vote`` is ``reader.answer`` on the pairs shown, the best last; ``copy`` the output of the best one."""
    pool = pool_of(pairs)
    scorer = scorer_for(pool)
    found = scorer(QUERY, SHOWN, ("vote", "copy"))
    written = [reader.answer(pairs[0][0], [pairs[3], pairs[2], pairs[1]]), reader.answer(pairs[1][0], [pairs[4]])]
    copied = [pairs[1][1], pairs[4][1]]
    for name, told in (("vote", written), ("copy", copied)):
        for metric in scorer.metrics:
            expected = [METRICS[metric](one, pairs[place][1]) for place, one in enumerate(told)]
            assert found[name][metric].tolist() == pytest.approx(expected)


def test_a_copied_text_has_the_score_counted_by_hand() -> None:
    """Of "Hip pain for two weeks" and "Knee pain since the fall" one word of five and five is shared: F1 is 0.2."""
    scorer = scorer_for(pool_of(NOTES), "token_f1")
    assert scorer(np.array([0]), np.array([[1]]), ("copy",))["copy"]["token_f1"] == pytest.approx(0.2)


def test_the_same_prompt_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a prompt is scored, its text is written once; another order or another query is another prompt."""
    asked: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def counted(query: str, pairs: list[tuple[str, str]]) -> str:
        asked[query, tuple(pairs)] += 1
        return pairs[-1][1]

    monkeypatch.setattr(scoring, "answer", counted)
    scorer = scorer_for(pool_of(NOTES))
    for shown in (SHOWN, SHOWN[:, :], SHOWN[:, [1, 0, 2]]):
        scorer(QUERY, shown, ("vote",))
    assert set(asked.values()) == {1}
    assert len(asked) == 3


def test_closeness_is_token_f1_with_the_reference() -> None:
    """Of every candidate's output; 0 where there is no candidate; labels have none."""
    near = scorer_for(pool_of(NOTES)).closeness
    assert near is not None
    expected = [
        [token_f1(NOTES[row][1], NOTES[query][1]) if row >= 0 else 0.0 for row in rows]
        for query, rows in zip(QUERY, SHOWN.tolist(), strict=True)
    ]
    assert near(QUERY, SHOWN).tolist() == expected
    assert near(QUERY, np.zeros((2, 0), int)).shape == (2, 0)
    assert scorer_for(pool_of(CODES)).closeness is None
