"""Demonstrations in an agent: they reach the model, and nothing else."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import pytest
from agents import Recorder
from handmade import Tiny, learned_library
from hypothesis import assume, given
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from oracles import STORABLE, briefly
from typing_extensions import TypedDict

from metachain.chains import DemonstrationMiddleware, OfflineChatModel, few_shot_chain, few_shot_prompt
from metachain.chains.middleware import institution_of
from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import normalise_text
from metachain.errors import DataError, MetachainError, NotFoundError
from metachain.learning.artifacts import load_posterior
from metachain.learning.policy import Policy
from metachain.learning.posterior import Posterior
from metachain.library.library import Library
from metachain.retrievers import MetaExampleSelector
from metachain.selection.selector import Selector

QUERY = "xray chest ward a"
ELSE = "mri spine day unit"
NEW = "hospital 5"
PAST = "hospital 0"


@dataclass
class Asker:
    """A context with an attribute."""

    institution: str


class AskerKeys(TypedDict):
    """A context with a key."""

    institution: str


@tool
def clock() -> str:
    """Tell the time."""
    return "noon"


def ask(text: str) -> dict[str, Any]:
    """What an agent is given for one question."""
    return {"messages": [HumanMessage(text)]}


def texts(messages: list[BaseMessage]) -> list[tuple[str, str]]:
    """Type and text of each message."""
    return [(one.type, str(one.text)) for one in messages]


def shown(library: Library, posterior: Posterior, query: str, k: int = 4) -> list[tuple[str, str]]:
    """What the few-shot chain sends for a query."""
    prompt = few_shot_prompt(MetaExampleSelector(library, posterior, k))
    return texts(prompt.invoke({"input": query}).to_messages())


def test_the_model_sees_what_the_chain_shows(ready: Library, posterior: Posterior) -> None:
    """Demonstrations come before the question as in the few-shot chain; the final state holds none of them."""
    model = Recorder()
    done = create_agent(model, middleware=[DemonstrationMiddleware(ready, k=4)]).invoke(
        ask(QUERY), context={"institution": NEW}
    )
    assert len(model.said()) == 9
    assert model.said() == shown(ready, posterior, QUERY)
    assert [one.type for one in done["messages"]] == ["human", "ai"]
    answered = few_shot_chain("offline", MetaExampleSelector(ready, posterior, k=4)).invoke({"input": QUERY})
    assert done["messages"][-1].text == answered


def test_the_model_is_shown_as_its_policy_says(ready: Library, posterior: Posterior) -> None:
    """How many, and the best first where it says so."""
    model, policy = Recorder(), Policy(3, best_first=True)
    create_agent(model, middleware=[DemonstrationMiddleware(ready, policy=policy)]).invoke(
        ask(QUERY), context={"institution": NEW}
    )
    prompt = few_shot_prompt(MetaExampleSelector(ready, posterior, policy=policy))
    assert model.said() == texts(prompt.invoke({"input": QUERY}).to_messages())
    assert len(model.said()) == 7
    assert model.said()[-3:-1] == shown(ready, posterior, QUERY, 3)[:2]


def test_the_offline_model_is_an_agents_model(ready: Library) -> None:
    """Without tools the offline model runs in an agent, in one piece and streamed."""
    agent = create_agent(OfflineChatModel(), middleware=[DemonstrationMiddleware(ready)])
    answer = agent.invoke(ask(QUERY), context={"institution": NEW})["messages"][-1].text
    assert answer.startswith("code ")
    pieces = agent.stream(ask(QUERY), context={"institution": NEW}, stream_mode="messages")
    assert "".join(piece.text for piece, _ in pieces) == answer


def test_two_calls_in_one_run_do_not_accumulate(ready: Library, posterior: Posterior) -> None:
    """The call after a tool's answer shows the same demonstrations once, before the question and not the answer."""
    model = Recorder(calls=[ToolCall(name="clock", args={}, id="1")])
    agent = create_agent(model, [clock], middleware=[DemonstrationMiddleware(ready, k=4)])
    done = agent.invoke(ask(QUERY), context={"institution": NEW})
    expected = shown(ready, posterior, QUERY)
    assert model.said(0) == expected
    assert model.said(1) == [*expected, ("ai", ""), ("tool", "noon")]
    assert [one.type for one in done["messages"]] == ["human", "ai", "tool", "ai"]


