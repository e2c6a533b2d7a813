"""``metachain evaluate --model``: a chat model answers, within its calls, and nothing is paid for twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.example_selectors.base import BaseExampleSelector
from langchain_core.language_models import FakeListChatModel
from oracles import TEXTS, BagOfWords, briefly, hospitals
from scoring import RuleScores
from served import Record, RefusedError, Served

from metachain.chains import OfflineChatModel, few_shot_prompt
from metachain.chains.label_scores import scoring_model
from metachain.chains.model_answerer import ModelAnswerer, load_countable, messages_of
from metachain.embedding.similarity import normalise_text
from metachain.errors import DataError, ModelError
from metachain.evaluation.leave_one_out import Plan, evaluate
from metachain.library.answer_cache import AnswerCache

PROMPTS = [((("x-ray", "0450"),), text) for text in ("a", "b", "c")]


class Fixed(BaseExampleSelector):
    """Always chooses the same."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def add_example(self, example: dict[str, str]) -> None:
        """There is nothing to add to."""

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        """All."""
        return [{"input": asked, "output": said} for asked, said in self.pairs]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[AnswerCache]:
    """An empty one."""
    with AnswerCache.open(tmp_path / "cache.db") as opened:
        yield opened


@given(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=3), TEXTS | st.just(" "))
@briefly
def test_the_messages_are_those_of_the_chain(query: str, pairs: list[tuple[str, str]], instructions: str) -> None:
    """Whatever the texts: what is evaluated is what ``few_shot_chain`` sends."""
    sent = few_shot_prompt(Fixed(pairs), instructions).invoke({"input": query}).to_messages()
    assert messages_of((tuple(pairs), query), instructions) == sent


def test_offline_through_the_slow_path_has_the_numbers_of_the_fast_one(cache: AnswerCache) -> None:
    """The offline chat model, called prompt by prompt, scores as the offline reader does, bit by bit."""
    made = hospitals(3, 16)
    dense = BagOfWords().encode([normalise_text(one.input) for one in made])
    plan = Plan(labels=(0, 4), seeds=(0,), queries=6)
    answerer = ModelAnswerer(OfflineChatModel(), "offline:slow", cache, calls=10_000, instructions="Give the code.")
    slow = evaluate(made, dense, plan, answerer=answerer)
    fast = evaluate(made, dense, plan)
    assert (slow["scores"], slow["summary"], slow["harm"]) == (fast["scores"], fast["summary"], fast["harm"])
    assert slow["cost"]["model_calls"] == answerer.calls > 0
    assert slow["cost"]["tokens"] == answerer.tokens > 0


@pytest.mark.parametrize("calls", [None, 0, 2])
def test_too_few_calls_are_refused_before_the_first(cache: AnswerCache, calls: int | None) -> None:
    """The error says how many it takes."""
    model = Served(record=Record())
    answerer = ModelAnswerer(model, "served:a", cache, calls=calls)
    with pytest.raises(DataError, match=rf"takes 3 calls of served:a, --calls allows {calls or 0}"):
        answerer(PROMPTS)
    assert model.record.texts == []


def test_what_was_answered_is_not_asked_again(cache: AnswerCache) -> None:
    """Not by the same model with the same instructions; another name or other instructions are other questions."""
    model = Served(record=Record())
    assert ModelAnswerer(model, "served:a", cache, calls=2)(PROMPTS[:2]) == ["a", "b"]
    with pytest.raises(DataError, match=r"takes 1 calls of served:a \(2 answers are kept from before\)"):
        ModelAnswerer(model, "served:a", cache)(PROMPTS)
    again = ModelAnswerer(model, "served:a", cache, calls=1)
    assert again(PROMPTS) == ["a", "b", "c"]
    assert again.calls == 1
    assert ModelAnswerer(model, "served:b", cache, calls=1)(PROMPTS[:1]) == ["a"]
    assert ModelAnswerer(model, "served:a", cache, calls=1, instructions="Answer.")(PROMPTS[:1]) == ["a"]
    assert sorted(model.record.texts) == ["a", "a", "a", "b", "c"]


