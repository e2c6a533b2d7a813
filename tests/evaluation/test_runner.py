"""What held-out institutions share is measured once, and learned once for each set of past institutions."""

import numpy as np
import pytest
from oracles import BagOfWords, hospitals, scrambled
from scipy.sparse import csr_array

from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.evaluation.runner import SharedMeasurements
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.learning.prior import run_guard, transfer_matrix
from metachain.learning.transfer import prior_log_weights, redundancy, screening
from metachain.selection.baselines import bm25_weights, word_counts

PAST = np.array([0, 1, 2, 4])


@pytest.fixture(scope="module")
def study() -> NeighbourTable:
    """Six hospitals, one of which has its answers mixed up."""
    made = scrambled(hospitals(6, 20, seed=3), "hospital 1")
    texts = [one.input for one in made]
    pool = make_pool(made, hybrid_vectors(BagOfWords().encode(texts), lexical_vectors(texts)))
    return NeighbourTable.of(pool, np.arange(len(made)))


def same(one: csr_array, other: csr_array) -> bool:
    """Whether two matrices hold the same numbers."""
    return np.array_equal(one.toarray(), other.toarray())


def test_a_ground_is_of_its_past_alone(study: NeighbourTable) -> None:
    """Weights, lesson and word statistics are those of the past institutions, whatever else the pool holds."""
    known = SharedMeasurements.of(study).knowledge(PAST)
    transfer, pool = transfer_matrix(study), study.pool
    assert np.array_equal(known.redundancy, redundancy(transfer, PAST))
    assert np.array_equal(known.screening, screening(transfer, PAST))
    assert np.array_equal(known.log_weights, prior_log_weights(transfer, PAST))
    assert known.screening.any()
    lesson = run_guard(study, transfer, PAST)
    assert np.array_equal(known.lesson.scores, lesson.scores)
    assert (known.lesson.settings, known.lesson.labelled) == (lesson.settings, lesson.labelled)
    words = word_counts([one.input for one in pool.demonstrations])
    rows = [row for row in range(len(pool.owner)) if pool.owner[row] in PAST]
    assert same(known.words, words)
    assert same(known.bm25, bm25_weights(words, np.array(rows)))
    assert known.rows.tolist() == rows
    assert not hasattr(known, "query")


def test_the_same_past_is_learned_from_once(study: NeighbourTable) -> None:
    """Asking again for the same institutions gives the same known, for others another; ``learn`` keeps nothing."""
    bench = SharedMeasurements.of(study)
    known = bench.knowledge(PAST)
    assert bench.knowledge(PAST.copy()) is known
    assert bench.knowledge(PAST[:3]) is not known
    assert bench.learn(PAST) is not known
    assert bench.knowledge(PAST) is known