def test_each_question_of_a_conversation_has_its_own(ready: Library, posterior: Posterior) -> None:
    """In a kept conversation the latest question's demonstrations stand right before it, earlier ones are gone."""
    model = Recorder()
    agent = create_agent(
        model, system_prompt="{input}", middleware=[DemonstrationMiddleware(ready, k=4)], checkpointer=InMemorySaver()
    )
    thread: Any = {"configurable": {"thread_id": "1"}}
    first = agent.invoke(ask(QUERY), thread, context={"institution": NEW})
    agent.invoke(ask(ELSE), thread, context={"institution": NEW})
    expected = shown(ready, posterior, ELSE)
    assert model.said() == [("system", "{input}"), *texts(first["messages"]), *expected]
    assert len(agent.get_state(thread).values["messages"]) == 4


async def test_sync_equals_async(ready: Library) -> None:
    """The asynchronous agent is sent, and says, what the synchronous one is and does."""
    model = Recorder()
    agent = create_agent(model, middleware=[DemonstrationMiddleware(ready, k=4)])
    one = agent.invoke(ask(QUERY), context={"institution": NEW})
    two = await agent.ainvoke(ask(QUERY), context={"institution": NEW})
    assert model.said(0) == model.said(1)
    assert texts(one["messages"]) == texts(two["messages"])


