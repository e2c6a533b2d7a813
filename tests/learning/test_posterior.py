"""Adapting to an institution: its labels against the past institutions of the library."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from oracles import every_answer, filled, hospitals, note_writers, sharing

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.errors import LibraryError, NotFoundError, SharingError
from metachain.learning.answer_fits import UNLISTED, answer_scores
from metachain.learning.artifacts import load_posterior, save_posterior, save_prior
from metachain.learning.gaussian_process import PLAIN, Settings, predict
from metachain.learning.institution_state import load_institution
from metachain.learning.posterior import Posterior, adapt
from metachain.learning.prior import Prior, learn
from metachain.learning.reply_profile import Profile, attention, consensus, reply_profile
from metachain.learning.transfer import prior_log_weights
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE, NOBODY, Audience, Grant
from metachain.selection.selector import Selector

MADE = hospitals(5, 16)
PAST, NEW = [one for one in MADE if one.institution != "hospital 4"], MADE[-16:]
LEARNED = Settings(0.3, 1.0, 0.05, intercept=0.5, usage=0.4, vote=0.1)
QUERIES = ["mri brain ward b", "blood panel clinic north"]


def teach(library: Library, settings: Settings | None = LEARNED, *, trusts_consensus: bool = True) -> Prior:
    """The library's prior, with settings of our choice."""
    prior = learn(library)
    return replace(prior, lesson=replace(prior.lesson, settings=settings, trusts_consensus=trusts_consensus))


def profile_of(library: Library, prior: Prior, institution: str, texts: list[str]) -> Profile:
    """Reply profile of some texts over the past institutions of an institution's state."""
    state = load_institution(prior, library, institution)
    near = state.past.index.nearest(hybrid_vectors(library.encoder.encode(texts), lexical_vectors(texts)), 8)
    return reply_profile(near, state.pool.answer, len(state.pool.answers), state.pool.meaning)


def same(one: Posterior, other: Posterior) -> bool:
    """Whether two posteriors are the same, byte for byte."""
    arrays = ("standing", "evidence", "weights", "usage")
    listed, other_listed = one.fit.listed, other.fit.listed
    return (
        (one.institution, one.labels, one.digest) == (other.institution, other.labels, other.digest)
        and one.fit.settings == other.fit.settings
        and (None if listed is None else listed.tobytes()) == (None if other_listed is None else other_listed.tobytes())
        and one.fit.features.toarray().tobytes() == other.fit.features.toarray().tobytes()
        and all(getattr(one.fit, name).tobytes() == getattr(other.fit, name).tobytes() for name in arrays)
    )


def test_adapting_without_labels_gives_the_prior(tmp_path: Path) -> None:
    """An institution that gave no label expects what past institutions agree on."""
    with filled(tmp_path / "library.db", PAST) as library:
        prior = teach(library)
        posterior, texts = adapt(prior, library, "never seen"), profile_of(library, prior, "never seen", QUERIES)
    assert posterior.labels == 0
    weights = attention(texts, prior_log_weights(prior.transfer, range(4)), 0.1)
    assert np.allclose(predict(posterior.fit, texts), consensus(texts, weights))


def test_labels_move_the_posterior(place: str) -> None:
    """With labels the institution's own answer to a query is expected more."""
    with filled(place, PAST) as library:
        prior = teach(library)
        found = []
        for labels in ([], NEW):
            library.add(labels, share=EVERYONE)
            posterior = adapt(prior, library, "hospital 4")
            texts = profile_of(library, prior, "hospital 4", [NEW[0].input, *QUERIES])
            answers = load_institution(prior, library, "hospital 4").pool.answers
            expected = dict(zip(answers, predict(posterior.fit, texts)[0], strict=True))
            found.append(expected.get(NEW[0].output, 0.0))
    before, after = found
    assert posterior.labels == 16
    assert after > before + 0.1


def test_an_institution_does_not_learn_from_itself(tmp_path: Path) -> None:
    """Where the institution is in the prior too, its own demonstrations are labels and never a past institution's."""
    with filled(tmp_path / "library.db", MADE) as library:
        prior = teach(library)
        state, posterior = load_institution(prior, library, "hospital 4"), adapt(prior, library, "hospital 4")
    assert state.pool.institutions == tuple(f"hospital {number}" for number in range(4))
    assert {one.institution for one in state.support.demonstrations} == {"hospital 4"}
    assert posterior.fit.evidence.shape == (16, 4)


