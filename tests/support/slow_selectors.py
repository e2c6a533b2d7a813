"""Slow, obvious oracles of the selectors' choices in an evaluation."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import oracles
import pytest
from oracles import BagOfWords, Known, hospitals, note_writers

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text
from metachain.evaluation.selectors import Episode, Ground
from metachain.learning.calibration import Calibration
from metachain.learning.episodes import rng_for
from metachain.learning.gaussian_process import Settings
from metachain.learning.index import InstitutionIndex, Neighbours
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.learning.prior import GuardResult, transfer_matrix
from metachain.learning.ranking import twins
from metachain.learning.transfer import redundancy, screening
from metachain.selection.baselines import bm25_weights, word_counts

__all__ = [
    "LABELLED",
    "MADE",
    "NOTES",
    "QUERY",
    "SETTINGS",
    "SUPPORT",
    "TARGET",
    "UNLABELLED",
    "candidates",
    "dense_of",
    "episode_of",
    "ground_of",
    "labels",
    "slow_choice",
    "slow_plausible",
]
SETTINGS = Settings(0.3, 1.0, 0.05, intercept=0.5)
UNLABELLED, LABELLED = Calibration(0.2, 0.7), Calibration(-0.3, 0.8)
MADE = hospitals(4, 20, seed=3)
NOTES = note_writers(4, 20, seed=3)
TARGET = "hospital 3"
SUPPORT, QUERY = slice(0, 6), slice(6, 20)


def candidates(episode: Episode) -> list[int]:
    """Candidate rows: the labels, then the past."""
    pool = episode.ground.study.pool
    return episode.support.tolist() + [row for row in range(len(pool.owner)) if pool.owner[row] in episode.ground.past]


labels = pytest.mark.parametrize("k", [0, 1, 6])


def ground_of(
    demonstrations: Sequence[Demonstration], dense: np.ndarray, settings: Settings | None = SETTINGS
) -> Ground:
    """Make the target's ground, with its later demonstrations as queries; ``dense`` (n, d) for ``demonstrations``."""
    lexical = lexical_vectors([one.input for one in demonstrations])
    pool = make_pool(demonstrations, hybrid_vectors(dense, lexical))
    study = NeighbourTable.of(pool, np.arange(len(pool.owner)))
    transfer, target = transfer_matrix(study), pool.institutions.index(TARGET)
    past = np.array([number for number in range(len(pool.institutions)) if number != target])
    words = word_counts([normalise_text(one.input) for one in pool.demonstrations])
    return Ground(
        study,
        past,
        pool.rows[target][QUERY],
        redundancy(transfer, past),
        screening(transfer, past),
        GuardResult(settings, settings is not None, np.zeros((0, 0)), UNLABELLED, LABELLED),
        bm25_weights(words, np.flatnonzero(pool.owner != target)),
        words,
        twins(pool.demonstrations),
    )


def dense_of(demonstrations: Sequence[Demonstration]) -> np.ndarray:
    """Vectors of the tiny encoder."""
    return BagOfWords().encode([one.input for one in demonstrations])


def episode_of(ground: Ground, k: int, shots: int = 5) -> Episode:
    """Make the episode with the target's first k labels."""
    support = ground.study.pool.rows[ground.study.pool.institutions.index(TARGET)][SUPPORT][:k]
    return Episode(ground, support, shots, rng_for(TARGET))


def slow_plausible(
    episode: Episode,
    taught: int,
    *,
    settings: Settings = SETTINGS,
    standing: Sequence[float] | None = None,
    pooled: bool = False,
    listed: list[bool] | None = None,
) -> list[list[float]]:
    """Steps A to F, query by query, from ``taught`` labels: the probability of every candidate of ``episode.nearby``.

    With ``pooled`` all past rows are one institution's.
    """
    ground = episode.ground
    pool, own = ground.study.pool, episode.support.tolist()
    past_rows = [row for row in candidates(episode) if row not in own]
    others = [
        replace(pool.demonstrations[row], institution="everybody", id=str(row).zfill(5))
        if pooled
        else pool.demonstrations[row]
        for row in past_rows
    ]
    past = make_pool(others, pool.vectors[past_rows], pool.answers)
    asked = np.concatenate([ground.query, episode.support]).astype(int)
    every = InstitutionIndex(past).nearest(pool.vectors[asked], len(others))
    told = oracles.replies(Neighbours(every.rows[:, :, :8], every.similarity[:, :, :8]), past.answer, pool.meaning)
    texts, support = told[: len(ground.query)], told[len(ground.query) :]
    if standing is None:
        standing = [0.0] if pooled else [a + b for a, b in zip(ground.redundancy, ground.screening, strict=True)]
    known = Known(support[:taught], pool.answer[own][:taught].tolist(), list(standing), settings, listed)
    return [
        oracles.plausible(
            oracles.fits(text, known, len(pool.answers)), [int(pool.answer[row]) if row >= 0 else -1 for row in rows]
        )
        for text, rows in zip(texts, episode.nearby[0], strict=True)
    ]


def slow_choice(episode: Episode, plausible: list[list[float]]) -> list[list[int]]:
    """Step G, query by query: rows of the pool, -1 where dropped."""
    shown, texts = [], episode.ground.study.pool.meaning is not None
    for probable, rows, similarity in zip(plausible, *episode.nearby, strict=True):
        first = oracles.choice(similarity.tolist(), probable, episode.shots, texts=texts)
        shown.append([int(rows[place]) if place >= 0 else -1 for place in first])
    return shown
