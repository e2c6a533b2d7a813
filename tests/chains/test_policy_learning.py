"""A model in the loop: budgets hold, nothing is paid for twice, what was learned is what the model is shown."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from handmade import Tiny
from langchain_core.caches import InMemoryCache
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from pydantic import Field

from benchmarks.common.stand_in_models import StandIn
from metachain.chains.call_budget import CallBudget
from metachain.chains.model_caller import ModelCaller
from metachain.chains.models import load_model
from metachain.chains.policy_learning import Collected, collect
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.errors import DataError, LibraryError, ModelError, NotFoundError
from metachain.learning.policy import DEFAULT, Policy
from metachain.learning.posterior import adapt
from metachain.learning.prior import Prior, learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.scoring.metrics import checked_metric, exact_match, token_f1
from metachain.selection.learned_policies import load_policy, read_policy
from metachain.selection.selector import Selector


class Counted(StandIn):
    """A stand-in that keeps what it is sent, and fails at its ``fails_at``-th call."""

    sent: list[str] = Field(default_factory=list)
    fails_at: int = 0

    def _generate(self, messages: list[BaseMessage], *rest: Any, **kwargs: Any) -> ChatResult:
        self.sent.append(json.dumps([[one.type, str(one.text)] for one in messages]))
        if len(self.sent) == self.fails_at:
            raise PermissionError("no such key")
        return super()._generate(messages, *rest, **kwargs)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Six small generated institutions."""
    with Library.open(tmp_path / "library.db", Tiny()) as opened:
        opened.add(
            generate_world(WorldSettings(institutions=6, systems=2, demonstrations=40, misleading=0)), share=EVERYONE
        )
        yield opened


@pytest.fixture
def prior(library: Library) -> Prior:
    """What it has learned."""
    return learn(library)


def collected(library: Library, prior: Prior, asked: Any, calls: int = 120, **settings: Any) -> Collected:
    """Collect with a model of that quirk, scored by exact match unless said otherwise."""
    budget = settings.pop("budget", CallBudget(calls=calls))
    given = {"metric": exact_match, "metric_name": "exact_match", "model": "stand-in", **settings}
    with ModelCaller(asked, budget=budget, retries=0, max_concurrency=3) as caller:
        return collect(library, prior, caller, calls=calls, **given)


def test_the_right_policy_is_stored_and_selected_by(library: Library, prior: Prior) -> None:
    """For a model that ignores demonstrations it is none; other models are shown as ever."""
    found = collected(library, prior, StandIn(quirk="ignores"), 8000, anyway=True)
    assert found.learned.policy.shots == 0
    assert read_policy(library, "stand-in") == found.learned
    policy = load_policy(library, "stand-in")
    posterior = adapt(prior, library, "newcomer")
    assert not Selector(library, posterior, policy=policy).select("MRI BRAIN").chosen
    assert load_policy(library, "another") == DEFAULT


@pytest.mark.parametrize("calls", [0, 1, 40, 150])
def test_calls_hold_exactly(library: Library, prior: Prior, calls: int) -> None:
    """And each answer is an outcome in the library: what was shown, answered, earned and used."""
    model = Counted(quirk="reader")
    found = collected(library, prior, model, calls)
    assert len(model.sent) == len(set(model.sent)) == found.learned.trials <= calls
    outcomes = library.outcomes.of(origin="collected", model="stand-in")
    assert len(outcomes) == len(model.sent)
    assert all(one.score in (0.0, 1.0) and one.metric == "exact_match" for one in outcomes)
    assert all(one.output_tokens == len(one.answer.split()) for one in outcomes)
    assert all(one.input_tokens >= len(one.input.split()) for one in outcomes)
    known = {(one.institution, one.id) for one in library.demonstrations()}
    assert {key for one in outcomes for key in one.shown} <= known


def test_token_budgets_hold_exactly(library: Library, prior: Prior) -> None:
    """Whatever number of calls would be allowed."""
    model = load_model("offline", max_tokens=8)
    with ModelCaller(model, budget=CallBudget(calls=500, tokens=9000)) as caller:
        collect(library, prior, caller, model="offline", metric=exact_match, metric_name="exact_match", calls=500)
        assert 5000 < caller.spent.tokens <= 9000
    used = library.outcomes.of(origin="collected")
    assert sum(one.input_tokens + one.output_tokens for one in used) <= 9000


def test_an_interrupted_collection_goes_on_without_paying_twice(library: Library, prior: Prior, tmp_path: Path) -> None:
    """What was answered before the fault is kept; the second run asks the rest, and finds what one run would."""
    with Library.open(tmp_path / "other.db", Tiny()) as other:
        other.add(library.demonstrations(), share=EVERYONE)
        whole = collected(other, prior, Counted(quirk="errs"), 150)
    broken = Counted(quirk="errs", fails_at=61)
    with pytest.raises(ModelError, match="kept"):
        collected(library, prior, broken, 150)
    kept = library.outcomes.of(origin="collected")
    assert 50 <= len(kept) < 65
    resumed = Counted(quirk="errs")
    found = collected(library, prior, resumed, 150)
    assert found.answered_before == len(kept)
    assert len(kept) + len(resumed.sent) == found.learned.trials <= 150
    assert not {json.dumps(one) for one in broken.sent[: len(kept)]} & set(resumed.sent)
    assert found.learned == whole.learned
    again = Counted(quirk="errs")
    assert collected(library, prior, again, 150).learned == whole.learned
    assert not again.sent


