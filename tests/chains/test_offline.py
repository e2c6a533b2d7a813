"""The offline chat model answers from the demonstrations in its prompt alone."""

import asyncio

import pytest
from chat_suites import WithoutTools
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from oracles import briefly

from metachain.chains import OfflineChatModel
from metachain.chains.local.offline import NOTHING_TO_READ
from metachain.scoring.reader import answer

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ANSWERS = TEXTS.filter(str.strip)
SHOWN = [("xray chest", "0324"), ("mri brain", "code 0611 of radiology"), ("mri spine", "0612")]


class _Reader(WithoutTools):
    """What the suites are told of the reader."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        """What is tested."""
        return OfflineChatModel

    @property
    def returns_usage_metadata(self) -> bool:
        """It counts words."""
        return True


class TestStandard(_Reader, ChatModelUnitTests):
    """LangChain's unit suite for chat models."""


class TestStandardCalls(_Reader, ChatModelIntegrationTests):
    """LangChain's integration suite, which the reader passes without a network."""


@pytest.fixture(scope="module")
def model() -> OfflineChatModel:
    """The model, which has no settings to speak of."""
    return OfflineChatModel()


def prompt(query: str, shown: list[tuple[str, str]]) -> list[BaseMessage]:
    """Demonstrations as chat turns, then the query."""
    turns = [message for asked, told in shown for message in (HumanMessage(asked), AIMessage(told))]
    return [SystemMessage("Answer with the code."), *turns, HumanMessage(query)]


@given(TEXTS, st.lists(st.tuples(TEXTS, ANSWERS), min_size=1, max_size=5))
@briefly
def test_the_answer_is_the_readers(query: str, shown: list[tuple[str, str]]) -> None:
    """Whatever the texts, the model says exactly what ``metachain.scoring.reader.answer`` does, invoked or streamed."""
    model, messages, expected = OfflineChatModel(), prompt(query, shown), answer(query, shown)
    assert model.invoke(messages).content == expected
    assert "".join(str(chunk.content) for chunk in model.stream(messages)) == expected


async def test_sync_equals_async(model: OfflineChatModel) -> None:
    """All ways to call it say the same and count the same."""
    messages = prompt("mri of the brain", SHOWN)
    invoked = model.invoke(messages)
    assert invoked.content == "code 0611 of radiology"
    for other in (await model.ainvoke(messages), model.batch([messages])[0], (await model.abatch([messages]))[0]):
        assert (other.content, other.usage_metadata) == (invoked.content, invoked.usage_metadata)
    streamed = [chunk async for chunk in model.astream(messages)]
    assert [chunk.content for chunk in streamed] == [chunk.content for chunk in model.stream(messages)]
    whole = sum(streamed[1:], start=streamed[0])
    assert (whole.content, whole.usage_metadata) == (invoked.content, invoked.usage_metadata)


def test_it_streams_word_by_word(model: OfflineChatModel) -> None:
    """Each chunk is a word with the white space after it; the last is empty and carries the count."""
    chunks = list(model.stream(prompt("mri of the brain", SHOWN)))
    assert [chunk.content for chunk in chunks] == ["code ", "0611 ", "of ", "radiology", ""]
    assert [chunk.usage_metadata is None for chunk in chunks] == [True] * 4 + [False]


def test_tokens_are_words(model: OfflineChatModel) -> None:
    """Tokens are words between white space: of all messages in, of the answer out."""
    usage = model.invoke(prompt("mri of the brain", SHOWN)).usage_metadata
    assert usage == {"input_tokens": 4 + 2 + 1 + 2 + 4 + 2 + 1 + 4, "output_tokens": 4, "total_tokens": 24}
    assert model.get_num_tokens(" mri \n of the brain ") == 4


@pytest.mark.parametrize(
    "messages",
    [
        [HumanMessage("mri brain")],
        [SystemMessage("xray chest is 0324"), HumanMessage("mri brain")],
        [SystemMessage("only this")],
        [AIMessage("0324"), HumanMessage("mri brain")],
        [HumanMessage("mri brain"), AIMessage("0611")],
        [HumanMessage("xray"), AIMessage(""), HumanMessage("mri brain")],
    ],
)
def test_without_demonstrations_it_says_what_it_is(model: OfflineChatModel, messages: list[BaseMessage]) -> None:
    """With no complete turn before the last human message it says that it is a reader with nothing to read."""
    said = model.invoke(messages).content
    assert said == NOTHING_TO_READ
    assert "not a language model" in said


