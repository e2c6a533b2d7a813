# Longer than 300 lines: one world of random rules and its oracle serve all tests.
"""Sharing under random rules: demonstrations reach exactly the institutions that may see them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from handmade import Tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from oracles import Rule, permitted

from metachain.chains import MetaChainToolkit, few_shot_chain
from metachain.cli.export import write_export
from metachain.data.demonstration import Demonstration
from metachain.errors import NotFoundError, SharingError
from metachain.learning.active_learning import suggest_labels
from metachain.learning.artifacts import save_prior
from metachain.learning.gaussian_process import Settings
from metachain.learning.posterior import adapt
from metachain.learning.prior import Prior, learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE, Audience, Grant
from metachain.retrievers import DemonstrationRetriever, LibraryExampleSelector, MetaExampleSelector
from metachain.selection.selection import Selection
from metachain.selection.selector import Selector

if TYPE_CHECKING:
    from benchmarks.common.postgres import PostgresServer

NAMES = ("st-marys", "mercy", "general", "north", "south", "lakeside")
STRANGER = "new"
ASKERS = (*NAMES, STRANGER)
GROUPS = ("region", "network")
PURPOSES = ("", "coding", "triage")
TEXTS = ("x-ray of the chest", "x-ray of the knee", "blood panel", "mri of the brain")
MOMENTS = ("2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z", "2091-01-01T00:00:00Z", "2092-01-01T00:00:00Z")
"""The first is over for the database too, whose clock is the world's; the others are for a clock that tests set."""
NOW = ("2089-06-01T00:00:00Z", *MOMENTS[1:])
MADE = [
    Demonstration(name, f"{text} at {name}", f"code {number} SECRET-{name}")
    for name in NAMES
    for number, text in enumerate(TEXTS)
]
QUERIES = [f"{text} {number}" for number in range(18) for text in TEXTS] + [one.input for one in MADE]
CASES = 100_000
"""(rules, query), of each of the two engines."""
LEARNED = Settings(0.3, 1.0, 0.05)

RULES = st.builds(
    lambda use, audience, purposes, until: Rule(use, *audience, tuple(purposes), until),
    st.sampled_from(["demonstrations", "demonstrations", "statistics"]),
    st.one_of(
        st.sampled_from([("everyone", ()), ("nobody", ())]),
        st.lists(st.sampled_from(GROUPS), min_size=1, unique=True).map(lambda names: ("group", tuple(names))),
        st.lists(st.sampled_from(ASKERS), min_size=1, max_size=3, unique=True).map(
            lambda names: ("institution", tuple(names))
        ),
    ),
    st.lists(st.sampled_from(PURPOSES[1:]), max_size=2, unique=True),
    st.none() | st.sampled_from(MOMENTS),
)
ALLOWED = st.fixed_dictionaries({name: st.lists(RULES, max_size=2) for name in NAMES})
MEMBERS = st.fixed_dictionaries({name: st.lists(st.sampled_from(ASKERS), unique=True) for name in GROUPS})


class Overhearing(BaseCallbackHandler):
    """Callback that records the prompts of a chat model."""

    def __init__(self, prompts: list[Any]) -> None:
        self.prompts = prompts

    def on_chat_model_start(self, serialized: dict[str, Any], messages: list[list[BaseMessage]], **_rest: Any) -> None:
        """Record a prompt."""
        self.prompts += messages


class Clock:
    """Fake clock behind ``Sharing.now``."""

    def __init__(self) -> None:
        self.moment = NOW[0]


class World:
    """A library with changing random rules, beside an oracle that evaluates them in plain loops."""

    def __init__(self, library: Library, prior: Prior, clock: Clock) -> None:
        self.library, self.prior, self.clock = library, prior, clock
        self.rules: dict[str, list[Rule]] = {}
        self.groups: dict[str, list[str]] = {}

    def state(self, rules: dict[str, list[Rule]], groups: dict[str, list[str]]) -> None:
        """Set the rules of library and oracle."""
        self.rules, self.groups = rules, groups
        self.library.sharing.state_all({name: [grant(one) for one in some] for name, some in rules.items()})
        for name, members in groups.items():
            self.library.sharing.group(name, members)

    def may(self, asker: str) -> tuple[set[str], set[str]]:
        """Oracle: institutions whose demonstrations, and whose statistics, an institution may use."""
        shown, learned = permitted(self.rules, self.groups, asker, self.library.sharing.purpose, self.clock.moment)
        return shown - {asker}, learned - {asker}

    def prior_for(self, asker: str, method: str) -> Prior:
        """A prior learned only from institutions that this institution may learn from."""
        learned = self.may(asker)[1] | {asker}
        kept = [number for number, name in enumerate(self.prior.institutions) if name in learned]
        lesson = replace(
            self.prior.lesson,
            settings=LEARNED if method == "metachain" else None,
            trusts_consensus=method == "metachain",
        )
        names = tuple(self.prior.institutions[number] for number in kept)
        return replace(self.prior, institutions=names, transfer=self.prior.transfer[np.ix_(kept, kept)], lesson=lesson)


