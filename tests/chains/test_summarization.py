"""Summaries, and an error instead of an empty one."""

from typing import Any

import pytest
from fixed_selector import Fixed, Sent, fixed
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from oracles import TEXTS, briefly
from scripted import Scripted

from metachain.chains import few_shot_chain, summarization_chain
from metachain.chains.summarization import SUMMARY_INSTRUCTIONS
from metachain.data.demonstration import Demonstration
from metachain.errors import AnswerError, DataError
from metachain.learning.posterior import Posterior
from metachain.library.library import Library
from metachain.retrievers import MetaExampleSelector

NOTE = {"input": "Came in with chest pain. The pain is gone now. Discharged home today with advice to rest."}
SUMMARY = "Discharged home today with advice to rest."
COUGH = "Discharged home on Monday with tablets for a week."
FALL = "Discharged to rehabilitation with a cast for the broken arm."
SHOWN = fixed((f"Came in with a cough. Slept well. {COUGH}", COUGH), (f"Fell at work. Was in pain. {FALL}", FALL))
BLANKS = ["", " ", "\n \t\n"]


class Errors(BaseCallbackHandler):
    """Keeps the errors that chains end in."""

    def __init__(self) -> None:
        self.kinds: list[type[BaseException]] = []

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        """Keep its kind."""
        self.kinds.append(type(error))


async def test_all_ways_to_run_it_agree() -> None:
    """Invoke, batch, stream and their asynchronous twins give the same summary, which streams in pieces."""
    chain = summarization_chain("offline", SHOWN)
    summary = chain.invoke(NOTE)
    assert summary == SUMMARY
    assert [summary] == chain.batch([NOTE]) == await chain.abatch([NOTE])
    assert summary == await chain.ainvoke(NOTE)
    chunks = list(chain.stream(NOTE))
    assert len(chunks) > 1
    assert "".join(chunks) == summary
    assert chunks == [chunk async for chunk in chain.astream(NOTE)]


async def test_it_says_what_the_few_shot_chain_says(
    library: Library, posterior: Posterior, newcomer: list[Demonstration]
) -> None:
    """With the real selector every answer is the few-shot chain's under the same instructions."""
    selector = MetaExampleSelector(library, posterior, k=4)
    asked = [{"input": one.input} for one in newcomer[6:10]]
    expected = few_shot_chain("offline", selector, SUMMARY_INSTRUCTIONS).batch(asked)
    assert summarization_chain("offline", selector).batch(asked) == expected
    assert await summarization_chain("offline", selector).abatch(asked) == expected


async def test_chunks_are_passed_on_as_they_come() -> None:
    """The first words are there before the model has said the last ones."""
    model = Scripted(first="  home \n today ")
    chain = summarization_chain(model, SHOWN)
    chunks = ["  ", "home \n ", "today ", ""]
    assert list(chain.stream(NOTE)) == chunks == [chunk async for chunk in chain.astream(NOTE)]
    assert chain.invoke(NOTE) == await chain.ainvoke(NOTE) == "  home \n today "
    model.streamed.clear()
    stream = chain.stream(NOTE)
    assert (next(stream), model.streamed) == ("  ", ["  "])
    assert "".join(stream) == "home \n today "


@pytest.mark.parametrize("blank", BLANKS)
async def test_a_blank_summary_is_an_error(blank: str) -> None:
    """However it is run; streamed, the error comes after what little was said."""
    chain = summarization_chain(Scripted(first=blank), SHOWN)
    message = "the model's summary is empty or blank"
    with pytest.raises(AnswerError, match=message):
        chain.invoke(NOTE)
    with pytest.raises(AnswerError, match=message):
        await chain.ainvoke(NOTE)
    seen: list[str] = []
    with pytest.raises(AnswerError, match=message):
        seen.extend(chain.stream(NOTE))
    with pytest.raises(AnswerError, match=message):
        _ = [chunk async for chunk in chain.astream(NOTE)]
    assert "".join(seen) == blank
    for found in (chain.batch([NOTE] * 2, return_exceptions=True), await chain.abatch([NOTE], return_exceptions=True)):
        assert {type(one) for one in found} == {AnswerError}


def test_callbacks_see_the_error() -> None:
    """A trace shows that the step, and with it the chain, ended in the error."""
    errors = Errors()
    with pytest.raises(AnswerError):
        summarization_chain(Scripted(first=""), SHOWN).invoke(NOTE, {"callbacks": [errors]})
    assert errors.kinds == [AnswerError] * 2


def test_a_refusal_in_words_is_handed_on() -> None:
    """What a summary says is not judged."""
    assert summarization_chain(Scripted(first="I can't."), SHOWN).invoke(NOTE) == "I can't."


@given(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=3), TEXTS)
@briefly
def test_every_text_arrives_unchanged(query: str, pairs: list[tuple[str, str]], instructions: str) -> None:
    """Your instructions take the place of its own; braces in all texts reach the model as they are."""
    sent = Sent()
    chain = summarization_chain(Scripted(first="{so}"), fixed(*pairs), instructions)
    assert chain.invoke({"input": query}, {"callbacks": [sent]}) == "{so}"
    turns = [message for asked, told in pairs for message in (HumanMessage(asked), AIMessage(told))]
    expected = [SystemMessage(instructions), *turns, HumanMessage(query)]
    assert [(one.type, one.content) for one in sent.messages] == [(one.type, one.content) for one in expected]


def test_its_own_instructions_are_told() -> None:
    """Without yours the model is told the public ones; blank ones leave them out."""
    sent = Sent()
    summarization_chain("offline", SHOWN).invoke(NOTE, {"callbacks": [sent]})
    told = sent.messages[0]
    assert (told.type, told.content) == ("system", SUMMARY_INSTRUCTIONS)
    summarization_chain("offline", SHOWN, "").invoke(NOTE, {"callbacks": [sent]})
    assert len(sent.messages) == 5


def test_keys_and_budget_are_those_of_the_few_shot_chain() -> None:
    """Its own keys and a budget for the prompt arrive, and it says what it takes and gives."""
    shown = Fixed([{"note": "a very long one", "summary": "long"}, {"note": "short", "summary": "brief"}])
    keys = {"input_key": "note", "output_key": "summary"}
    chain = summarization_chain("offline", shown, "", max_prompt_tokens=5, **keys)
    assert chain.get_input_jsonschema()["required"] == ["note"]
    assert chain.get_output_jsonschema()["type"] == "string"
    sent = Sent()
    assert chain.invoke({"note": "short"}, {"callbacks": [sent]}) == "brief"
    assert [one.content for one in sent.messages] == ["short", "brief", "short"]


@pytest.mark.parametrize("arguments", [{"selector": []}, {"instructions": None}, {"model": None}, {"input_key": ""}])
def test_bad_arguments_are_refused(arguments: dict[str, Any]) -> None:
    """Each bad argument is a DataError when the chain is made."""
    with pytest.raises(DataError):
        summarization_chain(**{"model": "offline", "selector": SHOWN, **arguments})
