"""Slow, obvious oracles of the selectors' choices in an evaluation."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import oracles
import pytest
from oracles import BagOfWords, Known, hospitals, note_writers

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors, normalise_text
from metachain.evaluation.selectors import HeldOutQueries, PastKnowledge, Trial
from metachain.learning.calibration import Calibration
from metachain.learning.episodes import Episode, rng_for
from metachain.learning.gaussian_process import Settings
from metachain.learning.index import InstitutionIndex, Neighbours
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.learning.prior import GuardResult, transfer_matrix
from metachain.learning.transfer import redundancy, screening
from metachain.selection.baselines import word_counts

__all__ = [
    "LABELLED",
    "MADE",
    "NOTES",
    "QUERY",
    "SETTINGS",
    "SUPPORT",
    "TARGET",
    "UNLABELLED",
    "calibrated",
    "candidates",
    "dense_of",
    "labels",
    "queries_of",
    "slow_choice",
    "slow_plausible",
    "trial_of",
]
SETTINGS = Settings(0.3, 1.0, 0.05, intercept=0.5, lift=0.5, coverage=0.2)
UNLABELLED, LABELLED = Calibration(0.2, 0.7), Calibration(-0.3, 0.8)
MADE = hospitals(4, 20, seed=3)
NOTES = note_writers(4, 20, seed=3)
TARGET = "hospital 3"
SUPPORT, QUERY = slice(0, 6), slice(6, 20)


def candidates(trial: Trial) -> list[int]:
    """Rows that may be shown: the labels, then the past."""
    pool = trial.queries.knowledge.table.pool
    return trial.episode.support.tolist() + [
        row for row in range(len(pool.owner)) if pool.owner[row] in trial.episode.past
    ]


labels = pytest.mark.parametrize("k", [0, 1, 6])


def queries_of(
    demonstrations: Sequence[Demonstration], dense: np.ndarray, settings: Settings | None = SETTINGS
) -> HeldOutQueries:
    """The target asks about its later demonstrations; ``dense`` belongs to ``demonstrations``."""
    lexical = lexical_vectors([one.input for one in demonstrations])
    pool = make_pool(demonstrations, hybrid_vectors(dense, lexical))
    study = NeighbourTable.of(pool, np.arange(len(pool.owner)))
    transfer, target = transfer_matrix(study), pool.institutions.index(TARGET)
    past = np.array([number for number in range(len(pool.institutions)) if number != target])
    words = word_counts([normalise_text(one.input) for one in pool.demonstrations])
    knowledge = PastKnowledge(
        study,
        past,
        redundancy(transfer, past),
        screening(transfer, past),
        GuardResult(settings, settings is not None, np.zeros((0, 0)), UNLABELLED, LABELLED),
        words,
    )
    support = pool.rows[target][SUPPORT]
    return HeldOutQueries(knowledge, Episode(target, len(support), support, pool.rows[target][QUERY], past))


def dense_of(demonstrations: Sequence[Demonstration]) -> np.ndarray:
    """Vectors of the tiny encoder."""
    return BagOfWords().encode([one.input for one in demonstrations])


def trial_of(queries: HeldOutQueries, k: int, shots: int = 5) -> Trial:
    """The first k labels of the target."""
    return Trial(queries, queries.episode.taught(k), shots, rng_for(TARGET))


def slow_plausible(
    trial: Trial,
    taught: int,
    *,
    settings: Settings = SETTINGS,
    standing: Sequence[float] | None = None,
    pooled: bool = False,
    listed: list[bool] | None = None,
) -> list[list[float]]:
    """Steps A to F, query by query, from ``taught`` labels: probability of every candidate of ``trial.candidates``.

    With ``pooled`` all past rows are one institution's.
    """
    queries = trial.queries
    pool, own = queries.knowledge.table.pool, trial.episode.support.tolist()
    past_rows = [row for row in candidates(trial) if row not in own]
    others = [
        replace(pool.demonstrations[row], institution="everybody", id=str(row).zfill(5))
        if pooled
        else pool.demonstrations[row]
        for row in past_rows
    ]
    past = make_pool(others, pool.vectors[past_rows], pool.answers)
    asked = np.concatenate([queries.episode.query, trial.episode.support]).astype(int)
    every = InstitutionIndex(past).nearest(pool.vectors[asked], len(others))
    told = oracles.replies(Neighbours(every.rows[:, :, :8], every.similarity[:, :, :8]), past.answer, pool.meaning)
    if pool.meaning is None:
        told = oracles.with_lifts(told, oracles.lifts(past, range(len(past.institutions)), pool.vectors[asked]))
    texts, support = told[: len(queries.episode.query)], told[len(queries.episode.query) :]
    if standing is None:
        standing = (
            [0.0]
            if pooled
            else [a + b for a, b in zip(queries.knowledge.redundancy, queries.knowledge.screening, strict=True)]
        )
    known = Known(support[:taught], pool.answer[own][:taught].tolist(), list(standing), settings, listed)
    return [
        oracles.plausible(
            oracles.fits(text, known, len(pool.answers)), [int(pool.answer[row]) if row >= 0 else -1 for row in rows]
        )
        for text, rows in zip(texts, trial.candidates.rows, strict=True)
    ]


def slow_choice(trial: Trial, plausible: list[list[float]], taught: int) -> list[list[int]]:
    """Step G, query by query: rows of the pool, -1 where fewer are shown; probabilities are calibrated before."""
    pool, shown = trial.queries.knowledge.table.pool, []
    found = trial.candidates
    for probable, rows, similarity, answer in zip(plausible, found.rows, found.similarity, found.answer, strict=True):
        sure = calibrated(probable, LABELLED if taught else UNLABELLED)
        if pool.meaning is None:
            first = oracles.choice(similarity.tolist(), sure, answer.tolist(), trial.shots)
        else:
            meaning = pool.meaning[np.maximum(answer, 0)]
            first = oracles.choice_of_texts(similarity.tolist(), sure, meaning, trial.shots)
        shown.append([int(rows[place]) if place >= 0 else -1 for place in first])
    return shown


def calibrated(probable: list[float], calibration: Calibration) -> list[float]:
    """``σ(a + g logit p)`` of each probability; 0 stays 0."""
    a, g = calibration.intercept, calibration.slope
    return [1 / (1 + np.exp(-a) * (p / (1 - p)) ** -g) if 0 < p < 1 else p for p in probable]
