"""On a generated world, bare scores of the chain's own answers make later answers better, and corrections more so."""

import numpy as np
from stage import studied

from benchmarks.learning.soft_labels import answers, held_out
from metachain.evaluation.runner import SharedMeasurements
from metachain.learning.episodes import split
from metachain.learning.neighbours import NeighbourTable

GIVEN, ASKED = 16, 100
NONE = np.zeros(0, np.intp)


def test_scores_help_and_corrections_help_more() -> None:
    """Sixteen scores, of answers given before anything was known, gain over none, and sixteen corrections more."""
    pool = studied()[0].pool
    bench = SharedMeasurements.of(NeighbourTable.of(pool, np.arange(len(pool.owner))))
    right = np.zeros((len(pool.institutions), 3))
    for target in range(len(right)):
        taught = bench.knowledge(np.delete(np.arange(len(right)), target))
        asked, query = split(pool, target, GIVEN, ASKED, 0)
        said = answers(held_out(taught, target, asked), NONE)
        score = said == pool.answer[asked]
        queries = held_out(taught, target, query)
        ways = answers(queries, NONE), answers(queries, NONE, asked, said, score), answers(queries, asked)
        right[target] = [(way == pool.answer[query]).mean() for way in ways]
    none, scored, corrected = right.mean(axis=0)
    assert scored > none + 0.03
    assert corrected > scored
