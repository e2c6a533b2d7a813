"""A prior of one institution's own: learned from what is shared with it in particular, and taken for it alone."""

from collections.abc import Iterator

import pytest
from handmade import Tiny, demonstrations

from metachain.errors import DataError, NotFoundError, SharingError
from metachain.learning.artifacts import load_posterior, load_prior, save_posterior, save_prior
from metachain.learning.institution_state import load_past
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.learning.unlearning import forget
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE, Audience, Grant
from metachain.retrievers import LibraryExampleSelector
from metachain.selection.selector import Selector

NORTH = Grant(Audience("group", ("north",)))
TEXT = "x-ray of the knee 1"


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """h0 to h2 share with everyone, h3 with the group north, h4 its statistics with new, h5 with nobody."""
    with Library.open(place, Tiny()) as opened:
        opened.add(demonstrations(6, 8))
        opened.sharing.state_all({f"h{number}": [EVERYONE] for number in range(3)})
        opened.sharing.state("h3", NORTH)
        opened.sharing.state("h4", Grant(Audience("institution", ("new",)), "statistics"))
        opened.sharing.group("north", ["new"])
        yield opened


def test_each_prior_is_learned_from_what_its_users_may_use(library: Library) -> None:
    """Everybody's knows those that share with everyone; an institution's own those that share with it."""
    common, own = learn(library), learn(library, "new")
    assert (common.institutions, common.contributors) == (("h0", "h1", "h2"), ())
    assert (own.institutions, own.contributors) == (("h0", "h1", "h2", "h3"), ("h4",))


def test_an_institution_takes_its_own_prior_and_others_everybodys(library: Library) -> None:
    """Loading, adapting and selecting take the institution's own prior where there is one."""
    save_prior(library, learn(library))
    save_prior(library, learn(library, "new"), "new")
    assert load_prior(library, "new").institutions[-1] == "h3"
    assert load_prior(library, "other").institutions[-1] == "h2"
    save_posterior(library, adapt(load_prior(library, "new"), library, "new"))
    assert "h3" in load_posterior(library, "new").prior.institutions
    selector = LibraryExampleSelector(library, k=8).of("new")
    _, past = load_past(selector.posterior().prior, library, "new")
    assert past.pool.institutions == ("h0", "h1", "h2", "h3")
    assert selector.select(TEXT).demonstrations


def test_anothers_own_prior_is_refused(library: Library) -> None:
    """A prior that was learned from what only one may use is of no use to another."""
    with pytest.raises(SharingError, match="'h3', which does not share with 'other'"):
        adapt(learn(library, "new"), library, "other")
    prior = learn(library, "new")
    library.sharing.state("h4")
    with pytest.raises(SharingError, match="'h4', which does not share with 'new'"):
        adapt(prior, library, "new")


def test_what_only_a_group_shares_is_lost_with_the_membership(library: Library) -> None:
    """Leaving the group takes effect in a selector that is open."""
    library.sharing.state("h4", EVERYONE)
    selector = Selector(library, adapt(learn(library, "new"), library, "new"), k=40)
    assert selector.select(TEXT).demonstrations
    library.sharing.group("north", [])
    with pytest.raises(SharingError, match="'h3', which does not share with 'new'"):
        selector.select(TEXT)


def test_forgetting_learns_every_prior_again(library: Library) -> None:
    """Both priors are learned again without the institution, each from what it may use."""
    save_prior(library, learn(library))
    save_prior(library, learn(library, "new"), "new")
    assert forget(library, institution="h3").learned_again == ("prior", "prior of new")
    assert load_prior(library, "new").institutions == ("h0", "h1", "h2")
    receipt = forget(library, institution="h1")
    assert receipt.lost == ("prior",)
    assert load_prior(library, "new").institutions == ("h0", "h2")
    with pytest.raises(NotFoundError, match="holds no prior"):
        load_prior(library, "other")
    with pytest.raises(DataError, match="have no rule that lets it learn from them, such as 'h4'"):
        learn(library)
