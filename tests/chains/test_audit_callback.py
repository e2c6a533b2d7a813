"""What a chain finds out about its selection is in the audit: the model, the tokens, the answer's outcome."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from all_chains import Chain, Code, each_chain
from handmade import Tiny
from langchain.agents import create_agent
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatResult
from oracles import hospitals
from pydantic import Field
from scripted import Scripted

from metachain.chains import (
    DemonstrationMiddleware,
    FeedbackRecorder,
    MetaChainToolkit,
    OfflineChatModel,
    extraction_chain,
    few_shot_chain,
    few_shot_prompt,
    recorded,
)
from metachain.errors import DataError
from metachain.learning.artifacts import save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.audit import AuditEntry
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.retrievers import LibraryExampleSelector, MetaExampleSelector

MADE = hospitals(5, 16)
NEW = "hospital 4"
ASKED: dict[str, Any] = {"input": "mri brain"}


class Metered(Scripted):
    """Reports 7 tokens read and 2 written in each call, after what the test lets happen."""

    meanwhile: Callable[[], object] = Field(default=list)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.meanwhile()
        result = super()._generate(messages, stop, run_manager, **kwargs)
        usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
        for one in result.generations:
            one.message = AIMessage(str(one.message.text), usage_metadata=usage)
        return result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of the library."""
    return tmp_path / "library.db"


@pytest.fixture
def library(path: Path) -> Iterator[Library]:
    """Four past hospitals, learned from; the fifth asks, with six labels."""
    with Library.open(path, Tiny()) as opened:
        opened.add(MADE[:-10], share=EVERYONE)
        save_prior(opened, learn(opened))
        yield opened


@pytest.fixture
def selector(library: Library) -> MetaExampleSelector:
    """Of the fifth hospital."""
    return MetaExampleSelector(library, adapt(learn(library), library, NEW), k=4)


def entries(library: Library) -> list[AuditEntry]:
    """All of the audit."""
    return list(library.audit.entries())


def fails() -> None:
    """What a model may do."""
    raise RuntimeError("no answer")


@each_chain
async def test_every_way_to_run_it(library: Library, selector: MetaExampleSelector, make: Any) -> None:
    """Each run completes its own entry with the model's name and tokens, however it is run."""
    chain: Chain = make(OfflineChatModel(), selector)
    with suppress(DataError):  # the offline model has no JSON to give
        chain.invoke(ASKED)
    chain.batch([ASKED, ASKED], return_exceptions=True)
    with suppress(DataError):
        list(chain.stream(ASKED))
    with suppress(DataError):
        await chain.ainvoke(ASKED)
    await chain.abatch([ASKED], return_exceptions=True)
    with suppress(DataError):
        assert [one async for one in chain.astream(ASKED)]
    found = entries(library)
    assert len(found) == 7
    assert len({one.id for one in found}) == 7
    shown = selector.explain("mri brain").demonstrations
    words = sum(len(f"{one.input} {one.output}".split()) for one in shown)
    for one in found:
        assert (one.institution, one.model, one.demonstration_tokens) == (NEW, "metachain:offline", words)
        assert one.input_tokens is not None
        assert one.output_tokens is not None
        assert one.input_tokens >= words
        assert one.output_tokens > 0
        assert one.outcome is None


async def test_concurrent_runs_do_not_mix(library: Library, selector: MetaExampleSelector) -> None:
    """Twenty runs in threads: each entry has the tokens of its own prompt."""
    chain = few_shot_chain("offline", selector)
    asked = [{"input": "mri brain" + " and so on" * number} for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(chain.invoke, asked))
    found = entries(library)
    assert all(one.input_tokens and one.demonstration_tokens for one in found)
    queries = sorted((one.input_tokens or 0) - (one.demonstration_tokens or 0) for one in found)
    assert queries == [2 + 3 * number for number in range(20)]


def test_the_step_says_which_selection_it_was(library: Library, selector: MetaExampleSelector) -> None:
    """Traces hold the id of the entry."""
    seen: list[str] = []

    class Watching(FeedbackRecorder):
        def on_chain_end(self, outputs: Any, **kwargs: Any) -> Any:
            if isinstance(outputs, dict) and "selection_id" in outputs:
                seen.append(outputs["selection_id"])
            return super().on_chain_end(outputs, **kwargs)

    few_shot_chain("offline", selector).invoke(ASKED, {"callbacks": [Watching(library)]})
    assert seen == [one.id for one in entries(library)]


def test_an_answer_that_is_asked_for_once_more(library: Library, selector: MetaExampleSelector) -> None:
    """Both calls are shown the demonstrations of one selection: the tokens of both count."""
    model = Metered(first="no JSON", second='{"code": "1"}')
    assert extraction_chain(model, selector, Code).invoke(ASKED) == Code(code="1")
    [entry] = entries(library)
    assert (entry.input_tokens, entry.output_tokens) == (14, 4)


def test_a_model_that_reports_no_tokens(library: Library, selector: MetaExampleSelector) -> None:
    """They are not known; those of the demonstrations are."""
    few_shot_chain(Scripted(first="code"), selector).invoke(ASKED)
    [entry] = entries(library)
    assert (entry.model, entry.input_tokens, entry.output_tokens) == ("scripted:unnamed", None, None)
    assert entry.demonstration_tokens