def test_another_metric_scores_what_was_answered_before(library: Library, prior: Prior) -> None:
    """Without another call."""
    collected(library, prior, StandIn(quirk="reader"), 60)
    model = Counted(quirk="reader")
    found = collected(library, prior, model, 60, metric=token_f1, metric_name="token_f1")
    assert found.learned.metric == "token_f1"
    rescored = [one for one in library.outcomes.of(origin="collected") if one.metric == "token_f1"]
    assert len(rescored) == found.learned.trials
    assert len(model.sent) < 60


def test_another_model_or_other_instructions_are_asked_anew(library: Library, prior: Prior) -> None:
    """Answers of one are not those of the other, and the instructions arrive as a system message."""
    collected(library, prior, StandIn(quirk="reader"), 40)
    other, told = Counted(quirk="reader"), Counted(quirk="reader")
    assert collected(library, prior, other, 40, model="other").answered_before == 0
    assert collected(library, prior, told, 40, instructions="Answer {so}.").answered_before == 0
    assert len(other.sent) == len(told.sent) > 0
    assert all(json.loads(one)[0] == ["system", "Answer {so}."] for one in told.sent)


def test_langchains_cache_is_honoured(library: Library, prior: Prior, tmp_path: Path) -> None:
    """What it holds is no call."""
    cache = InMemoryCache()
    first = Counted(quirk="reader", cache=cache)
    collected(library, prior, first, 60)
    with Library.open(tmp_path / "other.db", Tiny()) as other:
        other.add(library.demonstrations(), share=EVERYONE)
        second = Counted(quirk="reader", cache=cache)
        found = collected(other, prior, second, 60)
    assert found.learned.trials == len(first.sent)
    assert not second.sent


@pytest.mark.parametrize("value", [7, float("nan"), -0.1, None, "1"])
def test_a_metric_out_of_range_stops_and_loses_nothing(library: Library, prior: Prior, value: Any) -> None:
    """The answer that it was to score is kept, unscored."""
    wrong = checked_metric(lambda prediction, reference: value, "odd")
    with pytest.raises(DataError, match="odd"):
        collected(library, prior, StandIn(quirk="reader"), metric=wrong, metric_name="odd")
    kept = library.outcomes.of(origin="collected")
    assert kept
    assert all(one.score is None for one in kept)
    assert collected(library, prior, StandIn(quirk="reader")).answered_before == len(kept)


def test_a_model_that_says_nothing_scores_nothing(library: Library, prior: Prior) -> None:
    """An empty answer is an answer: the policy stays what it was, or shows less."""

    class Silent(StandIn):
        def _generate(self, messages: list[BaseMessage], *rest: Any, **kwargs: Any) -> ChatResult:
            made = super()._generate(messages, *rest, **kwargs)
            made.generations[0].message.content = ""
            return made

    found = collected(library, prior, Silent(quirk="reader"), 100, anyway=True)
    assert found.learned.gain == 0.0
    assert {one.answer for one in library.outcomes.of(origin="collected")} == {""}
    assert found.learned.policy == DEFAULT


def test_a_prior_of_other_institutions_is_refused(library: Library, prior: Prior) -> None:
    """The transfer that it holds is between others."""
    library.add([replace(library.demonstrations()[0], institution="late", id="")], share=EVERYONE)
    with pytest.raises(DataError, match="learn first"):
        collected(library, prior, StandIn(quirk="reader"))


def test_a_damaged_policy_says_what_to_do(library: Library, prior: Prior, tmp_path: Path) -> None:
    """As does one that was never learned."""
    collected(library, prior, StandIn(quirk="reader"), 20)
    for header in ({"format": "other"}, {"format": "metachain-policy/1"}):
        with sqlite3.connect(tmp_path / "library.db") as file:
            file.execute("UPDATE artifacts SET header = ? WHERE name = 'policy of stand-in'", [json.dumps(header)])
        file.close()
        with pytest.raises(LibraryError, match="learn again with --model"):
            load_policy(library, "stand-in")
    with pytest.raises(NotFoundError, match="--model other"):
        read_policy(library, "other")


def test_misleading_demonstrations_are_demoted(library: Library, prior: Prior) -> None:
    """A model that one demonstration throws off is shown it no more."""
    stage_model = Thrown(quirk="reader", bad=_hub(library, prior))
    found = collected(library, prior, stage_model, 6000)
    bad = {(one.institution, one.id) for one in library.demonstrations() if one.input == stage_model.bad}
    assert found.learned.policy.demoted
    assert found.learned.policy.demoted <= bad
    assert set(found.lesson.misleading) == set(found.learned.policy.demoted)
    assert load_policy(library, "stand-in").demoted == found.learned.policy.demoted


class Thrown(StandIn):
    """A stand-in that answers nonsense wherever one text is among its demonstrations."""

    bad: str

    def _generate(self, messages: list[BaseMessage], *rest: Any, **kwargs: Any) -> ChatResult:
        made = super()._generate(messages, *rest, **kwargs)
        if any(one.type == "human" and one.text == self.bad for one in messages[:-1]):
            made.generations[0].message.content = "colourless green ideas"
        return made


def _hub(library: Library, prior: Prior) -> str:
    """The text that is shown for the most queries of other institutions."""
    counts: dict[str, int] = {}
    for name in library.institutions():
        selector = Selector(library, adapt(prior, library, f"like {name}"), policy=Policy(8))
        for selection in selector.select_many([one.input for one in library.demonstrations(name)]):
            for one in selection.demonstrations:
                counts[one.input] = counts.get(one.input, 0) + (one.institution != name)
    return max(counts, key=lambda text: counts[text])
