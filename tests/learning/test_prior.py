"""What is learned from a library: who transfers to whom, and whether learning pays."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp
from pathlib import Path

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import BagOfWords, filled, hospitals, rarely

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError, LibraryError, NotFoundError
from metachain.learning.artifacts import load_prior, save_prior
from metachain.learning.calibration import Calibration
from metachain.learning.episodes import LABELS
from metachain.learning.gaussian_process import Settings
from metachain.learning.guard import ARMS
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.prior import GuardResult, Prior, learn, run_guard, transfer_matrix
from metachain.learning.shared_past import pool_of
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

MADE = hospitals(4, 16)


def learned(path: Path, demonstrations: Sequence[Demonstration]) -> Prior:
    """What a fresh library of some demonstrations teaches."""
    with filled(path, demonstrations) as library:
        return learn(library)


def same(one: Prior, other: Prior) -> bool:
    """Whether two priors are the same, byte for byte."""
    return (
        (one.institutions, one.fingerprint) == (other.institutions, other.fingerprint)
        and one.transfer.tobytes() == other.transfer.tobytes()
        and one.lesson.scores.tobytes() == other.lesson.scores.tobytes()
        and (one.lesson.settings, one.lesson.trusts_consensus) == (other.lesson.settings, other.lesson.trusts_consensus)
        and (one.lesson.unlabelled, one.lesson.labelled) == (other.lesson.unlabelled, other.lesson.labelled)
    )


def test_the_same_library_teaches_the_same_bytes(tmp_path: Path) -> None:
    """Learning twice, from two files, gives the same prior, byte for byte."""
    assert same(learned(tmp_path / "one.db", MADE), learned(tmp_path / "other.db", MADE))


@given(st.permutations(MADE))
@rarely
def test_the_order_of_adding_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, made: list[Demonstration]
) -> None:
    """However demonstrations are ordered when added, what is learned is the same, byte for byte."""
    folder = tmp_path_factory.mktemp("order")
    assert same(learned(folder / "one.db", made), learned(folder / "other.db", MADE))


def test_names_of_groups_are_not_read(tmp_path: Path) -> None:
    """``metadata.group`` is for evaluation alone: without it the same is learned."""
    bare = [replace(one, metadata={}) for one in MADE]
    assert same(learned(tmp_path / "one.db", MADE), learned(tmp_path / "other.db", bare))


def test_the_transfer_matrix_asks_every_institution_about_every_items(tmp_path: Path) -> None:
    """P[u, s] is the familiarity-weighted mean share of the right answer in s's replies to u's items."""
    with filled(tmp_path / "library.db", MADE) as library:
        pool, prior = pool_of(library, library.demonstrations()), learn(library)
    told = oracles.replies(NeighbourTable.of(pool, np.arange(len(pool.owner))).neighbours, pool.answer)
    for u in range(4):
        for s in range(4):
            weights = [exp((told[row].coverage[s] - 1) / 0.25) for row in pool.rows[u]]
            shares = [told[row].shares[s].get(int(pool.answer[row]), 0.0) for row in pool.rows[u]]
            expected = sum(w * g for w, g in zip(weights, shares, strict=True)) / sum(weights)
            assert prior.transfer[u, s] == pytest.approx(expected)


def test_like_systems_transfer_better(tmp_path: Path) -> None:
    """Hospitals of one system answer each other's inputs better than those of another system."""
    transfer = learned(tmp_path / "library.db", hospitals(4, 40)).transfer
    assert min(transfer[0, 2], transfer[2, 0], transfer[1, 3], transfer[3, 1]) > max(transfer[0, 1], transfer[2, 3])


def test_the_lesson_knows_nothing_of_institutions_outside(tmp_path: Path) -> None:
    """What is learned from some institutions doesn't depend on what the others answer."""
    lessons: list[GuardResult] = []
    for number, made in enumerate(
        (MADE, [_scrambled(one) if one.institution == "hospital 3" else one for one in MADE])
    ):
        with filled(tmp_path / f"{number}.db", made) as library:
            study = NeighbourTable.of(pool_of(library, library.demonstrations()), np.arange(len(made)))
        lessons.append(run_guard(study, transfer_matrix(study), np.array([0, 1, 2])))
    assert lessons[0].scores.tobytes() == lessons[1].scores.tobytes()
    assert lessons[0].settings == lessons[1].settings