def test_the_last_human_message_is_the_query(model: OfflineChatModel) -> None:
    """Turns before it are demonstrations; a human message without an answer and a tool's are none."""
    messages = [
        HumanMessage("never answered"),
        *prompt("mri of the brain", SHOWN)[1:-1],
        AIMessage("a second answer to nothing"),
        ToolMessage("a tool's", tool_call_id="1"),
        HumanMessage("mri of the brain"),
        AIMessage("a beginning"),
    ]
    assert model.invoke(messages).content == answer("mri of the brain", SHOWN)


def test_text_blocks_are_read_as_text(model: OfflineChatModel) -> None:
    """Content in text blocks is the same as content in one string."""
    blocks = [
        message.model_copy(update={"content": [{"type": "text", "text": message.content}]})
        for message in prompt("mri of the brain", SHOWN)
    ]
    assert model.invoke(blocks).content == model.invoke(prompt("mri of the brain", SHOWN)).content


def test_long_outputs_are_answered_with_sentences_of_the_query(model: OfflineChatModel) -> None:
    """Of notes it says what the notes shown keep, without greetings and speakers, whole or streamed."""
    shown = [
        (
            f"Doctor: Hello.\nPatient: I have had {what} since Monday.",
            f"I have had {what} since Monday, she says.",
        )
        for what in ("a dry cough", "some back pain", "swollen ankles")
    ]
    messages = prompt("Doctor: Hello.\nPatient: I have had a sore throat since Friday.", shown)
    assert model.invoke(messages).content == "I have had a sore throat since Friday."
    assert "".join(str(chunk.content) for chunk in model.stream(messages)) == "I have had a sore throat since Friday."


def test_span_lists_are_answered_with_spans_of_the_query(model: OfflineChatModel) -> None:
    """Of entities it says which the query has."""
    shown = [("She takes atenolol .", "atenolol [Drug]"), ("Nothing was taken .", "none")]
    assert model.invoke(prompt("He takes atenolol .", shown)).content == "atenolol [Drug]"


def test_stop_ends_the_answer() -> None:
    """The answer ends before the first stop sign; those of a call take the place of the model's own."""
    messages = prompt("mri of the brain", SHOWN)
    assert OfflineChatModel(stop=[" of"]).invoke(messages).content == "code 0611"
    assert OfflineChatModel(stop=[" of"]).invoke(messages, stop=["radio", "61"]).content == "code 0"
    assert OfflineChatModel(stop=[" of"]).invoke(messages, stop=[]).content == "code 0611 of radiology"
    assert OfflineChatModel().invoke(messages, stop=["", "absent"]).content == "code 0611 of radiology"
    stopped = list(OfflineChatModel().stream(messages, stop=["code"]))
    assert "".join(str(chunk.content) for chunk in stopped) == ""
    assert stopped[-1].usage_metadata


def test_settings_of_other_models_change_nothing() -> None:
    """Temperature and the like are accepted and have no effect."""
    messages = prompt("mri of the brain", SHOWN)
    hot = OfflineChatModel(temperature=2, top_p=0.1)  # type: ignore[call-arg]
    assert hot.invoke(messages, temperature=9).content == OfflineChatModel().invoke(messages).content


def test_it_says_what_it_is_in_traces(model: OfflineChatModel) -> None:
    """Its type and parameters name the reader."""
    assert model._llm_type == "metachain-offline-reader"
    assert model._identifying_params["model_name"] == "offline"
    assert model.invoke("hello").response_metadata["model_provider"] == "metachain"


async def test_reading_does_not_hold_up_the_event_loop(model: OfflineChatModel) -> None:
    """While a long prompt is read, other tasks run."""
    messages = prompt("mri of the brain " * 20_000, SHOWN)
    task = asyncio.create_task(model.ainvoke(messages))
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 5
    assert (await task).content


def test_the_answer_is_cut_at_its_limit() -> None:
    """After so many words, with the white space between them as it is."""
    messages = prompt("mri of the brain", SHOWN)
    assert OfflineChatModel(max_tokens=2).invoke(messages).content == "code 0611"
    assert OfflineChatModel(max_tokens=99).invoke(messages).content == OfflineChatModel().invoke(messages).content
