"""The example selector at LangChain's border (``metachain.retrievers.example_selector``)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate, FewShotChatMessagePromptTemplate
from selector_contract import ELSE, QUERY, SelectorContract

from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import MiniLM
from metachain.errors import DataError, NotFoundError
from metachain.learning.posterior import Posterior
from metachain.library.library import Library
from metachain.retrievers import MetaExampleSelector
from metachain.selection.selector import Selector
from metachain.selection.token_budget import select_within


@pytest.fixture
def selector(library: Library, posterior: Posterior) -> MetaExampleSelector:
    """The new hospital's selector."""
    return MetaExampleSelector(library, posterior, k=4)


class TestMetaExampleSelector(SelectorContract):
    """Our selector keeps the contract."""

    @pytest.fixture
    def twin(self, library: Library, posterior: Posterior) -> MetaExampleSelector:
        """The same, made anew."""
        return MetaExampleSelector(library, posterior, k=4)

    @pytest.fixture
    def empty(self, tmp_path: Path, encoder: MiniLM, posterior: Posterior) -> Iterator[MetaExampleSelector]:
        """A selector over a library that holds nothing."""
        with Library.open(tmp_path / "empty.db", encoder) as library:
            yield MetaExampleSelector(library, posterior)


def test_examples_are_the_core_selection_in_prompt_order(library: Library, posterior: Posterior) -> None:
    """What comes out is what the core chooses, least useful first, under the keys that were asked for."""
    selector = MetaExampleSelector(library, posterior, k=3, input_key="charge", output_key="code")
    selection = Selector(library, posterior, k=3).select(QUERY)
    expected = [{"charge": one.input, "code": one.output} for one in selection.demonstrations]
    assert selector.select_examples({"charge": QUERY, "input": ELSE}) == expected
    assert [one.score for one in selection.chosen] == sorted(one.score for one in selection.chosen)


def test_explain_gives_scores_and_reasons(selector: MetaExampleSelector) -> None:
    """``explain`` holds the same demonstrations as ``select_examples``, with why."""
    selection = selector.explain(QUERY)
    shown = [{"input": one.input, "output": one.output} for one in selection.demonstrations]
    assert shown == selector.select_examples({"input": QUERY})
    assert all(one.reason for one in selection.chosen)
    assert selection.institution == selector.institution == "hospital 5"


def test_within_a_budget_it_is_the_cores_choice(library: Library, posterior: Posterior) -> None:
    """``explain_within`` and ``select_examples_within`` are ``select_within``, under the keys that were asked for."""
    selector = MetaExampleSelector(library, posterior, k=4, input_key="charge", output_key="code")
    selection = select_within(Selector(library, posterior, k=4), QUERY, 40, lambda one: len(one.input))
    assert 0 < len(selection.chosen) < 4
    assert selector.explain_within(QUERY, 40, lambda one: len(one.input)) == selection
    expected = [{"charge": one.input, "code": one.output} for one in selection.demonstrations]
    assert selector.select_examples_within({"charge": QUERY}, 40, lambda one: len(one.input)) == expected


def test_explain_of_an_empty_library_is_empty(tmp_path: Path, encoder: MiniLM, posterior: Posterior) -> None:
    """An empty library explains itself with nothing chosen and has no labels."""
    with Library.open(tmp_path / "empty.db", encoder) as library:
        selector = MetaExampleSelector(library, posterior)
        assert selector.explain(QUERY).chosen == ()
        assert selector.explain_within(QUERY, 9, lambda _: 1).chosen == ()
        assert selector.labels() == ()


def test_an_example_for_an_empty_library_is_kept(tmp_path: Path, encoder: MiniLM, posterior: Posterior) -> None:
    """With no past institution there is nothing to adapt from, which is said; the example is stored all the same."""
    with Library.open(tmp_path / "empty.db", encoder) as library:
        selector = MetaExampleSelector(library, posterior)
        with pytest.raises(NotFoundError, match="no past institution"):
            selector.add_example({"input": "helicopter transport", "output": "air"})
        assert library.counts() == {"hospital 5": 1}