def _scrambled(one: Demonstration) -> Demonstration:
    outputs = sorted({each.output for each in MADE})
    return replace(one, output=outputs[(outputs.index(one.output) + 1) % len(outputs)])


@pytest.mark.parametrize(("count", "held"), [(0, "none"), (1, r"1 \(hospital 0\)")])
def test_one_institution_is_too_few(tmp_path: Path, count: int, held: str) -> None:
    """With nobody to compare with nothing can be learned, and the error says who is there."""
    with filled(tmp_path / "library.db", hospitals(count, 8)) as library:
        for minimum in (2, 3):
            with pytest.raises(DataError, match=rf"at least {minimum} institutions, .* there are {held}\. Add some$"):
                learn(library, minimum=minimum)


def test_institutions_of_one_demonstration_can_be_learned_from(tmp_path: Path) -> None:
    """They can't rehearse, so the guard keeps nearest neighbours; their transfer is known all the same."""
    prior = learned(tmp_path / "library.db", hospitals(3, 1))
    assert prior.transfer.shape == (3, 3)
    assert np.isfinite(prior.transfer).all()
    assert (prior.lesson.settings, prior.lesson.trusts_consensus) == (None, False)
    assert prior.lesson.scores.shape == (len(LABELS), len(ARMS))


def test_identical_texts_can_be_learned_from(tmp_path: Path) -> None:
    """Where all texts are the same nothing breaks."""
    made = [replace(one, input="the same text") for one in hospitals(3, 12)]
    assert np.isfinite(learned(tmp_path / "library.db", made).transfer).all()


def test_a_prior_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """Saving and loading, with and without learned settings, changes no byte."""
    with filled(tmp_path / "library.db", MADE) as library:
        prior = learn(library)
        for settings in (None, Settings(0.1, 0.3, 0.2, intercept=1.0, usage=0.5, vote=0.4)):
            bent = {"unlabelled": Calibration(-0.5, 0.7), "labelled": Calibration(0.25, 1.5)}
            kept = replace(prior, lesson=replace(prior.lesson, settings=settings, **bent))
            save_prior(library, kept)
            assert same(load_prior(library), kept)


def test_probabilities_are_calibrated_with_labels_and_without(tmp_path: Path) -> None:
    """A lesson has one calibration for institutions without labels, and another for those that have any."""
    lesson = learned(tmp_path / "library.db", hospitals(4, 40)).lesson
    assert lesson.unlabelled != lesson.labelled
    assert [lesson.calibration(k) for k in (0, 1, 16)] == [lesson.unlabelled, lesson.labelled, lesson.labelled]


def test_no_prior_is_an_error(tmp_path: Path) -> None:
    """A library that was never learned from says so."""
    with filled(tmp_path / "library.db", MADE) as library, pytest.raises(NotFoundError, match="prior"):
        load_prior(library)


def test_another_encoders_prior_is_refused(tmp_path: Path) -> None:
    """A prior belongs to the encoder it was learned with."""
    with filled(tmp_path / "library.db", MADE) as library:
        save_prior(library, learn(library))

    class Other(BagOfWords):
        fingerprint = "another/1"

    with Library.open(tmp_path / "library.db", Other()) as library, pytest.raises(LibraryError, match="bag-of-words/1"):
        load_prior(library)


def test_a_prior_of_another_format_is_refused(tmp_path: Path) -> None:
    """A format of the future is named, with what to do."""
    with filled(tmp_path / "library.db", MADE) as library:
        library.save("prior", {"format": "metachain-prior/99"}, {})
        with pytest.raises(LibraryError, match=r"metachain-prior/99.*learn again"):
            load_prior(library)


def test_who_does_not_share_is_named(tmp_path: Path) -> None:
    """Where too few share, the error says that others of the library have no rule that lets it learn from them."""
    with Library.open(tmp_path / "x.db", BagOfWords()) as library:
        library.add(hospitals(4, 8))
        with pytest.raises(DataError, match=r"4 of the library have no rule .*'hospital 0': metachain share"):
            learn(library)
        library.sharing.state_all({f"hospital {number}": [EVERYONE] for number in range(3)})
        assert learn(library).institutions == ("hospital 0", "hospital 1", "hospital 2")