async def test_the_event_loop_is_not_held_up(ready: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """An asynchronous agent embeds and selects in another thread than the loop's."""
    threads = []
    select = Selector.select

    def watched(self: Selector, text: str, k: int | None = None) -> Any:
        threads.append(current_thread())
        return select(self, text, k)

    monkeypatch.setattr(Selector, "select", watched)
    agent = create_agent(OfflineChatModel(), middleware=[DemonstrationMiddleware(ready)])
    await agent.ainvoke(ask(QUERY), context={"institution": NEW})
    assert len(threads) == 1
    assert threads[0] is not main_thread()


async def test_institutions_do_not_mix(ready: Library) -> None:
    """One middleware serves many institutions at once; each is shown what its own selector chooses."""
    model = Recorder()
    agent = create_agent(model, middleware=[DemonstrationMiddleware(ready, k=4)])
    names = [NEW, PAST] * 4
    done = await asyncio.gather(*(agent.ainvoke(ask(QUERY), context={"institution": name}) for name in names))
    expected = {}
    for name in (NEW, PAST):
        own = Recorder()
        alone = create_agent(own, middleware=[DemonstrationMiddleware(ready, k=4)])
        said = alone.invoke(ask(QUERY), context={"institution": name})["messages"][-1].text
        expected[name] = (own.said(), said)
    assert expected[NEW][0] != expected[PAST][0]
    assert sorted(model.said(turn) for turn in range(8)) == sorted([expected[NEW][0], expected[PAST][0]] * 4)
    assert [one["messages"][-1].text for one in done] == [expected[name][1] for name in names]


def test_a_selector_is_made_once(ready: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first question of an institution makes its selector, the second takes it."""
    middleware = DemonstrationMiddleware(ready)
    agent = create_agent(OfflineChatModel(), middleware=[middleware])
    agent.invoke(ask(QUERY), context={"institution": NEW})
    made = middleware._selectors.of(NEW)
    agent.invoke(ask(ELSE), context={"institution": NEW})
    assert middleware._selectors.of(NEW) is made
    assert made.posterior().labels == 6


@pytest.mark.parametrize(("context", "schema"), [(Asker(NEW), Asker), ({"institution": NEW}, AskerKeys)])
def test_the_institution_is_a_key_or_an_attribute(ready: Library, context: Any, schema: Any) -> None:
    """Both kinds of context name who asks, with their schema as well."""
    model = Recorder()
    agent = create_agent(model, middleware=[DemonstrationMiddleware(ready, k=2)], context_schema=schema)
    agent.invoke(ask(QUERY), context=context)
    assert len(model.said()) == 5


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (None, "got no context; run it with context="),
        ({"hospital": NEW}, "got None in a context of type dict"),
        ({"institution": " "}, "got ' ' in a context of type dict"),
        ({"institution": 7}, "got 7 in a context of type dict"),
        (object(), "got None in a context of type object"),
    ],
)
def test_a_context_that_names_nobody_is_refused(ready: Library, context: Any, message: str) -> None:
    """Without an institution the model is not called: an error says what the context must hold."""
    model = Recorder()
    agent = create_agent(model, middleware=[DemonstrationMiddleware(ready)])
    with pytest.raises(DataError, match=message):
        agent.invoke(ask(QUERY), context=context)
    assert model.sent == []


async def test_an_unknown_institution_is_refused(ready: Library) -> None:
    """One without labels that was never adapted to is an error that says how to adapt, and not shown another's."""
    agent = create_agent(OfflineChatModel(), middleware=[DemonstrationMiddleware(ready)])
    with pytest.raises(NotFoundError, match=r"no institution 'St Mary'.*metachain adapt LIBRARY 'St Mary'"):
        agent.invoke(ask(QUERY), context={"institution": "St Mary"})
    with pytest.raises(NotFoundError, match="no institution 'St Mary'"):
        await agent.ainvoke(ask(QUERY), context={"institution": "St Mary"})


def test_a_library_that_has_not_learned_is_refused(library: Library) -> None:
    """Without a stored prior the error says to learn."""
    agent = create_agent(OfflineChatModel(), middleware=[DemonstrationMiddleware(library)])
    with pytest.raises(NotFoundError, match="metachain learn"):
        agent.invoke(ask(QUERY), context={"institution": NEW})


@pytest.mark.parametrize("said", [[AIMessage("hello")], [HumanMessage(" ")], [HumanMessage([{"type": "image"}])]])
def test_no_words_no_demonstrations(ready: Library, said: list[BaseMessage]) -> None:
    """Where the user has said nothing in words the model is sent what there is."""
    model = Recorder()
    agent = create_agent(model, middleware=[DemonstrationMiddleware(ready)])
    agent.invoke({"messages": said}, context={"institution": NEW})
    assert model.said() == texts(said)


@pytest.mark.parametrize(
    ("arguments", "message"), [({"k": -1}, "k must be"), ({"library": "a.db"}, "must be a metachain Library, got str")]
)
def test_bad_arguments_are_refused(ready: Library, arguments: dict[str, Any], message: str) -> None:
    """A bad argument is a DataError when the middleware is made."""
    with pytest.raises(DataError, match=message):
        DemonstrationMiddleware(**{"library": ready, **arguments})


def test_who_asks_is_never_guessed() -> None:
    """An institution is a name, compared in its normal form; errors are MetachainErrors."""
    assert institution_of({"institution": " a "}) == "a"
    with pytest.raises(MetachainError):
        institution_of({"institution": "\u200b"})
    with pytest.raises(MetachainError):
        institution_of("a")


@given(st.lists(st.tuples(STORABLE, STORABLE), min_size=1, max_size=4), STORABLE)
@briefly
def test_every_text_arrives_unchanged(pairs: list[tuple[str, str]], query: str) -> None:
    """Braces, JSON and LaTeX in demonstrations and question reach the model word for word, as turns and no more."""
    assume(len({normalise_text(asked) for asked, _ in pairs} - {normalise_text(query)}) == len(pairs))
    past = [Demonstration(f"h{place}", *pair) for pair in pairs for place in range(2)]
    model = Recorder()
    with tempfile.TemporaryDirectory() as folder:
        path = learned_library(Path(folder) / "a.db", past)
        with Library.open(path, Tiny()) as library:
            agent = create_agent(model, middleware=[DemonstrationMiddleware(library)])
            agent.invoke(ask(query), context={"institution": "new"})
            expected = shown(library, load_posterior(library, "new"), query, k=8)
    assert model.said() == expected
    turns = model.said()[:-1]
    assert turns
    assert all(
        one[0] == "human" and two[0] == "ai" and (one[1], two[1]) in pairs
        for one, two in zip(turns[::2], turns[1::2], strict=True)
    )
    assert model.said()[-1] == ("human", query)