def test_past_institutions_that_are_gone_are_left_out(new_place: Callable[[], str]) -> None:
    """Of the prior's institutions those count that the library still holds; the others must not object."""
    with filled(new_place(), PAST) as library:
        prior = teach(library)
    with filled(new_place(), [one for one in PAST if one.institution != "hospital 1"]) as library:
        library.sharing.state("hospital 1", EVERYONE)
        posterior = adapt(prior, library, "new")
    assert np.allclose(posterior.fit.standing, prior_log_weights(prior.transfer, [0, 2, 3]))


def test_nobody_to_learn_from_is_an_error(new_place: Callable[[], str]) -> None:
    """Where no past institution is left the error names who asked."""
    with filled(new_place(), PAST) as library:
        prior = teach(library)
    with filled(new_place(), NEW) as library:
        library.sharing.state_all({name: [EVERYONE] for name in prior.institutions})
        with pytest.raises(NotFoundError, match="'hospital 4'"):
            adapt(prior, library, "hospital 4")


def test_a_prior_of_those_who_do_not_share_is_refused(tmp_path: Path) -> None:
    """A prior is not used where one that it was learned from shares not even its statistics (any more)."""
    with filled(tmp_path / "all.db", PAST) as library:
        prior = teach(library)
        library.sharing.state("hospital 0", NOBODY)
        with pytest.raises(SharingError, match=r"'hospital 0', which does not share with 'new' .any more.; learn"):
            adapt(prior, library, "new")
        library.sharing.state("hospital 0", Grant(Audience("everyone"), "statistics"))
        assert "hospital 0" not in load_institution(prior, library, "new").pool.institutions


def test_labels_never_seen_before_get_a_number(place: str) -> None:
    """An answer that no past institution gives can be learned from the labels."""
    label = Demonstration("new", "mri brain ward b", "an answer never seen")
    with filled(place, [*PAST, label]) as library:
        prior = teach(library)
        posterior, texts = adapt(prior, library, "new"), profile_of(library, prior, "new", QUERIES[:1])
        answers = load_institution(prior, library, "new").pool.answers
    assert predict(posterior.fit, texts)[0, answers.index("an answer never seen")] > 0.5


def test_the_order_of_labels_changes_nothing(new_place: Callable[[], str]) -> None:
    """However labels are ordered when added, the posterior is the same, byte for byte."""
    found = []
    for labels in (NEW, NEW[::-1]):
        with filled(new_place(), PAST) as library:
            prior = teach(library)
            library.add(labels, share=EVERYONE)
            found.append(adapt(prior, library, "hospital 4"))
    assert same(*found)


@pytest.mark.parametrize(
    ("settings", "trusts", "labels", "method"),
    [
        (LEARNED, False, 0, "nearest"),
        (LEARNED, False, 16, "metachain"),
        (None, True, 0, "metachain"),
        (None, True, 16, "nearest"),
    ],
)
def test_the_guard_decides_the_method(
    tmp_path: Path, settings: Settings | None, trusts: bool, labels: int, method: str
) -> None:
    """With labels it is the learned settings that let learning in, without any the trust in the consensus."""
    with filled(tmp_path / "library.db", PAST) as library:
        prior = teach(library, settings, trusts_consensus=trusts)
        library.add(NEW[:labels], share=EVERYONE)
        posterior = adapt(prior, library, "hospital 4")
    assert posterior.method == method
    assert posterior.fit.settings == (settings or PLAIN)


@pytest.mark.parametrize("labels", [0, 1, 16])
@pytest.mark.parametrize("made", [MADE, note_writers(5, 16)], ids=["labels", "texts"])
@pytest.mark.parametrize("listed", [[], ["code 1", "code 3"]], ids=["unlisted", "listed"])
def test_a_posterior_comes_back_as_it_was_saved(
    tmp_path: Path, made: list[Demonstration], labels: int, listed: list[str]
) -> None:
    """Saving and loading changes no byte, whatever the number of labels, and where answers are texts or listed."""
    with filled(tmp_path / "library.db", made[:-16]) as library:
        prior = teach(library)
        save_prior(library, prior)
        library.add(made[-16:][:labels], share=EVERYONE)
        library.list_answers("hospital 4", listed, force=True)
        posterior = adapt(prior, library, "hospital 4")
        save_posterior(library, posterior)
        loaded = load_posterior(library, "hospital 4")
        texts = profile_of(library, prior, "hospital 4", QUERIES)
    assert same(loaded, posterior)
    assert (loaded.fit.listed is not None) == bool(listed)
    assert loaded.fit.weights.shape == posterior.fit.weights.shape == (labels, predict(posterior.fit, texts).shape[1])
    asked = every_answer(texts)
    assert np.array_equal(answer_scores(loaded.fit, texts, asked), answer_scores(posterior.fit, texts, asked))


