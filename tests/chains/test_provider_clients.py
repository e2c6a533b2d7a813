"""The providers' real clients against servers of their protocols: answers, streams, counts, tools, chains."""

import json
from functools import reduce
from typing import Any

import pytest
from fixed_selector import fixed
from langchain_core.tools import tool
from loopback import serving
from provider_cases import CLIENTS_OWN, Case, collected, each_client  # noqa: F401
from provider_prompt import PROMPT
from pydantic import BaseModel

from metachain.chains import classification_chain, extraction_chain, few_shot_chain

pytestmark = pytest.mark.filterwarnings(*CLIENTS_OWN)
TOLD = "Answer with the code {as JSON}."
AWKWARD = (
    ("mri {brain}", 'code {"revenue": 611}'),
    (r"\frac{a}{b} of the chest", "  code {input} 0320"),
    ("x-ray “knee” 脚", "code\n0322"),
)
QUERY = {"input": "x-ray “knee” {both}"}


class Booking(BaseModel):
    """Where a charge is booked."""

    code: str


@tool
def book(code: str) -> str:
    """Book a charge under a code."""
    return code


@each_client()
async def test_all_ways_to_ask_agree(case: Case) -> None:
    """Invoke, batch, stream and their asynchronous twins say the same, in pieces where it is streamed."""
    with serving(case.wire()) as server:
        model = case.make(server)
        assert model.invoke(PROMPT).text == "code 0611"
        assert (await model.ainvoke(PROMPT)).text == "code 0611"
        assert [one.text for one in model.batch([PROMPT] * 3)] == ["code 0611"] * 3
        pieces = [piece.text for piece in model.stream(PROMPT)]
        apieces = [piece.text async for piece in model.astream(PROMPT)]
    assert "".join(pieces) == "".join(apieces) == "code 0611"
    assert len([one for one in pieces if one]) == len([one for one in apieces if one]) == 2


@each_client()
async def test_usage_is_counted(case: Case) -> None:
    """The server's counts arrive, whole and streamed."""
    with serving(case.wire()) as server:
        model = case.make(server)
        whole: Any = model.invoke(PROMPT)
        streamed: Any = reduce(lambda one, other: one + other, model.stream(PROMPT))
        astreamed: Any = reduce(lambda one, other: one + other, [piece async for piece in model.astream(PROMPT)])
    for message in (whole, streamed, astreamed):
        used = message.usage_metadata
        assert (used["input_tokens"], used["output_tokens"], used["total_tokens"]) == (9, 2, 11)


@each_client()
async def test_tools_are_called(case: Case) -> None:
    """A bound tool arrives with its schema, and the call comes back with its arguments, whole and streamed."""
    with serving(case.wire()) as server:
        model = case.make(server).bind_tools([book])
        whole: Any = model.invoke(PROMPT)
        streamed: Any = reduce(lambda one, other: one + other, model.stream(PROMPT))
        awhole: Any = await model.ainvoke(PROMPT)
        assert server.asked[0].tool == "book"
    for message in (whole, streamed, awhole):
        (call,) = message.tool_calls
        assert (call["name"], call["args"]) == ("book", {"code": "code 0611"})


@each_client()
async def test_structured_output(case: Case) -> None:
    """The client's own way to ask for an object gives one."""
    with serving(case.wire()) as server:
        model = case.make(server).with_structured_output(Booking)
        assert model.invoke(PROMPT) == Booking(code="code 0611")
        assert await model.ainvoke(PROMPT) == Booking(code="code 0611")


@each_client()
async def test_demonstrations_arrive_unchanged(case: Case) -> None:
    """Braces, JSON, LaTeX and scripts arrive word for word as chat turns; the answer is the offline model's."""
    expected = few_shot_chain("offline", fixed(*AWKWARD), TOLD).invoke(QUERY)
    with serving(case.wire()) as server:
        chain = few_shot_chain(case.make(server), fixed(*AWKWARD), TOLD)
        assert chain.invoke(QUERY) == expected
        assert await chain.ainvoke(QUERY) == expected
        assert "".join(chain.stream(QUERY)) == expected
        (first, *_) = server.asked
    turns = [text for pair in AWKWARD for text in pair]
    assert [str(one.content) for one in first.messages] == [TOLD, *turns, QUERY["input"]]
    assert [one.type for one in first.messages] == ["system", *["human", "ai"] * 3, "human"]


@each_client()
def test_labels_and_objects(case: Case) -> None:
    """The classification and the extraction chain work through it."""
    shown = fixed(("mri brain", '{"code": "0611"}'), ("x-ray knee", '{"code": "0320"}'))
    with serving(case.wire()) as server:
        model = case.make(server)
        judged = classification_chain(model, fixed(("mri brain", "0611"), ("x-ray knee", "0320"))).invoke(
            {"input": "mri of the brain"}
        )
        extracted = extraction_chain(model, shown, Booking).invoke({"input": "x-ray of the knee"})
    assert judged.label == "0611"
    assert extracted == Booking(code="0320")


@each_client()
async def test_an_answer_cut_off_says_so(case: Case) -> None:
    """At the token limit the text is short, and the reason is in the message's metadata, whole and streamed."""
    with serving(case.wire()) as server:
        model = case.make(server, limit=1)
        whole: Any = model.invoke(PROMPT)
        streamed: Any = reduce(lambda one, other: one + other, model.stream(PROMPT))
    key, reason = case.cut_reason
    for message in (whole, streamed):
        assert message.text.strip() == "code"
        assert message.response_metadata[key] == reason


@each_client()
def test_the_request_is_json_of_the_protocol(case: Case) -> None:
    """The server has seen one request a question, with nothing of the library but what is shown."""
    with serving(case.wire()) as server:
        few_shot_chain(case.make(server), fixed(("mri", "0611"))).invoke({"input": "mri"})
        assert len(server.received) == 1
        assert json.dumps(server.received[0][1]).count("0611") == 1
