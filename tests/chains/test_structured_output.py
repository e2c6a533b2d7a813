"""Answers as validated objects."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixed_selector import Fixed, Sent, fixed
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatResult
from oracles import TEXTS, briefly
from pydantic import BaseModel, RootModel, ValidationError, field_validator
from scripted import CORRECTED, Scripted

from metachain.chains import OfflineChatModel, extraction_chain
from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import MiniLM
from metachain.errors import AnswerError, DataError
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.retrievers import MetaExampleSelector
from metachain.scoring.json_metric import json_within


class Order(BaseModel):
    """What is ordered, and how often."""

    drug: str
    times: int

    @field_validator("drug")
    @classmethod
    def known(cls, drug: str) -> str:
        """Refuse in the words of the answer, as careless validators do."""
        if drug.startswith("no"):
            raise ValueError(f"unknown: {drug}")
        return drug


class Code(BaseModel):
    """A code of the hospitals."""

    code: str


QUERY = {"input": "heparin twice"}
VALID = '{"drug": "heparin", "times": 2}'
ORDER = Order(drug="heparin", times=2)
SHOWN = fixed(("aspirin", '{"drug": "aspirin", "times": 1}'))
REFUSAL = "I can't help with that."


class Awaited(Scripted):
    """Can only be awaited."""

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise AssertionError("called, not awaited")

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return super()._generate(messages)


class Runs(BaseCallbackHandler):
    """Counts the model runs, and keeps whose child each is."""

    def __init__(self) -> None:
        self.parents: list[Any] = []
        self.names: dict[Any, str] = {}

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        """Keep its name."""
        self.names[run_id] = kwargs["name"]

    def on_chat_model_start(self, serialized: Any, messages: Any, *, parent_run_id: Any = None, **kwargs: Any) -> None:
        """Keep its parent."""
        self.parents.append(parent_run_id)


class AsyncRuns(AsyncCallbackHandler):
    """Counts the model runs of an asynchronous chain."""

    def __init__(self) -> None:
        self.count = 0

    async def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        """Count it."""
        self.count += 1


def turns(messages: list[BaseMessage]) -> list[tuple[str, Any]]:
    """Type and content of each message."""
    return [(one.type, one.content) for one in messages]


@pytest.mark.parametrize(
    "answer",
    [
        VALID,
        f"\n {VALID}\n",
        f"```json\n{VALID}\n```",
        f"```\n{VALID}\n```",
        f"Here it is:\r\n\r\n  ```JSON\r\n{VALID}\r\n  ```\r\nAnything else?",
    ],
)
def test_valid_json_is_an_object(answer: str) -> None:
    """JSON alone, or in one fence with or without words around it, is taken at the first call."""
    model = Scripted(first=answer)
    assert extraction_chain(model, SHOWN, Order).invoke(QUERY) == ORDER
    assert len(model.sent) == 1


@given(
    st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))
)
@briefly
def test_no_fence_is_seen_within_json(value: Any) -> None:
    """JSON is found as it is, and the same within a fence, whatever its strings hold."""
    for indent, ascii_only in ((None, True), (2, False)):
        text = json.dumps({"```": value, "b": "\n```json\n1\n```\n"}, indent=indent, ensure_ascii=ascii_only)
        assert json_within(text) == text
        assert json_within(f"Sure:\n```json\n{text}\n```") == text


def test_of_two_fences_none_is_picked() -> None:
    """Which of two blocks is meant can't be known, so the answer is left as it is."""
    two = f"```json\n{VALID}\n```\nor\n```json\n{VALID}\n```"
    assert json_within(two) == two
    assert json_within(f"```json\n{VALID}") == f"```json\n{VALID}"


