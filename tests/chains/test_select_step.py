"""The step that begins every chain: who asks, what is shown, and what traces and callbacks see of it."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from all_chains import MAKERS, Chain, each_chain, extraction
from fixed_selector import Fixed, Sent, fixed
from langchain_core.callbacks import BaseCallbackHandler
from oracles import filled, hospitals

from metachain.chains import classification_chain, few_shot_chain, summarization_chain
from metachain.chains.select_step import SELECTION_RUN
from metachain.errors import DataError, NotFoundError
from metachain.learning.artifacts import save_prior
from metachain.learning.policy import Policy
from metachain.learning.posterior import Posterior
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.retrievers import LibraryExampleSelector, MetaExampleSelector
from metachain.selection.selector import Selector

NEW, OTHER = "hospital 5", "hospital 0"
TEXT = "xray chest ward a"
QUERY = {"input": TEXT}


class Selections(BaseCallbackHandler):
    """Keeps what the runs that select have given."""

    def __init__(self) -> None:
        self.runs: set[Any] = set()
        self.given: list[dict[str, Any]] = []

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        """Keep whose name it is."""
        if kwargs["name"] == SELECTION_RUN:
            self.runs.add(run_id)

    def on_chain_end(self, outputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        """Keep what it gave."""
        if run_id in self.runs:
            self.given.append(outputs)


@pytest.fixture
def served(ready: Library) -> LibraryExampleSelector:
    """The selector of a whole library."""
    return LibraryExampleSelector(ready, k=4)


def asked_by(institution: Any) -> dict[str, Any]:
    """The config that says who asks."""
    return {"configurable": {"institution": institution}}


def selected(chain: Chain, given: dict[str, Any] = QUERY, config: Any = None) -> dict[str, Any]:
    """What a chain's selection gave."""
    seen = Selections()
    chain.invoke(given, {**(config or {}), "callbacks": [seen]})
    assert len(seen.given) == 1
    return seen.given[0]


def ids(shown: dict[str, Any]) -> list[str]:
    """Which demonstrations were shown."""
    return [one["id"] for one in shown["demonstrations"]]


@pytest.mark.parametrize("make", [few_shot_chain, classification_chain, summarization_chain])
async def test_who_asks_is_named_in_the_input_or_in_the_config(
    served: LibraryExampleSelector, ready: Library, posterior: Posterior, make: Any
) -> None:
    """Either way, or both alike, the institution's own selector chooses."""
    chain = make("offline", served)
    expected = [one.id for one in Selector(ready, posterior, 4).select(TEXT).demonstrations]
    for given, config in (
        ({**QUERY, "institution": NEW}, None),
        (QUERY, asked_by(NEW)),
        ({**QUERY, "institution": NEW}, asked_by(NEW)),
        ({**QUERY, "institution": ""}, asked_by(NEW)),
    ):
        shown = selected(chain, given, config)
        assert (shown["institution"], ids(shown)) == (NEW, expected)
        assert await chain.ainvoke(given, config) == chain.invoke(given, config)
    assert chain.with_config(asked_by(NEW)).invoke(QUERY) == chain.invoke(QUERY, asked_by(NEW))


@each_chain
@pytest.mark.parametrize(
    ("given", "config", "kind", "message"),
    [
        ({**QUERY, "institution": NEW}, asked_by(OTHER), DataError, "the input says 'hospital 5', the config says"),
        (QUERY, None, DataError, r"name it in the input, {'input': …, 'institution': .* or in config="),
        ({**QUERY, "institution": "st-marys"}, None, NotFoundError, "no institution 'st-marys'"),
        (QUERY, asked_by("st-marys"), NotFoundError, "no institution 'st-marys'"),
        ({**QUERY, "institution": " "}, None, DataError, "a name that is not blank"),
        ({**QUERY, "institution": None}, None, DataError, "'institution' in the input must be a name"),
        (QUERY, asked_by(5), DataError, "'institution' in the config must be a name"),
        ({"input": " "}, asked_by(NEW), DataError, "not blank"),
        ({"input": 5}, asked_by(NEW), DataError, "must be {'input': a text}, got {'input': 'int'}"),
        (TEXT, asked_by(NEW), DataError, r"must be {'input': a text}"),
    ],
)
async def test_what_is_not_clear_or_not_known_is_refused(
    served: LibraryExampleSelector, make: Any, given: Any, config: Any, kind: type[Exception], message: str
) -> None:
    """Two names, no name, an unknown or a blank one, and an input that is no text: each chain says so, both ways."""
    chain = make("offline", served)
    with pytest.raises(kind, match=message):
        chain.invoke(given, config)
    with pytest.raises(kind, match=message):
        await chain.ainvoke(given, config)