@each_chain
def test_a_model_that_fails(library: Library, selector: MetaExampleSelector, make: Any) -> None:
    """That it was sent the demonstrations is known all the same."""
    with pytest.raises(RuntimeError, match="no answer"):
        make(Metered(first="", meanwhile=fails), selector).invoke(ASKED)
    [entry] = entries(library)
    assert (entry.model, entry.input_tokens) == ("metered:unnamed", None)


def test_a_stream_that_is_not_read_to_its_end(library: Library, selector: MetaExampleSelector) -> None:
    """The model is known."""
    stream = few_shot_chain(Scripted(first="one two three"), selector).stream(ASKED)
    next(stream)
    stream.close()
    assert [one.model for one in entries(library)] == ["scripted:unnamed"]


async def test_fallbacks(library: Library, selector: MetaExampleSelector) -> None:
    """The model that answered last is named."""
    model = Metered(first="", meanwhile=fails).with_fallbacks([OfflineChatModel()])
    await few_shot_chain(model, selector).ainvoke(ASKED)
    assert [one.model for one in entries(library)] == ["metachain:offline"]


@each_chain
async def test_an_audit_that_can_not_be_completed(
    path: Path, library: Library, selector: MetaExampleSelector, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer arrives, and the log has the selection's id and the kind of error and no text."""

    def damage() -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("ALTER TABLE audit RENAME TO hidden")
        connection.close()

    def mend() -> str:
        with sqlite3.connect(path) as connection:
            connection.execute("ALTER TABLE hidden RENAME TO audit")
        connection.close()
        return entries(library)[-1].id

    chain = make(Metered(first='{"code": "code 1"}', meanwhile=damage), selector)
    with caplog.at_level(logging.WARNING):
        assert chain.invoke(ASKED)
        ids = [mend()]
        assert await chain.ainvoke(ASKED)
        ids.append(mend())
    said = [one.getMessage() for one in caplog.records if one.name == "metachain.chains.audit_callback"]
    assert said == [f"the audit's entry {id} was not completed: LibraryError" for id in ids]


def test_a_library_without_an_audit(path: Path, library: Library) -> None:
    """Chains answer, and nothing is told."""
    with Library.open(path, Tiny(), audit=False) as silent:
        chain = few_shot_chain("offline", LibraryExampleSelector(silent, k=4))
        assert recorded(chain, silent).invoke({**ASKED, "institution": NEW})
    assert entries(library) == []
    assert len(library.outcomes.of(origin="chain")) == 1


@each_chain
async def test_feedback_finds_its_selection(library: Library, selector: MetaExampleSelector, make: Any) -> None:
    """An entry names the outcome of its answer, which feedback is given under; both list the same demonstrations."""
    chain = recorded(make(Metered(first='{"code": "code 1"}'), selector), library)
    ids = [uuid4(), uuid4()]
    chain.invoke(ASKED, {"run_id": ids[0]})
    await chain.ainvoke(ASKED, {"run_id": ids[1]})
    found = entries(library)
    assert {one.outcome for one in found} == {str(id) for id in ids}
    for one in found:
        assert library.outcomes.get(one.outcome or "").shown == one.shown
        assert (one.model, one.input_tokens) == ("metered:unnamed", 7)


def test_your_own_chain(library: Library, selector: MetaExampleSelector) -> None:
    """One that begins with the prompt has its entry completed where it is recorded."""
    chain = few_shot_prompt(selector) | OfflineChatModel()
    chain.invoke(ASKED)
    recorded(chain, library, model="mine").invoke(ASKED)
    bare, full = entries(library)
    assert (bare.model, bare.outcome, bare.demonstration_tokens) == (None, None, None)
    assert library.outcomes.get(full.outcome or "").input_tokens == full.input_tokens
    assert full.model == "metachain:offline"
    assert full.demonstration_tokens


def agent(library: Library, model: BaseChatModel) -> Any:
    """One that is shown demonstrations in each call."""
    return create_agent(model, middleware=[DemonstrationMiddleware(library, k=3)])


async def test_agents(library: Library) -> None:
    """Each call of an agent's model completes the entry of what it was shown."""
    told = {"messages": [HumanMessage("mri brain")]}
    who = {"institution": NEW}
    agent(library, OfflineChatModel()).invoke(told, context=who)
    await agent(library, OfflineChatModel()).ainvoke(told, context=who)
    with pytest.raises(RuntimeError, match="no answer"):
        agent(library, Metered(first="", meanwhile=fails)).invoke(told, context=who)
    found = entries(library)
    assert [one.model for one in found] == ["metachain:offline", "metachain:offline", "metered:unnamed"]
    assert [bool(one.input_tokens) for one in found] == [True, True, False]
    assert all(one.demonstration_tokens and one.shown for one in found)


def test_tools(library: Library) -> None:
    """What an agent finds is in the audit; which model reads it, no tool knows."""
    find = MetaChainToolkit(library=library, institutions=(NEW,)).get_tools()[0]
    find.invoke({"institution": NEW, "text": "mri brain", "k": 2})
    [entry] = entries(library)
    assert (entry.institution, bool(entry.shown), entry.model) == (NEW, True, None)