@pytest.mark.parametrize(
    ("first", "wrong"),
    [
        ('{"drug": "heparin"}', "times: Field required"),
        ('{"drug": "heparin", "times": "often"}', "times: Input should be a valid integer"),
        ("heparin, twice", "Invalid JSON"),
        ('{"drug": "none", "times": 1}', "drug: Value error, unknown: none"),
        (REFUSAL, "Invalid JSON"),
    ],
)
async def test_an_invalid_answer_is_asked_for_once_more(first: str, wrong: str) -> None:
    """The model gets its own answer back with what was wrong, after the same prompt."""
    model = Scripted(first=first, second=f"```json\n{VALID}\n```")
    chain = extraction_chain(model, SHOWN, Order, "{as JSON}")
    assert chain.invoke(QUERY) == ORDER
    assert await chain.ainvoke(QUERY) == ORDER
    asked, again, *later = map(turns, model.sent)
    assert later == [asked, again]
    told, demonstration = SystemMessage("{as JSON}"), HumanMessage("aspirin")
    assert asked == turns(
        [told, demonstration, AIMessage('{"drug": "aspirin", "times": 1}'), HumanMessage(QUERY["input"])]
    )
    assert again[:-1] == [*asked, ("ai", first)]
    assert again[-1][0] == "human"
    assert again[-1][1].startswith(f"{CORRECTED}: {wrong}")
    assert again[-1][1].endswith("JSON alone.")


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_answer_is_not_sent_back(blank: str) -> None:
    """Providers refuse blank turns, so only what was wrong is added."""
    model = Scripted(first=blank, second=VALID)
    assert extraction_chain(model, SHOWN, Order).invoke(QUERY) == ORDER
    assert [len(messages) for messages in model.sent] == [3, 4]


async def test_two_invalid_answers_are_an_error() -> None:
    """It names the schema, what was wrong and the start of the answer; the model is asked twice, never more."""
    model = Scripted(first=REFUSAL, second='{"times": 2}')
    chain = extraction_chain(model, SHOWN, Order)
    message = r"no valid Order, nor was the one before it: drug: Field required; got '\{\"times\": 2\}'"
    with pytest.raises(DataError, match=message) as raised:
        chain.invoke(QUERY)
    assert isinstance(raised.value.__cause__, ValidationError)
    with pytest.raises(DataError, match=message):
        await chain.ainvoke(QUERY)
    assert len(model.sent) == 4


@pytest.mark.parametrize("answer", ["x" * 5000, json.dumps({"drug": "no" + "x" * 5000, "times": 1}), ""])
def test_an_error_never_holds_a_long_answer(answer: str) -> None:
    """No more than 200 characters of an answer in one piece are told, even where a validator repeats it."""
    with pytest.raises(DataError, match="no valid Order") as raised:
        extraction_chain(Scripted(first=answer, second=answer), SHOWN, Order).invoke(QUERY)
    assert "x" * 200 not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_many_problems_are_counted() -> None:
    """The first five are named, with their places."""
    numbers = RootModel[list[int]]
    chain = extraction_chain(Scripted(first="[]" * 2, second=json.dumps(["a"] * 9)), SHOWN, numbers)
    with pytest.raises(DataError, match=r"4: Input should be [^;]*; and 4 more; got"):
        chain.invoke(QUERY)


@given(TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=3), TEXTS, TEXTS)
@briefly
def test_every_text_arrives_unchanged(query: str, pairs: list[tuple[str, str]], instructions: str, first: str) -> None:
    """Braces in demonstrations, instructions, query and the model's own answer reach the model as they are."""
    examples = [(asked, json.dumps({"drug": told, "times": 1}, ensure_ascii=False)) for asked, told in pairs]
    model = Scripted(first=f"{first} is it", second=VALID)
    assert extraction_chain(model, fixed(*examples), Order, instructions).invoke({"input": query}) == ORDER
    shown = [message for asked, told in examples for message in (HumanMessage(asked), AIMessage(told))]
    expected = turns([SystemMessage(instructions), *shown, HumanMessage(query)])
    assert turns(model.sent[0]) == expected
    assert turns(model.sent[1])[:-1] == [*expected, ("ai", f"{first} is it")]


@pytest.fixture
def selector(tmp_path: Path, encoder: MiniLM, world: list[Demonstration]) -> Iterator[MetaExampleSelector]:
    """The hospitals' selector, with every code as JSON."""
    coded = [replace(one, output=json.dumps({"code": one.output})) for one in world]
    new = world[-1].institution
    with Library.open(tmp_path / "coded.db", encoder) as told:
        told.add((one for one in coded if one.institution != new), share=EVERYONE)
        prior = learn(told)
        told.add([one for one in coded if one.institution == new][:6], share=EVERYONE)
        yield MetaExampleSelector(told, adapt(prior, told, new), k=4)


