"""Answers within a set of labels."""

from typing import Any

import pytest
from fixed_selector import Sent
from hypothesis import example, given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from oracles import briefly

from metachain.chains import Classification, classification_chain
from metachain.chains.classification import classify
from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.learning.posterior import Posterior
from metachain.library.library import Library
from metachain.normal_form import label_form
from metachain.retrievers import MetaExampleSelector

LABELS = ("urgent", "not urgent", "0611")
QUERY = {"input": "xray chest ward a"}


@pytest.fixture
def selector(library: Library, posterior: Posterior) -> MetaExampleSelector:
    """The new hospital's selector."""
    return MetaExampleSelector(library, posterior, k=4)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("urgent", "urgent"),
        ("  not urgent\n", "not urgent"),
        ("Not  Urgent.", "not urgent"),
        ('"0611"', "0611"),
        ("`0611`.", "0611"),
        ("**urgent**", "urgent"),
        ("this is not urgent", None),
        ("urgent or not urgent", None),
        ("611", None),
        ("", None),
        ("I can't say.", None),
    ],
)
def test_an_answer_is_a_label_or_none(answer: str, label: str | None) -> None:
    """Case, white space, quotes and a full stop are forgiven, a sentence around a label isn't."""
    result = classify(answer, LABELS)
    assert result == Classification(label, answer, tuple(sorted(LABELS)))


def test_labels_that_differ_in_case_only_are_told_apart() -> None:
    """An exact answer wins, an answer that is alike to two labels is none."""
    assert classify("a", ["a", "A"]).label == "a"
    assert classify("A", ["a", "A"]).label == "A"
    assert classify("'a'", ["a", "A"]).label is None


@given(st.sets(st.text(st.sampled_from("aA .'`ß0"), max_size=4).filter(str.strip), min_size=1, max_size=6))
@example({"a", " a"})
@briefly
def test_every_label_is_its_own_answer(labels: set[str]) -> None:
    """However alike labels are, answering with one of them gives that one; labels that look the same are one."""
    answered = [classify(label, labels) for label in labels]
    assert {one.label for one in answered} <= labels
    assert [label_form(str(one.label)) for one in answered] == list(map(label_form, labels))
    assert all(len(one.allowed) == len(set(map(label_form, labels))) for one in answered)


async def test_all_ways_to_run_it_agree(selector: MetaExampleSelector) -> None:
    """Invoke, batch, stream and their asynchronous twins give the same classification."""
    chain = classification_chain("offline", selector)
    result = chain.invoke(QUERY)
    assert result.label is not None
    assert result.label == result.answer
    assert [result] == chain.batch([QUERY]) == list(chain.stream(QUERY))
    assert result == await chain.ainvoke(QUERY)
    assert [result] == await chain.abatch([QUERY]) == [one async for one in chain.astream(QUERY)]


def test_without_labels_those_known_are_allowed(selector: MetaExampleSelector, newcomer: list[Demonstration]) -> None:
    """The labels of the demonstrations shown and the institution's own are allowed, also those added later."""
    chain = classification_chain(FakeListChatModel(responses=["AIR", "air"]), selector)
    first = chain.invoke(QUERY)
    shown = {one.output for one in selector.explain(QUERY["input"]).demonstrations}
    assert set(first.allowed) == shown | {one.output for one in newcomer[:6]}
    assert first.label is None
    selector.add_example({"input": "helicopter transport", "output": "air"})
    assert chain.invoke(QUERY).label == "air"


def test_given_labels_are_the_only_ones(selector: MetaExampleSelector) -> None:
    """With labels given, a demonstration's answer that is none of them is not accepted."""
    result = classification_chain("offline", selector, ["yes", "no", "yes"]).invoke(QUERY)
    assert (result.label, result.allowed) == (None, ("no", "yes"))
    assert result.answer.startswith("code ")


def test_the_instructions_reach_the_model(selector: MetaExampleSelector) -> None:
    """The prompt is that of the few-shot chain, instructions and all."""
    sent = Sent()
    classification_chain("offline", selector, instructions="One of {a, b}.").invoke(QUERY, {"callbacks": [sent]})
    assert sent.messages[0].content == "One of {a, b}."


def test_a_result_says_why() -> None:
    """The reason names the label, the answer that fits none, or that there is nothing to choose from."""
    assert classify("urgent", LABELS).reason == "the model answered 'urgent', one of 3 allowed labels"
    assert classify("late", LABELS).reason == (
        "the model's answer 'late' is none of the 3 allowed labels: '0611', 'not urgent', 'urgent'"
    )
    assert classify("late", [str(number) for number in range(20)]).reason.endswith(", …")
    assert "no label is known" in classify("late", []).reason


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("urgent", "must be a list of labels, got the text 'urgent'"),
        ([], "'labels' is empty"),
        (["urgent", ""], "not blank, got ''"),
        (["urgent", 7], "not blank, got 7"),
    ],
)
def test_bad_labels_are_refused(selector: MetaExampleSelector, labels: Any, message: str) -> None:
    """Labels that can't be meant are a DataError when the chain is made."""
    with pytest.raises(DataError, match=message):
        classification_chain("offline", selector, labels)
