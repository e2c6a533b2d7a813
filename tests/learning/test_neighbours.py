"""Looking rows up once, and random state that belongs to a name."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, BagOfWords, briefly, hospitals, random_pool

from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.learning.episodes import rng_for
from metachain.learning.index import InstitutionIndex
from metachain.learning.neighbours import NEIGHBOURS, NeighbourTable
from metachain.learning.pool import make_pool
from metachain.learning.reply_profile import reply_profile


@given(SEEDS, st.data())
@briefly
def test_a_study_finds_what_the_index_finds(seed: int, data: st.DataObject) -> None:
    """Rows looked up beforehand, in any order and twice, have the neighbours of a search of their own."""
    pool = random_pool(seed, [5, 1, 9])
    rows = data.draw(st.lists(st.integers(0, 14), min_size=1))
    past = data.draw(st.lists(st.integers(0, 2), min_size=1, unique=True))
    near = NeighbourTable.of(pool, np.array(rows)).near(np.array(rows), past)
    expected = InstitutionIndex(pool).nearest(pool.vectors[rows], NEIGHBOURS).take(slice(None), past)
    assert np.array_equal(near.rows, expected.rows)
    assert np.array_equal(near.similarity, expected.similarity)


def test_an_index_of_the_first_institutions_is_searched_alone() -> None:
    """With an index of some institutions, rows of others are looked up in these and in nothing else."""
    made = hospitals(3, 12)
    vectors = BagOfWords().encode([one.input for one in made])
    shared, own = make_pool(made[:24], vectors[:24]), make_pool(made[24:], vectors[24:])
    pool = shared.followed_by(make_pool(made[24:], vectors[24:], shared.answers))
    rows = np.array([30, 25])
    near = NeighbourTable.of(pool, rows, index=InstitutionIndex(shared)).near(rows, [0, 1])
    expected = InstitutionIndex(shared).nearest(own.vectors[rows - 24], NEIGHBOURS)
    assert np.array_equal(near.rows, expected.rows)
    assert np.array_equal(near.similarity, expected.similarity)
    assert near.rows.max() < 24


def test_a_study_profiles_over_the_institutions_asked() -> None:
    """The profile over some institutions is that of their neighbours."""
    pool = random_pool(1, [5, 4, 9])
    study, rows, past = NeighbourTable.of(pool, np.arange(18)), np.array([3, 11]), np.array([0, 2])
    expected = reply_profile(study.near(rows, past), pool.answer, len(pool.answers))
    assert np.array_equal(study.profile(rows, past).replies.toarray(), expected.replies.toarray())
    assert study.profile(rows, past).coverage.shape == (2, 2)


def test_without_letters_the_nearest_are_those_of_the_dense_embedding() -> None:
    """``dense_only`` finds the nearest of every institution by dense cosine alone, for the rows looked up before."""
    made = hospitals(3, 12)
    dense, texts = BagOfWords().encode([one.input for one in made]), [one.input for one in made]
    pool = make_pool(made, hybrid_vectors(dense, lexical_vectors(texts)))
    vector = {(one.institution, one.id): row for one, row in zip(made, dense, strict=True)}
    own = [vector[one.institution, one.id] for one in pool.demonstrations]
    rows = np.array([5, 1, 30])
    study = NeighbourTable.of(pool, rows)
    near = study.dense_only.near(rows, [0, 1, 2])
    for row, found, similarity in zip(rows, near.rows, near.similarity, strict=True):
        for institution in range(3):
            cosines = [
                sum(float(a) * float(b) for a, b in zip(own[row], own[one], strict=True)) for one in found[institution]
            ]
            best = sorted((float(own[row] @ own[one]) for one in pool.rows[institution]), reverse=True)[:NEIGHBOURS]
            assert np.allclose(similarity[institution], best, atol=2e-5)
            assert np.allclose(cosines, best, atol=2e-5)
            assert len(set(found[institution])) == NEIGHBOURS
    assert not np.array_equal(near.rows, study.near(rows, [0, 1, 2]).rows)
    assert np.array_equal(study.pool.vectors, pool.vectors)


def test_progress_ends_with_everything_done() -> None:
    """Searching reports from nothing done to all of it done."""
    told: list[tuple[str, int, int]] = []
    NeighbourTable.of(random_pool(2, [5, 4]), np.arange(9), lambda *step: told.append(step))
    assert told[0][1:] == (0, 9)
    assert told[-1][1:] == (9, 9)


def test_random_state_belongs_to_a_name_and_its_seeds() -> None:
    """The same name and seeds draw the same, another name or another seed draws something else."""

    def drawn(name: str, *seeds: int) -> list[int]:
        return rng_for(name, *seeds).integers(10**9, size=4).tolist()

    assert drawn("Ōtautahi 🏥", 1) == drawn("Ōtautahi 🏥", 1)
    keys = (("north", 0), ("north", 1), ("south", 0), ("north",), ("north", 0, 1), ("north", 1000, 0))
    assert len({tuple(drawn(*key)) for key in keys}) == len(keys)
