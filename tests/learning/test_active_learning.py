"""What to label next, against re-computations from scratch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import (
    SEEDS,
    Replies,
    attention,
    briefly,
    consensus,
    filled,
    hospitals,
    kernel,
    note_writers,
    random_meaning,
    random_pool,
    random_profile,
    scrambled,
)
from scipy.sparse import csr_array

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.errors import DataError
from metachain.learning.active_learning import Suggestion, suggest_labels
from metachain.learning.experimental_design import Departures, InnerProducts, design
from metachain.learning.index import InstitutionIndex
from metachain.learning.posterior import adapt
from metachain.learning.prior import Prior, learn
from metachain.learning.reply_profile import co_treatment_features, reply_profile
from metachain.learning.shared_past import pool_of
from metachain.learning.transfer import prior_log_weights
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

NEW = "hospital 4"


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Library, Prior]]:
    """Four past hospitals, and what they teach; not to be added to."""
    past = [one for one in hospitals() if one.institution != NEW]
    with filled(tmp_path_factory.mktemp("learned") / "hospitals.db", past) as library:
        yield library, learn(library)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Twenty inputs of the new hospital."""
    return [one.input for one in hospitals() if one.institution == NEW]


def chosen(learned: tuple[Library, Prior], texts: Sequence[str], budget: int) -> tuple[Suggestion, ...]:
    """Suggestions to a hospital without labels."""
    library, prior = learned
    return suggest_labels(library, adapt(prior, library, NEW), texts, budget)


def remaining(kin: NDArray[Any], truth: NDArray[Any], counts: NDArray[Any], observed: Sequence[int]) -> float:
    """Error left by kriging from scratch from all that was observed."""
    predictor = np.eye(len(kin))
    if observed:
        own = 3.0 * kin[np.ix_(observed, observed)] + 0.3 * np.eye(len(observed))
        predictor[:, observed] -= 3.0 * kin[:, observed] @ np.linalg.inv(own)
    return float(sum(counts[q] * predictor[q] @ truth @ predictor[q] for q in range(len(kin))))


def departures(texts: Sequence[Replies], log_weights: Sequence[float], answers: int) -> NDArray[Any]:
    """Half of the truth's covariance: how past institutions depart from their consensus, of all pairs."""
    means = [consensus(text, attention(text, log_weights), answers) for text in texts]
    total = np.zeros((len(texts), len(texts)))
    for i, one in enumerate(texts):
        for j, other in enumerate(texts):
            for s, log_weight in enumerate(log_weights):
                trust = np.exp(log_weight + (one.coverage[s] - 1) / 0.5 + (other.coverage[s] - 1) / 0.5)
                for y in range(answers):
                    away = one.shares[s].get(y, 0.0) - means[i][y]
                    total[i, j] += trust * away * (other.shares[s].get(y, 0.0) - means[j][y])
    return total


@briefly
@given(SEEDS, st.booleans())
def test_the_truth_is_expected_to_vary_as_the_formula_says(seed: int, text: bool) -> None:
    """The departures' inner products are the loops' departures of past institutions, plus co-treatment."""
    meaning = random_meaning(seed) if text else None
    profile, told = random_profile(seed, random_pool(seed, [5, 9, 3]), 6, meaning=meaning)
    log_weights = -np.abs(np.random.default_rng(seed).normal(size=3))
    found = Departures.of(profile, log_weights)
    expected = departures(told, log_weights.tolist(), profile.answers)
    size = np.trace(expected) / len(told)
    if size > 1e-12:
        np.testing.assert_allclose(
            found.between(np.arange(len(told))),
            expected / size + kernel(told, told),
            rtol=1e-6,
            atol=1e-5 if text else 1e-9,
        )