def grant(rule: Rule) -> Grant:
    """A rule as a ``Grant``."""
    until = datetime.fromisoformat(rule.until.replace("Z", "+00:00")) if rule.until else None
    return Grant(Audience(rule.kind, rule.names), rule.use, rule.purposes, until)  # type: ignore[arg-type]


def random_rules(rng: np.random.Generator) -> tuple[dict[str, list[Rule]], dict[str, list[str]]]:
    """Rules and groups."""

    def some(of: tuple[str, ...], most: int) -> tuple[str, ...]:
        return tuple(rng.choice(of, rng.integers(1, most + 1), replace=False).tolist())

    def rule() -> Rule:
        kind = str(rng.choice(["everyone", "group", "institution", "nobody"], p=[0.2, 0.35, 0.4, 0.05]))
        names = some(GROUPS, 2) if kind == "group" else some(ASKERS, 4) if kind == "institution" else ()
        purposes = some(PURPOSES[1:], 2) if rng.random() < 0.4 else ()
        until = str(rng.choice(MOMENTS)) if rng.random() < 0.5 else None
        return Rule("statistics" if rng.random() < 0.25 else "demonstrations", kind, names, purposes, until)

    rules = {name: [rule() for _ in range(rng.integers(0, 4))] for name in NAMES}
    return rules, {name: rng.choice(ASKERS, rng.integers(0, 5), replace=False).tolist() for name in GROUPS}


def check_text(told: str, world: World, asker: str) -> None:
    """Check that a text names no institution that does not share."""
    for name in set(NAMES) - world.may(asker)[0] - {asker}:
        assert f"SECRET-{name}" not in told, (name, asker, told)
        assert f"at {name}" not in told, (name, asker, told)