def test_labels_are_the_institutions_own(selector: MetaExampleSelector, newcomer: list[Demonstration]) -> None:
    """``labels`` are the outputs of the institution's labels, and grow with each that is added."""
    assert set(selector.labels()) == {one.output for one in newcomer[:6]}
    selector.add_example({"input": "helicopter transport", "output": "air"})
    assert "air" in selector.labels()


def test_an_added_example_is_durable(selector: MetaExampleSelector, library: Library, tmp_path: Path) -> None:
    """What ``add_example`` returned an id for is in the file, as a demonstration of the institution."""
    identity = selector.add_example({"input": "helicopter transport", "output": "air", "note": "ignored"})
    with Library.open(tmp_path / "hospitals.db") as reopened:
        held = {one.id: one for one in reopened.demonstrations("hospital 5")}
    assert held[identity] == Demonstration("hospital 5", "helicopter transport", "air")


def test_an_added_example_adapts(selector: MetaExampleSelector, library: Library, posterior: Posterior) -> None:
    """After ``add_example`` the selector chooses as one that was adapted to the longer support from the start."""
    selector.add_example({"input": "xray knee ward a", "output": "code 0 of system 0"})
    fresh = MetaExampleSelector(library, posterior, k=4)
    assert selector.explain(QUERY) == fresh.explain(QUERY)
    assert selector.explain(QUERY) != Selector(library, posterior, k=1).select(QUERY)


def test_examples_added_by_many_threads_are_all_kept(selector: MetaExampleSelector) -> None:
    """Four threads that add and select at once lose nothing."""
    examples = [{"input": f"helicopter transport {number}", "output": f"air {number}"} for number in range(8)]

    def add_and_select(example: dict[str, Any]) -> None:
        selector.add_example(example)
        assert selector.select_examples({"input": "helicopter"})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add_and_select, examples))
    assert {example["output"] for example in examples} <= set(selector.labels())


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "must hold 'input', got nothing"),
        ({"question": "mri"}, "must hold 'input', got 'question'"),
        ({"input": 7}, "'input' must be a string, got int"),
        ({"input": ["mri"]}, "'input' must be a string, got list"),
        ({"input": None}, "'input' must be a string, got NoneType"),
        ({"input": "  "}, "blank"),
        ({"input": "a\0b"}, "NUL"),
    ],
)
def test_a_query_that_is_no_text_is_refused(
    selector: MetaExampleSelector, variables: dict[str, Any], message: str
) -> None:
    """A missing key or a value that is no text is a DataError that says what was got."""
    with pytest.raises(DataError, match=message):
        selector.select_examples(variables)


@pytest.mark.parametrize(
    "example", [{"input": "mri"}, {"output": "7"}, {"input": "mri", "output": 7}, {"input": "", "output": "7"}]
)
def test_an_example_that_lacks_something_is_refused(
    selector: MetaExampleSelector, library: Library, example: dict[str, Any]
) -> None:
    """A bad example is a DataError, and nothing is stored."""
    before = library.counts()
    with pytest.raises(DataError):
        selector.add_example(example)
    assert library.counts() == before


@pytest.mark.parametrize("query", ["x" * 100_000, "مرحبا 🩻", "{input}"])
def test_strange_texts_are_queries_too(selector: MetaExampleSelector, query: str) -> None:
    """Very long, right-to-left, emoji and template-like texts are selected for."""
    assert len(selector.select_examples({"input": query})) <= 4


async def test_it_works_inside_a_few_shot_prompt(selector: MetaExampleSelector) -> None:
    """LangChain's chat few-shot template takes it as it is, sync and async, with other variables around."""
    turns = FewShotChatMessagePromptTemplate(
        input_variables=["input"],
        example_selector=selector,
        example_prompt=ChatPromptTemplate([("human", "{input}"), ("ai", "{output}")]),
    )
    prompt = ChatPromptTemplate([("system", "Today is {today}."), turns, ("human", "{input}")])
    variables = {"input": QUERY, "today": "Monday"}
    messages = prompt.invoke(variables).to_messages()
    chosen = selector.select_examples({"input": QUERY})
    assert [message.content for message in messages[1:-1]] == [text for one in chosen for text in one.values()]
    assert (await prompt.ainvoke(variables)).to_messages() == messages