def test_a_list_marks_what_it_names_and_what_was_labelled(place: str) -> None:
    """Listed are the answers that the list names and those of the institution's own labels, and no others."""
    with filled(place, [*PAST, *NEW[:2]]) as library:
        prior = teach(library)
        assert load_institution(prior, library, "hospital 4").listed is None
        library.list_answers("hospital 4", ["code 1", "an answer that nobody gives"])
        state = load_institution(prior, library, "hospital 4")
        fitted, unlisted = adapt(prior, library, "hospital 4").fit, prior_log_weights(prior.transfer, range(4))
    known = {"code 1", *(one.output for one in NEW[:2])}
    assert np.allclose(fitted.standing, unlisted + sharing(state.pool, range(4), known))
    assert state.listed is not None
    assert {one for one, there in zip(state.pool.answers, state.listed, strict=True) if there} == known
    assert fitted.listed is not None
    assert fitted.listed.tolist() == state.listed.tolist()


def test_an_answer_that_is_not_listed_counts_next_to_nothing(tmp_path: Path) -> None:
    """Answers outside of an institution's list are a last resort, for it alone."""
    with filled(tmp_path / "library.db", PAST) as library:
        prior = teach(library)
        library.list_answers("hospital 4", ["code 1"])
        answers = load_institution(prior, library, "hospital 4").pool.answers
        texts = profile_of(library, prior, "hospital 4", QUERIES)
        fitted = adapt(prior, library, "hospital 4").fit
        other = adapt(prior, library, "another").fit
    bound, free = (answer_scores(one, texts, every_answer(texts)) for one in (fitted, replace(fitted, listed=None)))
    outside = [number for number, answer in enumerate(answers) if answer != "code 1"]
    assert np.allclose(bound[:, outside], free[:, outside] * UNLISTED)
    assert np.array_equal(bound[:, answers.index("code 1")], free[:, answers.index("code 1")])
    assert other.listed is None


def test_another_list_makes_an_old_posterior_stale(place: str) -> None:
    """The digest is of the list too: a selector computes anew where answers were listed, or forgotten, since."""
    with filled(place, PAST) as library:
        prior = teach(library)
        found = []
        for listed in ([], ["code 1"], ["code 1", "code 3"], []):
            library.list_answers("hospital 4", listed)
            found.append(adapt(prior, library, "hospital 4"))
            assert Selector(library, found[-1]).posterior() is found[-1]
            fresh = Selector(library, found[0]).posterior()
            assert same(fresh, found[-1])
    assert len({one.digest for one in found}) == 3
    assert same(found[0], found[-1])


def test_no_posterior_is_an_error(place: str) -> None:
    """An institution that was never adapted to is named, with the command that does it."""
    with filled(place, PAST) as library:
        save_prior(library, teach(library))
        with pytest.raises(NotFoundError, match="metachain adapt"):
            load_posterior(library, "hospital 4")
        library.save("posterior of hospital 4", {"format": "metachain-posterior/99"}, {})
        with pytest.raises(LibraryError, match=r"metachain-posterior/99.*adapt again"):
            load_posterior(library, "hospital 4")


def test_a_posterior_of_an_earlier_prior_is_not_used(place: str) -> None:
    """Where the library was learned from again, selecting uses a posterior of what was learned last."""
    with filled(place, MADE) as library:
        save_prior(library, teach(library, None))
        save_posterior(library, adapt(teach(library, None), library, "hospital 4"))
        save_prior(library, teach(library, LEARNED))
        selector = Selector(library, load_posterior(library, "hospital 4"))
        fresh = adapt(teach(library, LEARNED), library, "hospital 4")
        assert selector.posterior().method == "metachain"
        assert selector.posterior().fit.settings == LEARNED
        assert np.allclose(selector.posterior().fit.weights, fresh.fit.weights)