def check(selections: list[Selection], world: World, asker: str) -> None:
    """Check that only permitted demonstrations are shown."""
    allowed = world.may(asker)[0] | {asker}
    for one in selections:
        assert {each.institution for each in one.demonstrations} <= allowed


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One library for all, in each engine."""
    if request.param == "sqlite":
        yield str(tmp_path_factory.mktemp("sharing") / "library.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(scope="module")
def filled(place: str) -> Iterator[tuple[Library, Prior]]:
    """The library, with a prior learned while all shared with all."""
    with Library.open(place, Tiny()) as library:
        library.add(MADE, share=EVERYONE)
        yield library, learn(library)


@pytest.fixture
def world(filled: tuple[Library, Prior], monkeypatch: pytest.MonkeyPatch) -> World:
    """The library, the prior and the clock."""
    clock = Clock()
    monkeypatch.setattr("metachain.library.sharing.Sharing.now", staticmethod(lambda: clock.moment))
    return World(*filled, clock)


def test_nothing_reaches_those_who_may_not_see_it(world: World) -> None:
    """Under random rules no query shows a forbidden demonstration, and all permitted ones are reachable."""
    rng = np.random.default_rng(0)
    cases = starved = number = 0
    while cases < CASES:
        number += 1
        world.state(*random_rules(rng))
        for asker in ASKERS:
            world.library.sharing.purpose = str(rng.choice(PURPOSES))
            world.clock.moment = str(rng.choice(NOW))
            shown, learned = world.may(asker)
            held = world.library.shared_demonstrations(asker)
            assert {one.key for one in held} == {one.key for one in MADE if one.institution in shown}
            shared = world.library.sharing.usable_by(asker)
            assert (shared.demonstrations - {asker}, shared.statistics - {asker}) == (shown, learned)
            if set(NAMES) - learned - {asker}:
                with pytest.raises(SharingError if shown else NotFoundError):
                    adapt(world.prior, world.library, asker)
            prior = world.prior_for(asker, ("metachain", "nearest")[number % 2])
            if not shown:
                starved += 1
                with pytest.raises(NotFoundError, match="shares its demonstrations"):
                    adapt(prior, world.library, asker)
                continue
            selector = Selector(world.library, adapt(prior, world.library, asker), int(rng.choice((1, 2, 8))))
            check(selector.select_many(QUERIES), world, asker)
            (everything,) = selector.select_many(["ct of the spine"], 100)
            if number % 2:
                reached = {one.institution for one in everything.demonstrations}
                assert reached == shown | ({asker} & set(NAMES))
                assert len(everything.chosen) == len(TEXTS) * len(reached)
            cases += len(QUERIES) + 1
    assert starved


@pytest.mark.parametrize("seed", range(8))
def test_no_public_call_shows_what_is_not_shared(world: World, place: str, tmp_path: Path, seed: int) -> None:
    """Selectors, the retriever, prompts of a chain, tools of an agent, suggestions and exports obey the rules."""
    rng = np.random.default_rng([1, seed])
    library, asked = world.library, TEXTS[seed % len(TEXTS)]
    library.sharing.purpose, world.clock.moment = str(rng.choice(PURPOSES)), str(rng.choice(NOW))
    world.state(*random_rules(rng))
    for asker in NAMES[seed % 2 :: 2]:
        prior = world.prior_for(asker, "metachain")
        if not world.may(asker)[0]:
            continue
        save_prior(library, prior)
        posterior = adapt(prior, library, asker)
        ours, whole = MetaExampleSelector(library, posterior, 100), LibraryExampleSelector(library, 100)
        check([ours.explain(asked), whole.of(asker).select(asked)], world, asker)
        prompts: list[list[BaseMessage]] = []
        for selector, who in ((ours, {}), (whole, {"institution": asker})):
            chain = few_shot_chain("offline", selector)
            chain.invoke({"input": asked, **who}, {"callbacks": [Overhearing(prompts)]})
        assert len(prompts) == 2
        tools = {one.name: one for one in MetaChainToolkit(library=library, institutions=(asker,), k=32).get_tools()}
        write_export(place, asker, tmp_path / "out.jsonl", library.sharing.purpose)
        told = [
            repr(ours.select_examples({"input": asked})),
            repr(whole.select_examples({"input": asked, "institution": asker})),
            repr(DemonstrationRetriever(selector=whole.of(asker), k=100).invoke(asked)),
            repr(prompts),
            tools["find_demonstrations"].invoke({"institution": asker, "text": asked}),
            tools["adaptation_status"].invoke({"institution": asker}),
            repr(suggest_labels(library, posterior, QUERIES[:20], 8)),
            repr(ours.labels()),
            repr(library.shared_demonstrations(asker)),
            (tmp_path / "out.jsonl").read_text(),
        ]
        assert json.loads(told[4])["demonstrations"]
        for one in told:
            check_text(one, world, asker)


def test_rules_count_at_the_next_selection(world: World) -> None:
    """An open selector obeys changed rules, groups and times at once, and refuses the impossible."""
    rng = np.random.default_rng(2)
    library = world.library
    library.sharing.purpose = "coding"
    everyones = Rule("statistics", "everyone", (), (), None)
    world.state({name: [Rule("demonstrations", "everyone", (), (), None)] for name in NAMES}, {})
    lesson = replace(world.prior.lesson, settings=None, trusts_consensus=False)
    prior = replace(world.prior, lesson=lesson)
    selectors = {asker: Selector(library, adapt(prior, library, asker), 100) for asker in ASKERS}
    refused = 0
    for turn in range(10):
        rules, groups = random_rules(rng)
        if turn % 4:
            rules = {name: [*some, everyones] for name, some in rules.items()}
        world.state(rules, groups)
        for moment, asker in product(NOW, ASKERS):
            world.clock.moment = moment
            shown, learned = world.may(asker)
            try:
                reached = {one.institution for one in selectors[asker].select("ct of the spine").demonstrations}
                assert reached == shown | ({asker} & set(NAMES))
            except SharingError:
                assert set(NAMES) - learned - {asker}
                refused += 1
            except NotFoundError:
                assert not shown
    assert refused


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=ALLOWED, groups=MEMBERS, purpose=st.sampled_from(PURPOSES), moment=st.sampled_from(NOW))
def test_what_is_shared_is_what_was_said(
    world: World, rules: dict[str, list[Rule]], groups: dict[str, list[str]], purpose: str, moment: str
) -> None:
    """For each institution the shared data are those of the oracle."""
    world.state(rules, groups)
    world.library.sharing.purpose, world.clock.moment = purpose, moment
    for asker in ASKERS:
        shown, learned = world.may(asker)
        assert {one.institution for one in world.library.shared_demonstrations(asker)} == shown
        assert world.library.sharing.usable_by(asker).statistics - {asker} == learned
