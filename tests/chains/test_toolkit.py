"""The tools of an agent: what they give, whom they refuse, and that an agent can go on after an error."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from agents import Recorder
from handmade import Tiny, learned_library
from hypothesis import assume, given
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from oracles import STORABLE, briefly
from pydantic import ValidationError

from metachain.chains import MetaChainToolkit
from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import normalise_text
from metachain.learning.posterior import Posterior
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selector import Selector

QUERY = "xray chest ward a"
NEW = "hospital 5"
EXAMPLES: dict[str, dict[str, Any]] = {
    "find_demonstrations": {"institution": NEW, "text": QUERY, "k": 2},
    "list_institutions": {},
    "adaptation_status": {"institution": NEW},
    "record_feedback": {"institution": NEW, "text": QUERY, "answer": "code 1", "score": 0.0, "correction": "code 2"},
}


def tools(library: Library, *institutions: str, k: int = 4) -> dict[str, BaseTool]:
    """The toolkit's tools by name."""
    made = MetaChainToolkit(library=library, institutions=institutions or (NEW,), k=k, feedback=True).get_tools()
    return {one.name: one for one in made}


def called(tool: BaseTool, **arguments: Any) -> ToolMessage:
    """What a tool answers to an agent's call."""
    message = tool.invoke(ToolCall(name=tool.name, args=arguments, id="1", type="tool_call"))
    assert isinstance(message, ToolMessage)
    return message


class Tools:
    """What LangChain's own suites for tools are run on."""

    @pytest.fixture(autouse=True, params=list(EXAMPLES))
    def _parts(self, ready: Library, request: pytest.FixtureRequest) -> None:
        self.made, self.example = tools(ready)[request.param], EXAMPLES[request.param]

    @property
    def tool_constructor(self) -> BaseTool:
        """What is tested."""
        return self.made

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        """What it is called with."""
        return self.example


class TestStandard(Tools, ToolsUnitTests):
    """LangChain's unit tests, for each tool."""


class TestStandardCalls(Tools, ToolsIntegrationTests):
    """LangChain's integration tests, for each tool."""


async def test_found_is_what_the_selector_chooses(ready: Library, posterior: Posterior) -> None:
    """Demonstrations come as JSON, the most useful first, k of them at most; both ways to ask agree."""
    find = tools(ready)["find_demonstrations"]
    for extra, k in (({}, 4), ({"k": 2}, 2)):
        found = json.loads(find.invoke({"institution": NEW, "text": QUERY, **extra}))
        chosen = Selector(ready, posterior, k).select(QUERY).chosen[::-1]
        assert len(chosen) == k
        assert found["method"] == posterior.method
        assert [
            (one["input"], one["output"], one["institution"], one["reason"]) for one in found["demonstrations"]
        ] == [
            (one.demonstration.input, one.demonstration.output, one.demonstration.institution, one.reason)
            for one in chosen
        ]
        assert json.loads(await find.ainvoke({"institution": NEW, "text": QUERY, **extra})) == found


def test_the_list_is_the_callers(ready: Library) -> None:
    """Institutions are those the toolkit was made for, whatever else the library holds, with their labels."""
    listed = json.loads(tools(ready, NEW, "st-marys")["list_institutions"].invoke({}))
    assert listed == {
        "institutions": [{"institution": NEW, "labels": 6}, {"institution": "st-marys", "labels": 0}],
    }


def test_the_status_is_the_posteriors(ready: Library, posterior: Posterior, newcomer: list[Demonstration]) -> None:
    """The status tells how many labels there are, and that those added since the first question are used."""
    status = tools(ready)["adaptation_status"]
    expected = {
        "institution": NEW,
        "method": posterior.method,
        "labels_used": 6,
        "labels_in_library": 6,
        "past_institutions": 5,
    }
    assert json.loads(status.invoke({"institution": NEW})) == expected
    ready.add(newcomer[6:8], share=EVERYONE)
    assert json.loads(status.invoke({"institution": NEW})) == {**expected, "labels_used": 8, "labels_in_library": 8}


@pytest.mark.parametrize("name", ["find_demonstrations", "adaptation_status", "record_feedback"])
def test_others_are_refused_alike(ready: Library, name: str) -> None:
    """One that the caller may not ask for is refused in the same words whether or not the library holds it."""
    tool, held = tools(ready)[name], ready.demonstrations()
    said = {one: called(tool, **{**EXAMPLES[name], "institution": one}) for one in ("hospital 0", "nobody")}
    assert (ready.demonstrations(), ready.outcomes.of(origin="chain")) == (held, ())
    assert {message.status for message in said.values()} == {"error"}
    for one, message in said.items():
        assert message.text == f"you may not ask for {one!r}; you may ask for: 'hospital 5'"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"institution": "st-marys", "text": QUERY}, "metachain adapt LIBRARY 'st-marys'"),
        ({"institution": NEW, "text": " "}, "a query must be a text that is not blank"),
        ({"institution": NEW}, "text: Field required"),
        ({"institution": NEW, "text": QUERY, "k": 0}, "k: Input should be greater than or equal to 1"),
        ({"institution": NEW, "text": QUERY, "k": "many"}, "k: Input should be a valid integer"),
    ],
)
def test_errors_are_told_to_the_agent(ready: Library, arguments: dict[str, Any], message: str) -> None:
    """What is wrong comes back as an answer that says so, not as an exception."""
    said = called(tools(ready, NEW, "st-marys")["find_demonstrations"], **arguments)
    assert said.status == "error"
    assert message in said.text


