"""The recorder: each answer is kept with its own selection, whichever way the chain is run, and nothing else is."""

import asyncio
import gc
import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from handmade import Tiny
from langchain.agents import create_agent
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel
from oracles import hospitals
from pydantic import BaseModel
from scripted import Scripted

from metachain.chains import (
    DemonstrationMiddleware,
    FeedbackRecorder,
    OfflineChatModel,
    classification_chain,
    extraction_chain,
    few_shot_chain,
    few_shot_prompt,
    recorded,
    summarization_chain,
)
from metachain.errors import DataError, NotFoundError, StorageError
from metachain.learning.artifacts import save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE
from metachain.retrievers import LibraryExampleSelector, MetaExampleSelector

MADE = hospitals(5, 16)
NEW = "hospital 4"
QUERIES = [f"{item} {place}" for item in ("xray chest", "mri brain", "blood panel", "visit long") for place in "abcde"]


class Booking(BaseModel):
    """What a charge is booked under."""

    code: str


class Unknown(BaseExampleSelector):
    """Shows one example of no known source."""

    def add_example(self, example: dict[str, str]) -> None:
        """It takes none."""

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        """Always the same."""
        return [{"input": "mri", "output": "code 1"}]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Four past hospitals, learned from; the fifth asks."""
    with Library.open(tmp_path / "library.db", Tiny()) as opened:
        opened.add(MADE[:-16], share=EVERYONE)
        save_prior(opened, learn(opened))
        yield opened


@pytest.fixture
def selector(library: Library) -> MetaExampleSelector:
    """Of the fifth hospital."""
    return MetaExampleSelector(library, adapt(learn(library), library, NEW), k=4)


@pytest.fixture
def recorder(library: Library) -> FeedbackRecorder:
    """It raises what goes wrong."""
    return FeedbackRecorder(library, raise_error=True)


def kept(library: Library) -> tuple[Outcome, ...]:
    """All that was recorded."""
    return library.outcomes.of(origin="chain")


def idle(recorder: FeedbackRecorder) -> bool:
    """Whether it holds nothing of any run."""
    gc.collect()
    return not recorder.run_map and not recorder.order_map


def test_a_run_is_kept(library: Library, selector: MetaExampleSelector, recorder: FeedbackRecorder) -> None:
    """Under the id that the config gave it: who asked what, what was shown, the answer, the model and its tokens."""
    run = uuid4()
    chain = few_shot_chain("offline", selector, "Answer with the code.")
    said = chain.invoke({"input": "MRI brain"}, {"callbacks": [recorder], "run_id": run})
    found = library.outcomes.get(str(run))
    shown = selector.explain("MRI brain").demonstrations
    assert (found.institution, found.input, found.answer, found.model) == (NEW, "MRI brain", said, "metachain:offline")
    assert found.shown == tuple((one.institution, one.id) for one in shown)
    words = len(" ".join(["Answer with the code. MRI brain", *(f"{one.input} {one.output}" for one in shown)]).split())
    assert (found.input_tokens, found.output_tokens) == (words, len(said.split()))
    assert (found.score, found.correction, found.metric) == (None, None, "")
    assert idle(recorder)


async def test_every_way_to_run_it(library: Library, selector: MetaExampleSelector, recorder: FeedbackRecorder) -> None:
    """Invoke, batch, stream and their asynchronous twins leave the same outcome but for its id."""
    chain = few_shot_chain("offline", selector)
    asked: dict[str, Any] = {"input": "mri brain"}
    config = RunnableConfig(callbacks=[recorder])
    chain.invoke(asked, config)
    chain.batch([asked], config)
    "".join(chain.stream(asked, config))
    await chain.ainvoke(asked, config)
    await chain.abatch([asked], config)
    assert [chunk async for chunk in chain.astream(asked, config)]
    assert [one async for one in chain.astream_events(asked, config)]
    found = kept(library)
    assert len(found) == 7
    assert len({(one.institution, one.input, one.shown, one.answer, one.input_tokens) for one in found}) == 1
    assert idle(recorder)


@pytest.mark.parametrize("way", ["threads", "batch", "abatch", "gather"])
async def test_concurrent_runs_do_not_mix(
    library: Library, selector: MetaExampleSelector, recorder: FeedbackRecorder, way: str
) -> None:
    """Twenty runs at once: each answer is kept with its own query, its own selection and its own id."""
    chain = few_shot_chain("offline", selector)
    asked: list[dict[str, Any]] = [{"input": query} for query in QUERIES]
    ids = [uuid4() for _ in asked]
    configs = [RunnableConfig(callbacks=[recorder], run_id=id, max_concurrency=8) for id in ids]
    if way == "threads":
        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(chain.invoke, asked, configs))
    elif way == "batch":
        said = chain.batch(asked, configs)
    elif way == "abatch":
        said = await chain.abatch(asked, configs)
    else:
        said = await asyncio.gather(*map(chain.ainvoke, asked, configs))
    for id, query, answer in zip(ids, QUERIES, said, strict=True):
        found = library.outcomes.get(str(id))
        expected = tuple((one.institution, one.id) for one in selector.explain(query).demonstrations)
        assert (found.input, found.answer, found.shown) == (query, answer, expected)
    assert len(kept(library)) == len(QUERIES)
    assert idle(recorder)


async def test_a_stream_left_half_way_leaves_nothing(
    library: Library, selector: MetaExampleSelector, recorder: FeedbackRecorder
) -> None:
    """Neither an outcome nor anything in the recorder, for all chains that stream and both ways to stream."""
    config = RunnableConfig(callbacks=[recorder])
    for chain in (few_shot_chain("offline", selector), summarization_chain("offline", selector)):
        for chunk in chain.stream({"input": "mri brain"}, config):
            assert chunk
            break
        assert idle(recorder)
        streaming = chain.astream({"input": "mri brain"}, config)
        assert await anext(streaming)
        await streaming.aclose()
        del streaming
        gc.collect()
        for _ in range(100):  # in which the event loop closes the generators within
            await asyncio.sleep(0.05)
            if idle(recorder):
                break
        assert idle(recorder)
    assert kept(library) == ()


async def test_runs_that_fail_leave_nothing(
    library: Library, selector: MetaExampleSelector, recorder: FeedbackRecorder
) -> None:
    """Whether the model, what follows it, or the input was wrong, and whether it failed or was cancelled."""

    def fail(_: object) -> str:
        raise RuntimeError("the model is gone")

    async def wait(_: object) -> AIMessage:
        await asyncio.sleep(60)
        return AIMessage("late")

    config = RunnableConfig(callbacks=[recorder])
    chain = few_shot_chain("offline", selector)
    for broken in (few_shot_chain(RunnableLambda(fail), selector), chain | RunnableLambda(fail)):
        with pytest.raises(RuntimeError):
            broken.invoke({"input": "mri brain"}, config)
        with pytest.raises(RuntimeError):
            await broken.ainvoke({"input": "mri brain"}, config)
        assert all(
            isinstance(one, RuntimeError) for one in broken.batch([{"input": "a"}], config, return_exceptions=True)
        )
    with pytest.raises(DataError):
        chain.invoke({"input": 3}, config)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await few_shot_chain(RunnableLambda(fail, wait), selector).ainvoke({"input": "mri brain"}, config)
    assert kept(library) == ()
    assert idle(recorder)


async def test_a_run_that_succeeds_in_the_end_is_kept_once(
    library: Library, selector: MetaExampleSelector, recorder: FeedbackRecorder
) -> None:
    """Of several attempts the one that answered is kept, under the id of the whole."""
    failed: list[str] = []

    def fail_first(_: object) -> AIMessage:
        failed.append("once")
        if len(failed) % 2:
            raise RuntimeError("the model is gone")
        return AIMessage("code 1")

    chain = few_shot_chain(RunnableLambda(fail_first), selector).with_retry(wait_exponential_jitter=False)
    runs = uuid4(), uuid4()
    chain.invoke({"input": "mri brain"}, {"callbacks": [recorder], "run_id": runs[0]})
    await chain.ainvoke({"input": "mri brain"}, {"callbacks": [recorder], "run_id": runs[1]})
    assert {one.id for one in kept(library)} == set(map(str, runs))
    assert len(failed) == 4
    assert idle(recorder)


def test_several_chains_in_one_run(library: Library, selector: MetaExampleSelector, recorder: FeedbackRecorder) -> None:
    """Each is kept under the id of its own run; a single one within something bigger under the id of the whole."""
    chain = few_shot_chain("offline", selector)
    run = uuid4()
    both: Runnable[Any, Any] = RunnableParallel(one=chain, other=few_shot_chain(Scripted(first="code 9"), selector))
    both.invoke({"input": "mri brain"}, {"callbacks": [recorder], "run_id": run})
    found = kept(library)
    assert len({one.id for one in found}) == 2
    assert str(run) not in {one.id for one in found}
    assert "code 9" in {one.answer for one in found}
    wrapped: Runnable[Any, Any] = RunnableLambda(lambda given: {"answer": chain.invoke(given), "sources": []})
    said = wrapped.invoke({"input": "mri brain"}, {"callbacks": [recorder], "run_id": run})
    assert library.outcomes.get(str(run)).answer == said["answer"]
    assert idle(recorder)


def test_what_answers_are_kept_as(library: Library, selector: MetaExampleSelector) -> None:
    """A label, the answer where no label fits, an object's JSON, and what a message says."""
    answers: list[str] = []
    for chain in (
        classification_chain(Scripted(first=" 'CODE 1'. "), selector, ["code 1", "code 2"]),
        classification_chain(Scripted(first="no idea"), selector, ["code 1"]),
        extraction_chain(Scripted(first="none", second='{"code":\n"é"}'), selector, Booking),
        few_shot_prompt(selector) | Scripted(first="code 3"),
        few_shot_prompt(selector) | Scripted(first="code 4") | RunnableLambda(lambda said: {"code": said.text}),
    ):
        run = uuid4()
        recorded(chain, library, raise_error=True).invoke({"input": "mri brain"}, {"run_id": run})
        answers.append(library.outcomes.get(str(run)).answer)
    assert answers == ["code 1", "no idea", '{"code": "é"}', "code 3", '{"code": "code 4"}']
    before = kept(library)
    recorded(few_shot_prompt(selector), library, raise_error=True).invoke({"input": "mri brain"})
    assert kept(library) == before


