"""Chains that keep their prompt to a number of tokens."""

from typing import Any

import pytest
from fixed_selector import Sent, fixed
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.runnables import Runnable
from oracles import briefly

from metachain.chains import OfflineChatModel, classification_chain, few_shot_chain, few_shot_prompt, load_model
from metachain.chains.prompt_budget import PromptBudget, prompt_budget
from metachain.chains.select_step import SelectDemonstrations
from metachain.errors import DataError
from metachain.learning.posterior import Posterior
from metachain.library.library import Library
from metachain.retrievers import MetaExampleSelector

TOLD = "Answer with the code."
QUERY = {"input": "xray chest ward a"}
LONG = "x" * 200_000
WORDS = st.lists(st.sampled_from(["mri", "xray", "of the brain"]), min_size=1, max_size=9).map(" ".join)


@pytest.fixture
def selector(library: Library, posterior: Posterior) -> MetaExampleSelector:
    """The new hospital's selector."""
    return MetaExampleSelector(library, posterior, k=4)


def sent_by(chain: Runnable[dict[str, Any], Any], query: dict[str, Any] = QUERY) -> list[BaseMessage]:
    """What the chain's model is sent."""
    sent = Sent()
    chain.invoke(query, {"callbacks": [sent]})
    return sent.messages


def characters(messages: list[BaseMessage]) -> int:
    """All characters of messages."""
    return sum(len(str(message.content)) for message in messages)


@pytest.mark.parametrize("make", [few_shot_chain, classification_chain])
@pytest.mark.parametrize("budget", [38, 60, 80, 100, 130, 1000])
async def test_the_prompt_is_within_budget(selector: MetaExampleSelector, make: Any, budget: int) -> None:
    """Counted by the function given, instructions and query included; as many are shown as there is room for."""
    whole = sent_by(make("offline", selector, instructions=TOLD))
    chain = make("offline", selector, instructions=TOLD, max_prompt_tokens=budget, count_tokens=len)
    messages = sent_by(chain)
    assert characters(messages) <= budget
    assert [messages[0], messages[-1]] == [SystemMessage(TOLD), HumanMessage(QUERY["input"])]
    assert (len(messages) > 2) == (budget >= 60)
    assert (messages == whole) == (budget == 1000)
    prompt = few_shot_prompt(selector, TOLD, budget=PromptBudget(budget, len))
    assert (await prompt.ainvoke(QUERY)).to_messages() == messages


@given(st.lists(st.tuples(WORDS, WORDS), max_size=6), st.integers(1, 60))
@briefly
async def test_any_selectors_examples_are_kept_within_budget(pairs: list[tuple[str, str]], budget: int) -> None:
    """Of examples without known utility as many as possible are shown, in their order, sync and async."""
    counted = PromptBudget(budget + 3, OfflineChatModel().get_num_tokens)
    selecting = SelectDemonstrations(fixed(*pairs), counted)
    examples = selecting.invoke({"input": "mri of brain"})["demonstrations"]
    shown = [(one["input"], one["output"]) for one in examples]
    words = sorted(len(f"{asked} {told}".split()) for asked, told in pairs)
    assert sum(len(f"{asked} {told}".split()) for asked, told in shown) <= budget
    assert len(shown) == sum(sum(words[: number + 1]) <= budget for number in range(len(words)))
    rest = iter(pairs)
    assert all(one in rest for one in shown)
    assert all(one["tokens"] == len(f"{one['input']} {one['output']}".split()) for one in examples)
    assert (await selecting.ainvoke({"input": "mri of brain"}))["demonstrations"] == examples


@pytest.mark.parametrize("place", [0, 1])
def test_a_long_first_example_empties_no_prompt(place: int) -> None:
    """An example of 200,000 characters is skipped, wherever it stands, and the other is shown."""
    pairs = [("mri", "0611")]
    pairs.insert(place, (LONG, "0612"))
    assert len(sent_by(few_shot_chain("offline", fixed(*pairs), max_prompt_tokens=100, count_tokens=len))) == 3


def test_a_long_label_empties_no_prompt(selector: MetaExampleSelector) -> None:
    """The real selector shows something else in place of a label of 200,000 characters."""
    selector.add_example({"input": f"{QUERY['input']} {LONG}", "output": "code 0 of system 1"})
    query = {"input": f"{QUERY['input']} {LONG} again"}
    messages = sent_by(few_shot_chain("offline", selector, max_prompt_tokens=200_150, count_tokens=len), query)
    assert len(messages) >= 3
    assert characters(messages) <= 200_150