@briefly
@given(SEEDS)
def test_the_truth_varies_between_some_as_between_all(seed: int) -> None:
    """Of some rows, in any order, the covariance is that of all; its own is the diagonal; pieces make no difference."""
    profile, _ = random_profile(seed, random_pool(seed, [5, 9, 3]), 7)
    found = Departures.of(profile, -np.abs(np.random.default_rng(seed).normal(size=3)))
    every = found.between(np.arange(7))
    np.testing.assert_allclose(found.own, np.diag(every), atol=1e-9)
    some = np.random.default_rng(seed).permutation(7)[:3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metachain.learning.experimental_design.WRITTEN_OUT", 1)
        np.testing.assert_allclose(found.between(some), every[some], atol=1e-9)


@briefly
@given(SEEDS)
def test_nothing_departs_where_all_answer_alike(seed: int) -> None:
    """Then no rounding is taken for a departure: what is left is co-treatment."""
    profile, _ = random_profile(seed, random_pool(seed, [5, 9, 3], answers=1), 6)
    found = Departures.of(profile, -np.abs(np.random.default_rng(seed).normal(size=3)))
    np.testing.assert_array_equal(found.between(np.arange(6)), InnerProducts(found.kin).between(np.arange(6)))


@briefly
@given(SEEDS)
def test_each_choice_is_the_best_by_kriging_anew(seed: int) -> None:
    """Every text chosen removes most error among all that were free, as kriging from scratch for each candidate finds.

    Texts observed before count as observed, and the gain is the share of what remained.
    """
    rng = np.random.default_rng(seed)
    profile, _ = random_profile(seed, random_pool(seed, [5, 9, 3]), 9)
    features, errors = InnerProducts(co_treatment_features(profile)), Departures.of(profile, np.zeros(3))
    kin, truth = features.between(np.arange(9)), errors.between(np.arange(9))
    counts, free = rng.integers(1, 4, 9).astype(float), rng.random(9) < 0.8
    observed = np.flatnonzero(~free).tolist()
    for x, gain in design(features, errors, counts, free, 4):
        before = remaining(kin, truth, counts, observed)
        open_ones = [one for one in range(9) if free[one] and one not in observed]
        shares = {one: 1 - remaining(kin, truth, counts, [*observed, one]) / before for one in open_ones}
        assert shares[x] == pytest.approx(max(shares.values()), abs=1e-8)
        assert gain == pytest.approx(max(shares[x], 0.0), abs=1e-8)
        observed.append(x)


def test_with_very_many_texts_the_error_is_summed_over_some() -> None:
    """With more texts than references, the asked number of different texts is still chosen."""
    rng = np.random.default_rng(0)
    rows = InnerProducts(csr_array(rng.random((1100, 6))))
    found = design(rows, rows, np.ones(1100), np.ones(1100, bool), 5)
    assert len({x for x, _ in found}) == 5
    assert all(0 < gain <= 1 for _, gain in found)


@pytest.mark.parametrize("taken_out", [False, True])
def test_one_at_a_time_is_the_same_as_a_batch(
    tmp_path: Path, learned: tuple[Library, Prior], texts: list[str], taken_out: bool
) -> None:
    """Asking, labelling and asking again names the same texts, whatever the answers, kept in the list or taken out."""
    batch = chosen(learned, texts, 5)
    past = [one for one in hospitals() if one.institution != NEW]
    with filled(tmp_path / "x.db", past) as library:
        prior, left, found = learn(library), list(texts), []
        for turn in range(5):
            (one,) = suggest_labels(library, adapt(prior, library, NEW), left, 1)
            found.append(one)
            library.add([Demonstration(NEW, one.text.upper(), f"a code never seen {turn}")], share=EVERYONE)
            if taken_out:
                left.remove(one.text)
    assert [one.text for one in found] == [one.text for one in batch]
    assert [one.gain for one in found] == pytest.approx([one.gain for one in batch], abs=1e-6)


@pytest.mark.parametrize("made", [scrambled(hospitals(6), "hospital 1"), note_writers(6)], ids=["labels", "texts"])
def test_suggestions_are_the_design_among_the_institutions_that_stand(
    tmp_path: Path, made: list[Demonstration]
) -> None:
    """The texts named are those of the design by replies of the past, each institution weighing what it stands for."""
    asked = sorted(one.input for one in made if one.institution == NEW)
    with filled(tmp_path / "x.db", [one for one in made if one.institution != NEW]) as library:
        prior = learn(library)
        past = pool_of(library, library.demonstrations())
        found = suggest_labels(library, adapt(prior, library, NEW), asked, 6)
        vectors = hybrid_vectors(library.encoder.encode(asked), lexical_vectors(asked))
    near = InstitutionIndex(past).nearest(vectors, 8)
    profile = reply_profile(near, past.answer, len(past.answers), past.meaning)
    errors = Departures.of(profile, prior_log_weights(prior.transfer, range(5)))
    ones = np.ones(len(asked))
    expected = design(InnerProducts(co_treatment_features(profile)), errors, ones, ones.astype(bool), 6)
    assert [one.text for one in found] == [asked[x] for x, _ in expected]
    assert [one.gain for one in found] == pytest.approx([gain for _, gain in expected], abs=1e-5)


def test_order_of_the_texts_plays_no_part(learned: tuple[Library, Prior], texts: list[str]) -> None:
    """The same texts in another order give the same suggestions, to the last bit."""
    shuffled = np.random.default_rng(1).permutation(np.array(texts, object)).tolist()
    assert chosen(learned, shuffled, 6) == chosen(learned, texts, 6)


def test_a_text_given_twice_is_suggested_once(learned: tuple[Library, Prior], texts: list[str]) -> None:
    """Texts that differ in letter case and white space only are one; a budget beyond all texts names each once."""
    found = chosen(learned, [*texts, *texts, f"  {texts[0].upper()} "], 100)
    assert sorted(one.text.strip().lower() for one in found) == sorted(texts)


def test_a_text_that_comes_often_counts_more(learned: tuple[Library, Prior], texts: list[str]) -> None:
    """A text given a thousand times among others is the first to be labelled."""
    last = chosen(learned, texts, 20)[-1].text
    assert chosen(learned, [*texts, *[last] * 1000], 1)[0].text == last


def test_labelled_texts_are_never_suggested(tmp_path: Path, learned: tuple[Library, Prior], texts: list[str]) -> None:
    """What the institution has labelled is not suggested, in whatever spelling; when all is labelled nothing is."""
    past = [one for one in hospitals() if one.institution != NEW]
    with filled(tmp_path / "x.db", [*past, *(Demonstration(NEW, text, "code") for text in texts[:18])]) as library:
        posterior = adapt(learned[1], library, NEW)
        found = suggest_labels(library, posterior, [text.upper() for text in texts], 20)
        assert sorted(one.text.lower() for one in found) == sorted(texts[18:])
        assert suggest_labels(library, posterior, texts[:18], 3) == ()


def test_nothing_asked_nothing_said(learned: tuple[Library, Prior], texts: list[str]) -> None:
    """A budget of 0, or no text at all, gives no suggestion."""
    assert chosen(learned, texts, 0) == ()
    assert chosen(learned, [], 3) == ()


def test_reasons_say_what_a_label_is_good_for(learned: tuple[Library, Prior], texts: list[str]) -> None:
    """Gains are shares, and a reason tells whether past institutions agree and whom else the answer speaks for."""
    for one in chosen(learned, texts, 20):
        assert 0 <= one.gain <= 1
        assert one.reason.startswith(("past institutions agree on it (", "past institutions don't all agree on it ("))
        assert "speaks for" in one.reason or "no other text is answered like it" in one.reason
        assert "\n" not in one.reason


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (["knee", "  "], r"'texts\[1\]' is blank"),
        ([3], r"'texts\[0\]' must be a string, got a number"),
        (["knee", "x", None], r"'texts\[2\]' must be a string, got null"),
        ("knee", "a list of texts, got a single string"),
    ],
)
def test_a_bad_text_is_named_by_its_position(learned: tuple[Library, Prior], bad: Any, message: str) -> None:
    """A blank text, or something that is none, is a DataError that says where it stands."""
    with pytest.raises(DataError, match=message):
        chosen(learned, bad, 1)


@pytest.mark.parametrize("budget", [-1, 1.5, True, "8"])
def test_a_budget_is_a_whole_number(learned: tuple[Library, Prior], texts: list[str], budget: Any) -> None:
    """A budget that is negative or no whole number is a DataError."""
    with pytest.raises(DataError, match="budget must be a whole number"):
        chosen(learned, texts, budget)