def test_an_interruption_keeps_what_is_in(cache: AnswerCache) -> None:
    """After an error the same again asks for the rest only."""
    model = Served(record=Record(), behave=lambda text, n: RefusedError(401) if text == "b" and n == 0 else None)
    answerer = ModelAnswerer(model, "served:a", cache, calls=3, max_concurrency=1)
    with pytest.raises(ModelError, match="401"):
        answerer(PROMPTS)
    assert (answerer.calls, model.record.texts) == (2, ["a", "b"])
    assert ModelAnswerer(model, "served:a", cache, calls=2)(PROMPTS) == ["a", "b", "c"]


def test_failed_calls_count(cache: AnswerCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a retry used a call up, an answer is missing: the error says to run it again, which asks for that one."""
    error = RefusedError(429, {"retry-after": "0"})
    model = Served(record=Record(), behave=lambda text, n: error if text == "a" and n == 0 else None)
    monkeypatch.setattr("metachain.chains.model_caller.FIRST_WAIT", 0.0)
    with pytest.raises(ModelError, match="1 answers are missing after 3 calls; run this again"):
        ModelAnswerer(model, "served:a", cache, calls=3, max_concurrency=1)(PROMPTS)
    assert len(model.record.texts) == 3
    assert ModelAnswerer(model, "served:a", cache, calls=1)(PROMPTS) == ["a", "b", "c"]


def test_empty_answers_are_kept(cache: AnswerCache) -> None:
    """A model that says nothing has said so."""
    assert ModelAnswerer(FakeListChatModel(responses=[""]), "fake:a", cache, calls=3)(PROMPTS) == ["", "", ""]
    assert ModelAnswerer(FakeListChatModel(responses=["b"]), "fake:a", cache)(PROMPTS) == ["", "", ""]


def test_scored_answers_are_kept_apart_from_words(cache: AnswerCache) -> None:
    """A prompt without demonstrations has no labels, so its words are the same answer either way."""
    model, two = RuleScores(), (("x-ray", "0450"), ("visit", "0510"))
    prompts = [(two, "0510 or 0450"), (two, "0510"), ((), "0510")]
    assert ModelAnswerer(model, "rule:a", cache, calls=3)(prompts) == ["words"] * 3
    with pytest.raises(DataError, match=r"takes 2 calls of rule:a \(1 answers are kept from before\)"):
        ModelAnswerer(scoring_model(model), "rule:a", cache)(prompts)
    scored = ModelAnswerer(scoring_model(model), "rule:a", cache, calls=2)
    assert scored(prompts) == ["0450", "0510", "words"]
    assert (scored.calls, scored.tokens > 0) == (2, True)
    assert ModelAnswerer(scoring_model(model), "rule:a", cache)(prompts) == ["0450", "0510", "words"]


def test_a_killed_run_keeps_what_was_scored(cache: AnswerCache) -> None:
    """After an error the same again scores the rest only."""
    two = (("x-ray", "0450"), ("visit", "0510"))
    prompts = [(two, query) for query in ("0450", "fail", "0510")]

    class Failing(RuleScores):
        def label_log_probabilities(self, prompts: Any, labels: Any) -> Any:
            if prompts[0][-1].text == "fail":
                raise RuntimeError("out of memory")
            return super().label_log_probabilities(prompts, labels)

    with pytest.raises(ModelError, match="out of memory"):
        ModelAnswerer(scoring_model(Failing()), "rule:a", cache, calls=3, max_concurrency=1)(prompts)
    again = RuleScores()
    assert ModelAnswerer(scoring_model(again), "rule:a", cache, calls=2)(prompts) == ["0450", "0450", "0510"]
    assert again.read == ["fail", "0510"]


def test_a_model_is_loaded_without_retries_of_its_own() -> None:
    """Where its class has none it is loaded as it is."""
    assert isinstance(load_countable("offline"), OfflineChatModel)
