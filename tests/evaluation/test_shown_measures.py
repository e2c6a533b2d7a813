"""Measures of the demonstrations shown, against a slow and obvious count."""

import numpy as np
import pytest
from oracles import BagOfWords

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.evaluation.scorers import LabelScorer, TextScorer, scorer_for
from metachain.evaluation.shown_measures import ShownMeasures
from metachain.learning.pool import Pool, make_pool
from metachain.scoring.metrics import METRICS

CODES = [(f"text {place} of {place % 7}", f"code {place % 4}") for place in range(24)]
NOTES = [(text, f"{code} is seen in visit {place} of them") for place, (text, code) in enumerate(CODES)]
QUERY = np.arange(6)


def pool_of(pairs: list[tuple[str, str]]) -> Pool:
    """One institution's pairs, in this order."""
    texts = [text for text, _ in pairs]
    made = [Demonstration("h", *pair, id=f"{place:03}") for place, pair in enumerate(pairs)]
    return make_pool(made, hybrid_vectors(BagOfWords().encode(texts), lexical_vectors(texts)))


@pytest.mark.parametrize("pairs", [CODES, NOTES], ids=["labels", "texts"])
@pytest.mark.parametrize("seed", range(3))
def test_measures_are_counts_of_what_is_shown(pairs: list[tuple[str, str]], seed: int) -> None:
    """The best output, the number of distinct ones and that of demonstrations, query by query; gaps don't count."""
    shown = np.random.default_rng(seed).integers(-1, len(pairs), (6, 5))
    pool = pool_of(pairs)
    found = ShownMeasures.of(pool, scorer_for(pool), QUERY, shown)
    outputs = [[pairs[row][1] for row in rows if row >= 0] for rows in shown.tolist()]
    assert found.shots == sum(map(len, outputs)) / 6
    assert found.distinct == sum(len(set(several)) for several in outputs) / 6
    for name, best in found.best.items():
        score = METRICS[name]
        expected = [max(score(one, pairs[query][1]) for one in outputs[query]) for query in range(6)]
        assert best.tolist() == pytest.approx(expected)
    assert tuple(found.best) == scorer_for(pool).metrics


@pytest.mark.parametrize("pairs", [CODES, NOTES], ids=["labels", "texts"])
@pytest.mark.parametrize("shown", [np.zeros((6, 0), int), np.full((6, 3), -1)], ids=["no room", "gaps"])
def test_nothing_shown_measures_nothing(pairs: list[tuple[str, str]], shown: np.ndarray) -> None:
    """All measures are 0."""
    pool = pool_of(pairs)
    found = ShownMeasures.of(pool, scorer_for(pool), QUERY, shown)
    assert (found.shots, found.distinct) == (0, 0)
    assert all(best.tolist() == [0.0] * 6 for best in found.best.values())


def test_the_best_label_is_the_same_by_either_way() -> None:
    """Numbers of answers compared, and answers compared as texts."""
    pool = pool_of(CODES)
    shown = np.random.default_rng(0).integers(-1, len(CODES), (6, 4))
    numbers = LabelScorer(pool).best(QUERY, shown)
    texts = TextScorer(pool, ("exact_match",), writes=False).best(QUERY, shown)
    assert numbers["exact_match"].tolist() == texts["exact_match"].tolist()
    assert set(numbers["exact_match"]) == {0.0, 1.0}