@each_chain
def test_a_selector_of_one_institution_serves_no_other(library: Library, posterior: Posterior, make: Any) -> None:
    """Where the selector belongs to one institution, another's name is refused, and its own changes nothing."""
    chain = make("offline", MetaExampleSelector(library, posterior, k=4))
    for given, config in (({**QUERY, "institution": OTHER}, None), (QUERY, asked_by(OTHER))):
        with pytest.raises(DataError, match="the selector says 'hospital 5'"):
            chain.invoke(given, config)
    if make is not extraction:
        assert chain.invoke({**QUERY, "institution": NEW}, asked_by(NEW)) == chain.invoke(QUERY)


@pytest.mark.parametrize("make", [few_shot_chain, classification_chain, summarization_chain])
async def test_a_batch_holds_several_institutions(served: LibraryExampleSelector, make: Any) -> None:
    """Each item is answered for whom it or its config names, in order; one that is refused stops no other."""
    chain = make("offline", served)
    named = [{**QUERY, "institution": one} for one in (NEW, OTHER, NEW, "hospital 1")]
    configs = [asked_by(one["institution"]) for one in named]
    answers = [chain.invoke(one) for one in named]
    assert len(set(map(str, answers))) > 1
    assert chain.batch(named) == chain.batch([QUERY] * 4, configs) == answers
    assert await chain.abatch(named) == await chain.abatch([QUERY] * 4, configs) == answers
    named[1] = {**QUERY, "institution": "st-marys"}
    for found in (
        chain.batch(named, return_exceptions=True),
        await chain.abatch(named, return_exceptions=True),
    ):
        assert isinstance(found[1], NotFoundError)
        assert [found[place] for place in (0, 2, 3)] == [answers[place] for place in (0, 2, 3)]


@each_chain
def test_schemas_name_the_text_and_who_asks(served: LibraryExampleSelector, make: Any) -> None:
    """The input is two texts, neither of them ever null, as forms are drawn from it; the config has the institution."""
    chain = make("offline", served, input_key="note")
    schema = chain.get_input_jsonschema()
    assert {name: one["type"] for name, one in schema["properties"].items()} == {
        "note": "string",
        "institution": "string",
    }
    assert schema["required"] == ["note"]
    assert not {"anyOf", "null"} & set(json.dumps(schema).split('"'))
    assert [one.id for one in chain.config_specs] == ["institution"]
    assert "institution" in chain.config_schema().model_json_schema()["$defs"]["Configurable"]["properties"]
    assert chain.get_input_schema()(note=TEXT).model_dump() == {"note": TEXT, "institution": ""}


@pytest.mark.parametrize("key", ["schema", "json", "copy", "_text"])
def test_any_plain_name_is_a_key(key: str) -> None:
    """A key that pydantic has other uses for is a key all the same."""
    chain = few_shot_chain("offline", Fixed([{key: "mri", "output": "0611"}]), input_key=key)
    assert chain.invoke({key: "mri"}) == "0611"
    assert chain.get_input_jsonschema()["required"] == [key]


def test_outputs_are_typed(served: LibraryExampleSelector) -> None:
    """Each chain says what it gives."""
    few_shot, classification, extracted, summary = (make("offline", served).get_output_jsonschema() for make in MAKERS)
    assert few_shot["type"] == summary["type"] == "string"
    known = {"label", "answer", "allowed", "probability", "decided_by", "labels", "unknown"}
    assert set(classification["$defs"]["Classification"]["properties"]) == known
    assert set(extracted["properties"]) == {"code"}


