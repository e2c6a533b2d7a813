"""Leave one institution, or its whole group, out; compare every selector at every label count through one reader."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from metachain import __version__
from metachain.baselines import bm25_weights, word_counts
from metachain.demonstration import Demonstration
from metachain.episode import SELECTORS, Episode, Ground, Shown
from metachain.errors import DataError
from metachain.pool import Pool, make_pool
from metachain.prior import Lesson, learn_lesson, transfer_matrix
from metachain.progress import Progress, silent
from metachain.reader import READER_TEMPERATURE, vote
from metachain.selection import twins
from metachain.similarity import LEXICAL_DIMENSIONS, hybrid_vectors, lexical_vectors, normalise_text
from metachain.study import Study, institution_rng, split
from metachain.summary import summarise
from metachain.transfer import redundancy

__all__ = ["PROTOCOLS", "Plan", "check_comparable", "evaluate"]

PROTOCOLS = ("institution", "group")
METRIC = "exact_match"
EVALUATION_STREAM = 1000
"""Keeps evaluation's random draws apart from the guard's rehearsals."""

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Plan:
    """What to evaluate. Raises DataError for a value that makes no sense."""

    protocol: str = "institution"
    labels: tuple[int, ...] = (0, 4, 8, 16, 32)
    seeds: tuple[int, ...] = (0, 1, 2)
    shots: int = 8
    queries: int = 100
    selectors: tuple[str, ...] = tuple(SELECTORS)

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise DataError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {self.protocol!r}")
        unknown = [name for name in self.selectors if name not in SELECTORS]
        if unknown or not self.selectors:
            raise DataError(f"unknown selector {unknown[:1]}; known: {', '.join(SELECTORS)}")
        if not self.labels or min(self.labels) < 0:
            raise DataError(f"labels must be whole numbers of 0 or more, got {self.labels}")
        if not self.seeds or min(self.seeds) < 0:
            raise DataError(f"seeds must be whole numbers of 0 or more, got {self.seeds}")
        if self.shots < 1 or self.queries < 1:
            raise DataError(f"shots and queries must be at least 1, got {self.shots} and {self.queries}")


def check_comparable(demonstrations: Sequence[Demonstration], plan: Plan) -> None:
    """Refuse before long work what can't be compared: too few institutions, groups or demonstrations (DataError)."""
    _groups(demonstrations, plan.protocol)
    largest = max(Counter(one.institution for one in demonstrations).values())
    least = min(plan.labels)
    if largest < 2 * least:
        raise DataError(
            f"{least} labels and as many queries need {2 * least} demonstrations of an institution, "
            f"the largest has {largest}; ask for fewer labels"
        )