def test_who_asks(library: Library) -> None:
    """The selection says it; where nobody is named nothing is kept, and sources that aren't known are left out."""
    served = recorded(few_shot_chain("offline", LibraryExampleSelector(library)), library, raise_error=True)
    for name in ("hospital 0", "hospital 1"):
        served.invoke({"input": "mri brain", "institution": name})
    assert sorted(one.institution for one in kept(library)) == ["hospital 0", "hospital 1"]
    foreign = recorded(few_shot_chain("offline", Unknown()), library, model="mine", raise_error=True)
    foreign.invoke({"input": "mri brain"})
    assert len(kept(library)) == 2
    foreign.invoke({"input": "mri brain", "institution": "st-marys"})
    (one,) = library.outcomes.of(origin="chain", institution="st-marys")
    assert (one.shown, one.answer, one.model) == ((), "code 1", "mine")


def test_an_agent_leaves_nothing(library: Library, recorder: FeedbackRecorder) -> None:
    """Its middleware shows demonstrations to several calls of a model, so no answer is the one they were shown for."""
    agent = create_agent(OfflineChatModel(), middleware=[DemonstrationMiddleware(library)])
    done = agent.invoke(
        {"messages": [HumanMessage("mri brain")]}, {"callbacks": [recorder]}, context={"institution": "hospital 0"}
    )
    assert done["messages"][-1].text.startswith("code ")
    assert kept(library) == ()
    assert idle(recorder)