def test_a_count_of_nothing_is_not_believed(selector: MetaExampleSelector) -> None:
    """A tokenizer that finds 0 tokens in every text is replaced by the approximation."""
    chain = few_shot_chain("offline", selector, TOLD, max_prompt_tokens=60, count_tokens=lambda _: 0)
    approximate = few_shot_chain(FakeListChatModel(responses=["a"]), selector, TOLD, max_prompt_tokens=60)
    messages = sent_by(chain)
    assert messages == sent_by(approximate)
    assert 2 < len(messages) < len(sent_by(few_shot_chain("offline", selector, TOLD)))
    assert count_tokens_approximately(messages) <= 60


class Downloader(FakeListChatModel):
    """A client whose own count must not be asked."""

    def get_num_tokens(self, text: str) -> int:
        """Fail as one without a network."""
        raise ConnectionError(text)


def test_what_counts() -> None:
    """The function given, else the model's local tokenizer, else the approximation; never a client's download."""
    text = [HumanMessage("xray of the chest")]
    other = Downloader(responses=["a"])
    own = Downloader(responses=["a"], custom_get_token_ids=lambda text: list(range(len(text))))
    assert prompt_budget(OfflineChatModel(), 9, len).count(text) == 17
    assert prompt_budget(own, 9, lambda _: 3).count(text) == 3
    assert prompt_budget(own.with_retry(), 9).count(text) == 17
    assert prompt_budget(OfflineChatModel().bind(stop=["."]).with_retry(), 9).count(text) == 4
    assert prompt_budget(other, 9).count(text) == count_tokens_approximately(text)
    assert prompt_budget(other.with_fallbacks([own]), 9).count(text) == count_tokens_approximately(text)
    assert prompt_budget(other, 9, len).count([AIMessage("")]) == 0


def test_a_share_of_the_context_window() -> None:
    """A float is a share of what the model's profile says it takes, rounded down; 1 is one token, 1.0 all of it."""
    model = FakeListChatModel(responses=["a"], profile={"max_input_tokens": 1001})
    shares = {0.5: 500, 1.0: 1001}
    assert {share: prompt_budget(model, share).tokens for share in shares} == shares
    assert prompt_budget(model.with_retry(), 0.5).tokens == 500
    assert prompt_budget(model, 1).tokens == 1


def test_an_ollama_window_is_what_the_server_was_told() -> None:
    """``num_ctx`` is the window of an Ollama model, and without it none is known."""
    pytest.importorskip("langchain_ollama")
    assert prompt_budget(load_model("ollama:llama3", num_ctx=4096), 0.5).tokens == 2048
    with pytest.raises(DataError, match="ChatOllama: give a number of tokens"):
        prompt_budget(load_model("ollama:llama3"), 0.5)


@pytest.mark.parametrize("model", [OfflineChatModel(), FakeListChatModel(responses=["a"], profile={})])
def test_a_share_of_an_unknown_window_is_refused(model: Any) -> None:
    """Where the context window isn't known the error says to give a number, when the chain is made."""
    with pytest.raises(DataError, match=r"'max_prompt_tokens' is 0\.5, a share .*: give a number of tokens"):
        few_shot_chain(model, fixed(), max_prompt_tokens=0.5)


async def test_what_can_never_fit_is_refused() -> None:
    """Instructions and query that are over budget by themselves: the error has both numbers; as much is enough."""
    chain = few_shot_chain("offline", fixed(("a", "b")), TOLD, max_prompt_tokens=7)
    for query in (QUERY, {"input": "xray {chest} a b"}):
        with pytest.raises(DataError, match="alone need 8 tokens, but the prompt may hold 7: raise"):
            chain.invoke(query)
        with pytest.raises(DataError, match="alone need 8 tokens"):
            await chain.ainvoke(query)
    assert len(sent_by(few_shot_chain("offline", fixed(("a", "b")), TOLD, max_prompt_tokens=8))) == 2


@pytest.mark.parametrize("budget", [0, -1, 0.0, 1.5, float("nan"), True, "100"])
def test_bad_budgets_are_refused(budget: Any) -> None:
    """What is neither a number of tokens nor a share is a DataError when the chain is made."""
    with pytest.raises(DataError, match="'max_prompt_tokens' must be a whole number"):
        few_shot_chain("offline", fixed(), max_prompt_tokens=budget)


@pytest.mark.parametrize("found", [-1, 1.5, None, True])
def test_bad_counts_are_refused(found: Any) -> None:
    """A counter that gives no number of tokens is named."""
    chain = few_shot_chain("offline", fixed(), max_prompt_tokens=9, count_tokens=lambda _: found)
    with pytest.raises(DataError, match="'count_tokens' must give a whole number"):
        chain.invoke(QUERY)
    with pytest.raises(DataError, match="'count_tokens' must be a function"):
        few_shot_chain("offline", fixed(), max_prompt_tokens=9, count_tokens="cl100k_base")  # type: ignore[arg-type]
