"""The few-shot chain: demonstrations as chat turns, everything arrives as it was written."""

from typing import Any

import pytest
from fixed_selector import Sent, fixed
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.example_selectors import LengthBasedExampleSelector
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import PromptTemplate
from oracles import TEXTS, briefly

from metachain.chains import OfflineChatModel, few_shot_chain, few_shot_prompt
from metachain.chains.local.offline import NOTHING_TO_READ
from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.learning.posterior import Posterior
from metachain.library.library import Library
from metachain.retrievers import MetaExampleSelector
from metachain.scoring.reader import answer


@given(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=4), TEXTS)
@briefly
def test_every_text_arrives_unchanged(query: str, pairs: list[tuple[str, str]], instructions: str) -> None:
    """Instructions, demonstrations and query reach the model word for word, whatever braces they hold."""
    sent = Sent()
    chain = few_shot_chain("offline", fixed(*pairs), instructions)
    said = chain.invoke({"input": query}, {"callbacks": [sent]})
    turns = [message for asked, told in pairs for message in (HumanMessage(asked), AIMessage(told))]
    expected = [SystemMessage(instructions), *turns, HumanMessage(query)]
    assert [(one.type, one.content) for one in sent.messages] == [(one.type, one.content) for one in expected]
    assert said == (answer(query, pairs) if pairs else NOTHING_TO_READ)


@given(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=3))
@briefly
async def test_every_text_arrives_unchanged_asynchronously(query: str, pairs: list[tuple[str, str]]) -> None:
    """The asynchronous prompt is the synchronous one."""
    prompt = few_shot_prompt(fixed(*pairs), "{input}")
    assert (await prompt.ainvoke({"input": query})).to_messages() == prompt.invoke({"input": query}).to_messages()


@pytest.mark.parametrize("instructions", ["", "  \n"])
def test_no_instructions_no_system_message(instructions: str) -> None:
    """Blank instructions leave the system message out."""
    messages = few_shot_prompt(fixed(("a", "b")), instructions).invoke({"input": "c"}).to_messages()
    assert [message.type for message in messages] == ["human", "ai", "human"]


async def test_all_ways_to_run_it_agree(library: Library, posterior: Posterior, newcomer: list[Demonstration]) -> None:
    """Invoke, batch, stream and their asynchronous twins give the same answers, from the real selector."""
    chain = few_shot_chain("offline", MetaExampleSelector(library, posterior, k=4), "Answer with the code.")
    asked = [{"input": one.input} for one in newcomer[6:10]]
    answers = chain.batch(asked)
    assert all(said.startswith("code ") for said in answers)
    assert [chain.invoke(one) for one in asked] == answers
    assert [await chain.ainvoke(one) for one in asked] == answers
    assert await chain.abatch(asked) == answers
    assert ["".join(chain.stream(one)) for one in asked] == answers
    streamed = [[chunk async for chunk in chain.astream(one)] for one in asked]
    assert ["".join(chunks) for chunks in streamed] == answers
    assert all(len(chunks) > 1 for chunks in streamed)


def test_the_chain_follows_added_examples(library: Library, posterior: Posterior) -> None:
    """An example that is added to the selector is shown by a chain that was made before."""
    selector = MetaExampleSelector(library, posterior, k=1)
    chain = few_shot_chain("offline", selector)
    selector.add_example({"input": "helicopter transport", "output": "air"})
    assert chain.invoke({"input": "helicopter transports"}) == "air"


def test_any_example_selector_will_do() -> None:
    """LangChain's own selectors work, under keys of their own."""
    selector = LengthBasedExampleSelector(
        examples=[{"charge": "mri brain", "code": "0611"}],
        example_prompt=PromptTemplate.from_template("{charge} {code}"),
    )
    chain = few_shot_chain("offline", selector, input_key="charge", output_key="code")
    assert chain.invoke({"charge": "mri of the brain"}) == "0611"


def test_any_runnable_over_a_chat_model_will_do() -> None:
    """A model with retries, or with arguments bound, is a model."""
    shown = fixed(("mri", "code 0611"))
    assert few_shot_chain(OfflineChatModel(), shown).invoke({"input": "mri"}) == "code 0611"
    assert few_shot_chain(OfflineChatModel().with_retry(), shown).invoke({"input": "mri"}) == "code 0611"
    assert few_shot_chain(OfflineChatModel().bind(stop=[" "]), shown).invoke({"input": "mri"}) == "code"


def test_its_schema_names_the_input() -> None:
    """The chain says what it takes and what it gives."""
    chain = few_shot_chain("offline", fixed())
    assert chain.get_input_jsonschema()["required"] == ["input"]
    assert chain.get_output_jsonschema()["type"] == "string"


def test_a_missing_input_is_refused() -> None:
    """Without the input key the error names it."""
    with pytest.raises(DataError, match=r"must be {'input': a text}, got {'question': 'str'}"):
        few_shot_chain("offline", fixed()).invoke({"question": "mri"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"selector": [{"input": "a", "output": "b"}]}, "'selector' must be a LangChain example selector, got list"),
        ({"instructions": None}, "'instructions' must be a string, got NoneType"),
        ({"input_key": "a b"}, "plain name such as 'input', got 'a b'"),
        ({"output_key": "x.y"}, "plain name such as 'input', got 'x.y'"),
        ({"input_key": ""}, "plain name"),
        ({"model": None}, "'model' must be"),
        ({"model": "claude"}, "write provider:name"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    """Each bad argument is a DataError when the chain is made."""
    with pytest.raises(DataError, match=message):
        few_shot_chain(**{"model": "offline", "selector": fixed(), **arguments})