def test_scored_at_once(library: Library, selector: MetaExampleSelector) -> None:
    """By a metric's name or a function, where the reference is known: a key of the input, or what finds it."""
    known = {"mri brain": "code 1"}
    chain = few_shot_chain(Scripted(first="code 1"), selector)

    def half(prediction: str, reference: str) -> float:
        assert (prediction, reference) == ("code 1", "code 1")
        return 0.5

    for settings in (
        {"metric": "exact_match", "reference": "reference"},
        {"metric": half, "reference": lambda given: known.get(given["input"])},
    ):
        scoring = recorded(chain, library, raise_error=True, **settings)  # type: ignore[arg-type]
        for given in ({"input": "mri brain", "reference": "code 1"}, {"input": "mri spine"}):
            scoring.invoke(given)
            assert list(scoring.stream(given))
    found = sorted((one.metric, one.score or 0, one.input) for one in kept(library))
    assert found == [
        *[("", 0, "mri spine")] * 4,
        *[("exact_match", 1.0, "mri brain")] * 2,
        *[("half", 0.5, "mri brain")] * 2,
    ]


@pytest.mark.parametrize("value", [7, float("nan"), "good", None])
def test_a_metric_that_goes_wrong(
    library: Library, selector: MetaExampleSelector, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is given and kept unscored; the log has the run's id and no text, unless errors are to be raised."""
    chain = few_shot_chain("offline", selector)
    given = {"input": "secret text", "reference": "code 1"}
    run = UUID(int=7)
    with caplog.at_level(logging.DEBUG, "metachain"):
        quiet = recorded(chain, library, metric=lambda *_: value, reference="reference")
        assert quiet.invoke(given, {"run_id": run})
    assert [record.getMessage() for record in caplog.records if record.name.startswith("metachain")] == [
        f"the run {run} was not recorded or scored: DataError"
    ]
    assert (library.outcomes.get(str(run)).score, library.outcomes.get(str(run)).metric) == (None, "")
    recorder = FeedbackRecorder(library, metric=lambda *_: value, reference="reference", raise_error=True)
    with pytest.raises(DataError, match="finite number"):
        chain.invoke(given, {"callbacks": [recorder], "run_id": UUID(int=8)})
    assert library.outcomes.get(str(UUID(int=8))).score is None
    assert idle(recorder)


def test_an_answer_is_not_lost_where_it_cannot_be_kept(
    library: Library, selector: MetaExampleSelector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The chain answers while the library can't be written; feedback on it then says that the run isn't there."""
    chain = recorded(few_shot_chain("offline", selector), library)
    with closing(sqlite3.connect(tmp_path / "library.db")) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON outcomes BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    run = uuid4()
    assert chain.invoke({"input": "mri brain"}, {"run_id": run})
    assert f"the run {run} was not recorded or scored: StorageError" in caplog.text
    assert "mri brain" not in caplog.text
    with pytest.raises(NotFoundError, match="the run was recorded"):
        library.record_feedback(run, 1.0)
    with pytest.raises(StorageError):
        recorded(few_shot_chain("offline", selector), library, raise_error=True).invoke({"input": "mri brain"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "exact_match"}, "give both"),
        ({"reference": "reference"}, "give both"),
        ({"metric": "blue", "reference": "reference"}, "unknown metric 'blue'"),
        ({"metric": 3, "reference": "reference"}, "'metric' must be a name or a function, got int"),
    ],
)
def test_bad_arguments(library: Library, arguments: dict[str, Any], message: str) -> None:
    """They are refused when the recorder is made."""
    with pytest.raises(DataError, match=message):
        FeedbackRecorder(library, **arguments)


def test_a_reference_that_is_no_text(library: Library, selector: MetaExampleSelector) -> None:
    """It is a DataError, and the answer is kept."""
    chain = recorded(
        few_shot_chain("offline", selector), library, metric="exact_match", reference="reference", raise_error=True
    )
    with pytest.raises(DataError, match="a reference must be a text"):
        chain.invoke({"input": "mri brain", "reference": 7})
    assert [one.score for one in kept(library)] == [None]