def evaluate(
    demonstrations: Sequence[Demonstration],
    dense: NDArray[np.float32],
    plan: Plan = Plan(),
    *,
    dataset: str = "",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Compare selectors on institutions that each play the new one; the dictionary of the ``evaluate --json`` contract.

    ``dense`` (N, d) unit vectors of the demonstrations' inputs. Everything that is learned is learned without the
    institution (or group) held out. Raises DataError where fewer than two institutions, or groups, are there.
    """
    started = time.perf_counter()
    lexical = lexical_vectors([one.input for one in demonstrations])
    pool = make_pool(demonstrations, hybrid_vectors(dense, lexical))
    groups = _groups(demonstrations, plan.protocol)
    bench = _Bench.of(Study.of(pool, np.arange(len(pool.owner)), progress))
    scores: list[dict[str, Any]] = []
    lessons: dict[str, Lesson] = {}
    for target, name in enumerate(pool.institutions):
        progress("evaluating", target, len(pool.institutions))
        past = np.flatnonzero(groups != groups[target])
        ground = bench.ground(past)
        lessons[name] = ground.lesson
        scores += [row for seed in plan.seeds for row in _scores(ground, target, seed, plan)]
    progress("evaluating", len(pool.institutions), len(pool.institutions))
    if not scores:
        raise DataError(
            "nothing to score: in every institution all queries have a text that is among the labels too, "
            "or --selectors names only 'support', which needs labels"
        )
    return {
        "dataset": dataset,
        "protocol": plan.protocol,
        "model": "offline",
        "shots": plan.shots,
        "seeds": list(plan.seeds),
        "settings": _settings(demonstrations, plan, lessons),
        "scores": scores,
        "summary": summarise(scores),
        "cost": {"seconds": round(time.perf_counter() - started, 1), "model_calls": 0, "tokens": 0},
    }


class _Bench:
    """What all held-out institutions share: words, twins, and what was learned without each group."""

    def __init__(self, study: Study, words: csr_array, twin: NDArray[np.int64], transfer: NDArray[np.float64]) -> None:
        self._study, self._words, self._twin, self._transfer = study, words, twin, transfer
        self._grounds: dict[tuple[int, ...], Ground] = {}

    @classmethod
    def of(cls, study: Study) -> "_Bench":
        texts = [normalise_text(one.input) for one in study.pool.demonstrations]
        return cls(study, word_counts(texts), twins(study.pool.demonstrations), transfer_matrix(study))

    def ground(self, past: Rows) -> Ground:
        """What the institutions ``past`` teach, without queries; learned once for each set of institutions."""
        key = tuple(past.tolist())
        if key not in self._grounds:
            rows = np.flatnonzero(np.isin(self._study.pool.owner, past))
            self._grounds[key] = Ground(
                self._study,
                past,
                np.zeros(0, np.intp),
                redundancy(self._transfer, past),
                learn_lesson(self._study, self._transfer, past),
                bm25_weights(self._words, rows),
                self._words,
                self._twin,
            )
        return self._grounds[key]


def _scores(ground: Ground, target: int, seed: int, plan: Plan) -> list[dict[str, Any]]:
    """Every selector's score at every label count, for one institution and one random support."""
    pool = ground.study.pool
    name = pool.institutions[target]
    support, query = split(pool, target, max(plan.labels), plan.queries, EVALUATION_STREAM, seed)
    if not len(query):
        return []
    ground = replace(ground, query=query)
    rows = []
    for k in plan.labels:
        if k > len(support):
            continue
        for selector in plan.selectors:
            if selector == "support" and k == 0:
                continue
            rng = institution_rng(name, EVALUATION_STREAM, seed, k)
            shown = SELECTORS[selector](Episode(ground, support[:k], plan.shots, rng))
            score = float((_read(pool, query, shown) == pool.answer[query]).mean())
            row = {"selector": selector, "labels": k, "institution": name, "seed": seed}
            rows.append({**row, "metric": METRIC, "score": score, "n": len(query)})
    return rows


def _read(pool: Pool, query: Rows, shown: Shown) -> NDArray[np.intp]:
    """What the offline reader answers to each query from the rows shown to it, in prompt order (the best last)."""
    prompt = shown[:, ::-1]
    lexical = pool.vectors[:, -LEXICAL_DIMENSIONS:]
    similarity = 2 * np.einsum("nd,nmd->nm", lexical[query], lexical[prompt])
    return vote(similarity, np.where(prompt < 0, -1, pool.answer[prompt]))


def _groups(demonstrations: Sequence[Demonstration], protocol: str) -> NDArray[np.int64]:
    """Number of the group that each institution, in alphabetical order, is held out with; (S,)."""
    institutions = names = sorted({one.institution for one in demonstrations})
    if protocol == "group":
        named = {one.institution: one.metadata.get("group") for one in demonstrations}
        if not any(named.values()):
            raise DataError(
                "no record has metadata.group, which --protocol group holds out by; use --protocol institution"
            )
        names = [f"group {named[name]}" if named[name] else f"institution {name}" for name in institutions]
    numbers = np.unique(np.array(names), return_inverse=True)[1]
    if numbers.max(initial=0) == 0:
        raise DataError(
            f"only one {protocol} ({institutions[0] if institutions else 'none'}): nothing is left to learn "
            "from when it is held out; add demonstrations of others"
        )
    return numbers


def _settings(demonstrations: Sequence[Demonstration], plan: Plan, lessons: Mapping[str, Lesson]) -> dict[str, Any]:
    return {
        "version": __version__,
        "labels": list(plan.labels),
        "queries": plan.queries,
        "selectors": list(plan.selectors),
        "reader_temperature": READER_TEMPERATURE,
        "synthetic": any(one.metadata.get("synthetic") for one in demonstrations),
        "lessons": {
            name: {"settings": asdict(one.settings) if one.settings else None, "trusts_consensus": one.trusts_consensus}
            for name, one in lessons.items()
        },
    }