async def test_all_ways_to_run_it_agree(selector: MetaExampleSelector) -> None:
    """Invoke, batch, stream and their asynchronous twins give the same objects, from the real selector."""
    chain = extraction_chain("offline", selector, Code)
    asked = [{"input": "xray chest ward a"}, {"input": "mri brain night shift"}]
    found = chain.batch(asked)
    assert all(isinstance(one, Code) and one.code.startswith("code ") for one in found)
    assert [chain.invoke(one) for one in asked] == found
    assert [list(chain.stream(one)) for one in asked] == [[one] for one in found]
    assert [await chain.ainvoke(one) for one in asked] == found
    assert await chain.abatch(asked) == found
    assert [[part async for part in chain.astream(one)] for one in asked] == [[one] for one in found]


async def test_all_ways_ask_once_more() -> None:
    """Batch and stream correct as invoke does, and hand each input its own error."""
    chain = extraction_chain(Scripted(first="?", second=VALID), SHOWN, Order)
    assert chain.batch([QUERY] * 3) == [ORDER] * 3 == await chain.abatch([QUERY] * 3)
    assert list(chain.stream(QUERY)) == [ORDER] == [one async for one in chain.astream(QUERY)]
    refused = extraction_chain(Scripted(first="?", second="?"), SHOWN, Order)
    assert [type(one) for one in refused.batch([QUERY] * 2, return_exceptions=True)] == [AnswerError] * 2
    with pytest.raises(DataError):
        _ = [one async for one in refused.astream(QUERY)]


async def test_both_calls_are_awaited() -> None:
    """Asynchronously the model is never called in a thread, not for the correction either."""
    chain = extraction_chain(Awaited(first="?", second=VALID), SHOWN, Order)
    assert [await chain.ainvoke(QUERY)] == [ORDER] == await chain.abatch([QUERY])
    assert [one async for one in chain.astream(QUERY)] == [ORDER]


async def test_callbacks_see_both_model_runs() -> None:
    """Both calls are children of the step that extracts, synchronously and asynchronously."""
    chain = extraction_chain(Scripted(first="?", second=VALID), SHOWN, Order)
    runs, later = Runs(), AsyncRuns()
    chain.invoke(QUERY, {"callbacks": [runs]})
    assert [runs.names[parent] for parent in runs.parents] == ["extract", "extract"]
    await chain.ainvoke(QUERY, {"callbacks": [runs, later]})
    assert (len(runs.parents), later.count) == (4, 2)
    once = AsyncRuns()
    await extraction_chain(Scripted(first=VALID), SHOWN, Order).ainvoke(QUERY, {"callbacks": [once]})
    assert once.count == 1


def test_keys_and_budget_are_those_of_the_few_shot_chain() -> None:
    """Its own keys and a budget for the prompt arrive."""
    shown = Fixed([{"order": "aspirin often and long", "json": VALID}, {"order": "heparin", "json": VALID}])
    keys = {"input_key": "order", "output_key": "json"}
    chain = extraction_chain(OfflineChatModel(), shown, Order, max_prompt_tokens=6, **keys)
    sent = Sent()
    assert chain.invoke({"order": "heparin"}, {"callbacks": [sent]}) == ORDER
    assert turns(sent.messages) == [("human", "heparin"), ("ai", VALID), ("human", "heparin")]


def test_its_schemas_name_input_and_output() -> None:
    """The chain says what it takes and what it gives."""
    chain = extraction_chain("offline", SHOWN, Order, "As JSON.")
    assert chain.get_input_jsonschema()["required"] == ["input"]
    assert chain.get_output_jsonschema()["required"] == ["drug", "times"]


@pytest.mark.parametrize("schema", [dict, list[Order], ORDER, Order.model_json_schema(), BaseModel, "Order", None])
def test_other_schemas_are_refused(schema: Any) -> None:
    """What is no Pydantic model is a DataError when the chain is made."""
    with pytest.raises(DataError, match="'schema' must be a Pydantic model"):
        extraction_chain("offline", SHOWN, schema)
