"""A metadata filter narrows what is shown, and never widens sharing."""

from pathlib import Path
from typing import Any

import pytest

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError
from metachain.learning.posterior import Posterior, adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.retrievers import DemonstrationRetriever, LibraryExampleSelector, MetaExampleSelector
from metachain.selection.selector import Selector

TEXTS = [f"{part} film, {views} views" for part in ("wrist", "ankle", "spine", "skull") for views in (1, 2, 3, 4, 5)]


def held(name: str) -> list[Demonstration]:
    """Twenty demonstrations of a hospital, each with its year."""
    return [
        Demonstration(name, text, f"{name[0]}{n % 4}", metadata={"year": 2010 + n, "ward": {"name": f"w{n % 2}"}})
        for n, text in enumerate(TEXTS)
    ]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Three hospitals that share, one that keeps all to itself, and a new one."""
    opened = Library.open(tmp_path / "films.db")
    opened.add([*held("elm"), *held("oak"), *held("fir")], share=EVERYONE)
    opened.add([*held("secret")])
    return opened


@pytest.fixture
def posterior(library: Library) -> Posterior:
    """Posterior of the new hospital with two labels."""
    prior = learn(library)
    library.add([Demonstration("new", "wrist film", "e0", metadata={"year": 2029}), Demonstration("new", "a CT", "e1")])
    return adapt(prior, library, "new")


@pytest.mark.parametrize(
    ("given", "years"),
    [
        ({"year": {"$gte": 2028}}, {2028, 2029}),
        ({"year": {"$in": [2011, 2012, 2013]}}, {2011, 2012, 2013}),
        ({"$or": [{"year": 2014}, {"year": {"$lt": 2011}}]}, {2010, 2014}),
        ({"ward.name": "w1", "year": {"$lte": 2013}}, {2011, 2013}),
        ({"year": 1999}, set()),
        ({"institution": "secret"}, set()),
        ({"$not": {"institution": "elm"}, "year": {"$exists": True}, "id": {"$ne": ""}}, None),
    ],
)
def test_only_admitted_demonstrations_are_shown(
    library: Library, posterior: Posterior, given: dict[str, Any], years: set[int] | None
) -> None:
    """Admitted ones are found though they are far from the query, and never another's without sharing."""
    selection = Selector(library, posterior, 8, filter=given).select("wrist film, 1 views")
    shown = [one.demonstration for one in selection.chosen]
    assert all(one.institution in {"elm", "oak", "fir", "new"} for one in shown)
    if years is None:
        assert shown
        assert all(one.institution != "elm" for one in shown)
    else:
        assert {one.metadata["year"] for one in shown} <= years
        assert bool(shown) == bool(years)


def test_without_a_filter_or_with_one_that_admits_all_the_selection_is_the_same(
    library: Library, posterior: Posterior
) -> None:
    """A filter that excludes nothing changes nothing."""
    plain, filtered = (Selector(library, posterior, 6, filter=one).select("spine film") for one in (None, {}))
    assert [one.demonstration for one in plain.chosen] == [one.demonstration for one in filtered.chosen]


def test_selectors_and_retrievers_of_langchain_take_the_filter(library: Library, posterior: Posterior) -> None:
    """The same grammar at each of them; a wrong filter is refused at once."""
    recent = {"year": {"$gte": 2027}}
    allowed = {one.input for one in held("elm")[17:]} | {"wrist film"}
    asked = {"input": "skull film", "institution": "new"}
    for selector in (
        MetaExampleSelector(library, posterior, 4, filter=recent),
        DemonstrationRetriever(selector=Selector(library, posterior, 4), filter=recent),
    ):
        if isinstance(selector, DemonstrationRetriever):
            found = {one.page_content for one in selector.invoke("skull film")}
        else:
            found = {one["input"] for one in selector.select_examples(asked)}
        assert found
        assert found <= allowed
    for make in (
        lambda bad: MetaExampleSelector(library, posterior, filter=bad),
        lambda bad: LibraryExampleSelector(library, filter=bad),
        lambda bad: Selector(library, posterior).filtered(bad),
    ):
        with pytest.raises(DataError, match=r"compares 'year' with '\$gtr'"):
            make({"year": {"$gtr": 1}})


def test_filters_of_a_selector_add_up(library: Library, posterior: Posterior) -> None:
    """A selector that is filtered again shows what both admit; labels that come later are filtered too."""
    selector = Selector(library, posterior, 8, filter={"year": {"$gte": 2025}})
    both = selector.filtered({"year": {"$lt": 2027}})
    assert {one.demonstration.metadata["year"] for one in both.select("skull film").chosen} <= {2025, 2026}
    library.add([Demonstration("new", "skull film", "o3", metadata={"year": 2001})])
    assert "skull film" not in {one.demonstration.input for one in both.select("skull film").chosen}
    assert "skull film" in {one.demonstration.input for one in Selector(library, posterior).select("skull film").chosen}


def test_a_past_institution_filters_too(library: Library) -> None:
    """It sees a part of the past, without its own demonstrations, and the same as one with a past of its own."""
    posterior = adapt(learn(library), library, "elm")
    chosen = Selector(library, posterior, filter={"year": {"$gte": 2028}}).select("wrist film, 3 views", 4).chosen
    assert chosen
    assert {one.demonstration.metadata["year"] for one in chosen} <= {2028, 2029}