@pytest.mark.parametrize("make", [few_shot_chain, classification_chain, summarization_chain])
@pytest.mark.parametrize("budget", [None, 20])
async def test_callbacks_and_events_see_what_was_chosen(
    served: LibraryExampleSelector, ready: Library, posterior: Posterior, make: Any, budget: int | None
) -> None:
    """The run has who asked, and each demonstration's id, scores and tokens, as JSON; events hold the same."""
    chain = make("offline", served, instructions="Short.", max_prompt_tokens=budget)
    given = {**QUERY, "institution": NEW}
    shown = selected(chain, given)
    assert json.loads(json.dumps(shown)) == shown
    assert (shown["institution"], shown["input"], shown["method"]) == (NEW, TEXT, posterior.method)
    chosen = {one.demonstration.key: one for one in Selector(ready, posterior, 4).select(TEXT).chosen}
    for one in shown["demonstrations"]:
        assert one["tokens"] == len(f"{one['input']} {one['output']}".split())
        if budget is None:
            core = chosen[one["institution"], one["id"]]
            assert (one["score"], one["similarity"], one["plausibility"], one["institution"]) == (
                core.score,
                core.similarity,
                core.plausibility,
                core.demonstration.institution,
            )
    assert shown["demonstrations"]
    assert budget is None or sum(one["tokens"] for one in shown["demonstrations"]) + 5 <= budget
    events = [one async for one in chain.astream_events(given, version="v2")]
    ended = [one for one in events if (one["event"], one["name"]) == ("on_chain_end", SELECTION_RUN)]
    seen = [one["data"]["output"] for one in ended]
    assert [{**one, "selection_id": shown["selection_id"]} for one in seen] == [shown]
    assert seen[0]["selection_id"] != shown["selection_id"]
    assert any(one["event"].startswith("on_chat_model") for one in events)


def test_a_foreign_selectors_examples_are_seen_too() -> None:
    """Of LangChain's own selectors the texts and tokens are known, and no scores are made up."""
    shown = selected(few_shot_chain("offline", fixed(("mri brain", "0611"))), {**QUERY, "institution": "a"})
    assert shown == {
        "institution": "a",
        "method": "Fixed",
        "input": TEXT,
        "demonstrations": [{"input": "mri brain", "output": "0611", "tokens": 3}],
    }


def test_foreign_examples_under_other_keys_are_refused() -> None:
    """The error names the keys that the examples have."""
    chain = few_shot_chain("offline", Fixed([{"charge": "mri", "code": "0611"}]))
    with pytest.raises(DataError, match=r"must hold 'input' and 'output', got \['charge', 'code'\]"):
        chain.invoke(QUERY)


@pytest.mark.parametrize("budget", [None, 1000])
def test_the_policy_says_where_the_best_stands(ready: Library, posterior: Posterior, budget: int | None) -> None:
    """With ``best_first`` trace and prompt hold the selection the other way round, for both selectors."""
    last = selected(few_shot_chain("offline", MetaExampleSelector(ready, posterior, 4), max_prompt_tokens=budget))
    policy = Policy(best_first=True)
    for selector in (
        MetaExampleSelector(ready, posterior, 4, policy=policy),
        LibraryExampleSelector(ready, 4, policy=policy),
    ):
        chain, sent = few_shot_chain("offline", selector, max_prompt_tokens=budget), Sent()
        first = selected(chain, config=asked_by(NEW))
        assert ids(first) == ids(last)[::-1]
        chain.invoke(QUERY, {**asked_by(NEW), "callbacks": [sent]})
        assert [one.text for one in sent.messages[:-1:2]] == [one["input"] for one in first["demonstrations"]]


@each_chain
async def test_selecting_runs_off_the_event_loop(
    served: LibraryExampleSelector, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither making an institution's selector nor asking it happens in the loop's thread."""
    threads: list[int] = []
    of, select = LibraryExampleSelector.of, Selector.select

    def of_seen(self: LibraryExampleSelector, institution: str) -> Selector:
        threads.append(threading.get_ident())
        return of(self, institution)

    def select_seen(self: Selector, *given: Any) -> Any:
        threads.append(threading.get_ident())
        return select(self, *given)

    monkeypatch.setattr(LibraryExampleSelector, "of", of_seen)
    monkeypatch.setattr(Selector, "select", select_seen)
    given = {**QUERY, "institution": NEW}
    await asyncio.gather(make("offline", served).ainvoke(given), return_exceptions=True)
    try:
        _ = [one async for one in make("offline", served).astream(given)]
    except DataError:
        assert make is extraction
    assert len(threads) >= 4
    assert threading.get_ident() not in threads


def test_a_library_selector_adds_examples(tmp_path: Path) -> None:
    """For the institution that the example names; the next selection knows it."""
    with filled(tmp_path / "library.db", hospitals(count=4)) as opened:
        save_prior(opened, learn(opened))
        chosen = LibraryExampleSelector(opened, k=8)
        asked = {"input": "xray chest ward c", "institution": "hospital 0", "other": 1}
        added = {"input": "xray chest ward d", "output": "code 0 of system 0"}
        assert added not in chosen.select_examples(asked)
        chosen.add_example({"institution": "hospital 0", **added})
        assert added in chosen.select_examples(asked)
        with pytest.raises(DataError, match="must hold 'institution'"):
            chosen.add_example(added)