def test_teaching_has_to_be_allowed(ready: Library) -> None:
    """A toolkit only reads, unless it was made with ``feedback``."""
    made = MetaChainToolkit(library=ready, institutions=(NEW,)).get_tools()
    assert [one.name for one in made] == list(EXAMPLES)[:-1]


async def test_feedback_counts_in_the_next_selection(ready: Library) -> None:
    """A correction is a label that is found at once, a score is evidence; saying it again changes nothing."""
    made = tools(ready)
    feedback = {"institution": NEW, "text": "helicopter transport", "answer": "road", "correction": "air {x}"}
    told = json.loads(made["record_feedback"].invoke(feedback))
    assert {**told, "selection_id": ""} == {
        "institution": NEW,
        "selection_id": "",
        "score": None,
        "correction": "air {x}",
    }
    found = json.loads(made["find_demonstrations"].invoke({"institution": NEW, "text": "helicopter transports"}))
    assert found["demonstrations"][0]["output"] == "air {x}"
    revision = ready.revision(NEW)
    assert json.loads(await made["record_feedback"].ainvoke(feedback)) == told
    assert ready.revision(NEW) == revision
    made["record_feedback"].invoke({**feedback, "correction": "air"})
    assert json.loads(made["adaptation_status"].invoke({"institution": NEW}))["labels_used"] == 7
    (kept,) = ready.outcomes.of(origin="chain")
    assert (kept.id, kept.answer, kept.correction, kept.shown) == (told["selection_id"], "road", "air", ())
    json.loads(made["record_feedback"].invoke({"institution": NEW, "text": QUERY, "answer": "code 1", "score": 1}))
    assert sorted(str(one.score) for one in ready.outcomes.of(origin="chain")) == ["1.0", "None"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give a score, a correction or both"),
        ({"score": 7}, "score: Input should be less than or equal to 1"),
        ({"score": float("nan")}, "score: Input should be"),
        ({"correction": " "}, "correction: String should match"),
        ({"correction": "a\0b"}, "'correction' holds a NUL character"),
        ({"score": 1, "text": " "}, "text: String should match"),
        ({"score": 1, "text": "a\0b"}, "'input' holds a NUL character"),
    ],
)
def test_bad_feedback_is_told_to_the_agent(ready: Library, arguments: dict[str, Any], message: str) -> None:
    """What is wrong comes back as an answer that says so; nothing that says anything is kept."""
    given = {"institution": NEW, "text": QUERY, "answer": "code 1", **arguments}
    said = called(tools(ready)["record_feedback"], **given)
    assert said.status == "error"
    assert message in said.text
    assert [one for one in ready.outcomes.of(origin="chain") if one.score is not None or one.correction] == []
    assert len(ready.demonstrations(NEW)) == 6


def test_a_library_that_has_not_learned_is_told(library: Library) -> None:
    """Without a prior the agent is told that the library has not learned."""
    assert "metachain learn" in called(tools(library)["adaptation_status"], institution=NEW).text


def test_an_agent_goes_on_after_an_error(ready: Library) -> None:
    """A real agent gets the error, the list and the demonstrations, and then answers."""
    calls = [
        ToolCall(name="find_demonstrations", args={"institution": "hospital 0", "text": QUERY}, id="1"),
        ToolCall(name="list_institutions", args={}, id="2"),
        ToolCall(name="find_demonstrations", args={"institution": NEW, "text": QUERY}, id="3"),
    ]
    toolkit = MetaChainToolkit(library=ready, institutions=(NEW,))
    done = create_agent(Recorder(calls=calls), toolkit.get_tools()).invoke({"messages": [HumanMessage(QUERY)]})
    said = [one for one in done["messages"] if isinstance(one, ToolMessage)]
    assert [one.status for one in said] == ["error", "success", "success"]
    assert json.loads(said[2].text)["demonstrations"]
    assert done["messages"][-1].type == "ai"


@given(st.lists(st.tuples(STORABLE, STORABLE), min_size=1, max_size=4), STORABLE)
@briefly
def test_texts_are_written_as_they_are(pairs: list[tuple[str, str]], query: str) -> None:
    """Braces, quotes and other alphabets survive the JSON, which keeps them readable."""
    assume(len({normalise_text(asked) for asked, _ in pairs} - {normalise_text(query)}) == len(pairs))
    past = [Demonstration(f"h{place}", *pair) for pair in pairs for place in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        path = learned_library(Path(folder) / "a.db", past)
        with Library.open(path, Tiny()) as library:
            found = json.loads(
                tools(library, "new")["find_demonstrations"].invoke({"institution": "new", "text": query})
            )
    assert found["demonstrations"]
    assert all((one["input"], one["output"]) in pairs for one in found["demonstrations"])


def test_tools_say_what_they_are(ready: Library) -> None:
    """Names are fixed, and every tool and argument is described to the model."""
    made = tools(ready)
    assert list(made) == list(EXAMPLES)
    for one in made.values():
        assert one.description
        assert all(field.get("description") for field in one.args.values())


@pytest.mark.parametrize(
    "arguments",
    [
        {"institutions": ()},
        {"institutions": "st-marys"},
        {"institutions": [" "]},
        {"k": 0},
        {"library": "hospitals.db"},
    ],
)
def test_bad_arguments_are_refused(ready: Library, arguments: dict[str, Any]) -> None:
    """A toolkit for nobody, for no number or over no library can't be made."""
    with pytest.raises(ValidationError):
        MetaChainToolkit(**{"library": ready, "institutions": (NEW,), **arguments})
