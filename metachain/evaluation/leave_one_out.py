"""Leave one institution, or its whole group, out; compare every selector at every label count."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain._version import __version__
from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.errors import DataError
from metachain.evaluation.ablation import ablated_name
from metachain.evaluation.holdout import PROTOCOLS, held_out_together, past_sizes, pasts_of
from metachain.evaluation.plan import Plan
from metachain.evaluation.runner import Choice, HeldOutRun, HeldOutRunner, Row, SharedMeasurements, SubsetRun, scored
from metachain.evaluation.scorers import Answerer, ModelScorer, Scorer, scorer_for
from metachain.evaluation.summary import MOST_TOLD, OURS, harm, origins, summarise, transfer_told, worth
from metachain.learning.calibration import calibration
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.learning.prior import GuardResult
from metachain.progress import Progress, silent
from metachain.scoring.reader import READER_TEMPERATURE
from metachain.workers import HERE, Workers

__all__ = ["PROTOCOLS", "Plan", "check_comparable", "check_model_alone", "evaluate"]

DEFAULTS = Plan()


def check_comparable(
    demonstrations: Sequence[Demonstration], plan: Plan, allowed: Mapping[str, frozenset[str]] | None = None
) -> None:
    """Refuse before long work what can't be compared: too few institutions, groups or demonstrations (DataError)."""
    past_sizes(pasts_of(demonstrations, held_out_together(demonstrations, plan.protocol), allowed), plan.past)
    largest = max(Counter(one.institution for one in demonstrations).values())
    least = min(plan.labels)
    if largest < 2 * least:
        raise DataError(
            f"{least} labels and as many queries need {2 * least} demonstrations of an institution, "
            f"the largest has {largest}; ask for fewer labels"
        )


def check_model_alone(plan: Plan, model: str) -> None:
    """Refuse offline readers beside a model that answers (DataError)."""
    if plan.readers != DEFAULTS.readers:
        raise DataError(f"--readers reads offline, and {model} answers here; leave one of the two out")


def evaluate(
    demonstrations: Sequence[Demonstration],
    dense: NDArray[np.float32],
    plan: Plan = DEFAULTS,
    *,
    dataset: str = "",
    allowed: Mapping[str, frozenset[str]] | None = None,
    answerer: Answerer | None = None,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Compare selectors on institutions that each play the new one; the dictionary of the ``evaluate --json`` contract.

    ``dense`` (N, d) unit vectors of the demonstrations' inputs. Everything that is learned is learned without the
    institution (or group) held out, and from those that it may use: ``allowed`` names them by institution, and one
    without an entry may use nobody; where it is None all may use all, as in a file, which has no rules and belongs to
    whoever evaluates it. An institution that may use nobody is not scored. With an ``answerer`` a model answers in
    place of the offline reader: all prompts are gathered first, then asked at once. ``workers`` do an institution each;
    who they are changes nothing but the time it takes. Raises DataError where fewer than two institutions, or groups,
    are there.
    """
    if answerer:
        check_model_alone(plan, answerer.name)
    started = time.perf_counter()
    pool = make_pool(demonstrations, hybrid_vectors(dense, lexical_vectors([one.input for one in demonstrations])))
    groups = held_out_together(demonstrations, plan.protocol)
    pasts = pasts_of(demonstrations, groups, allowed)
    sizes = past_sizes(pasts, plan.past)
    bench = SharedMeasurements.of(NeighbourTable.of(pool, np.arange(len(pool.owner)), progress))
    scorer = scorer_for(pool, plan.metric)
    turns = HeldOutRunner(bench, pasts, plan, () if answerer else plan.readers)
    played = _with_all(turns, workers, progress)
    choices = [one for turn in played for one in turn.choices]
    if not choices:
        raise DataError(
            "nothing to score: in every institution all queries have a text that is among the labels too, "
            "or --selectors names only 'support', which needs labels"
        )
    fewer = _with_fewer(turns, sizes, workers, progress)
    if answerer:
        every = [(one.query, one.shown) for turn in chain(played, *fewer.values()) for one in turn.choices]
        read = ModelScorer.asking(pool, scorer.metrics, every, answerer)
        played, fewer = _read_by(read, played), {size: _read_by(read, some) for size, some in fewer.items()}
    by_reader = {name: _rows(played, name) for name in plan.readers}
    scores = by_reader.pop(plan.readers[0])
    past = {size: _rows(some, plan.readers[0]) for size, some in fewer.items()}
    forecasts = [one for turn in played for one in turn.forecasts]
    lessons = {pool.institutions[turn.target]: turn.lesson for turn in played}
    further = {name: [row for row in scores if row["metric"] == name] for name in scorer.metrics[1:]}
    return {
        "dataset": dataset,
        "protocol": plan.protocol,
        "model": answerer.name if answerer else "offline",
        "shots": plan.shots,
        "seeds": list(plan.seeds),
        "settings": _settings(demonstrations, plan, scorer, lessons, answerer),
        "scores": scores,
        "summary": summarise(scores),
        "cost": {
            "seconds": round(time.perf_counter() - started, 1),
            "model_calls": answerer.calls if answerer else 0,
            "tokens": answerer.tokens if answerer else 0,
        },
        "harm": harm(scores),
        **_told_of_transfer(bench, choices),
        **({"calibration": calibration(forecasts)} if forecasts else {}),
        **({"ablation": worth(scores, {part: ablated_name(part) for part in plan.ablate})} if plan.ablate else {}),
        **({"metrics": {name: {"summary": summarise(rows)} for name, rows in further.items()}} if further else {}),
        **({"readers": {name: _told(rows) for name, rows in by_reader.items()}} if by_reader else {}),
        **({"past": [{"past": size, **_told(rows)} for size, rows in past.items()]} if past else {}),
    }


def _with_all(turns: HeldOutRunner, workers: Workers, progress: Progress) -> list[HeldOutRun]:
    """The turn of each institution that may learn from anybody, in order."""
    together: dict[bytes, list[int]] = {}
    for target, past in enumerate(turns.pasts):
        if len(past):
            together.setdefault(past.tobytes(), []).append(target)
    found: list[HeldOutRun] = []
    progress("evaluating", 0, sum(map(len, together.values())))
    for some in workers.map(turns.with_all, together.values()):
        found += some
        progress("evaluating", len(found), sum(map(len, together.values())))
    return sorted(found, key=lambda turn: turn.target)


def _with_fewer(
    turns: HeldOutRunner, sizes: Sequence[int], workers: Workers, progress: Progress
) -> dict[int, list[HeldOutRun]]:
    """Turns where only so many past institutions, drawn anew for each seed, are learned from; by their number."""
    able = [target for target, past in enumerate(turns.pasts) if len(past)]
    draws = [SubsetRun(target, seed, size) for target in able for seed in turns.plan.seeds for size in sizes]
    found: dict[int, list[HeldOutRun]] = {size: [] for size in sizes}
    for done, (draw, turn) in enumerate(zip(draws, workers.map(turns.with_fewer, draws), strict=True), start=1):
        found[draw.size].append(turn)
        progress("with fewer past", done, len(draws))
    return found


def _read_by(model: ModelScorer, turns: Sequence[HeldOutRun]) -> list[HeldOutRun]:
    """The turns with scores of a model in place of the reader."""
    return [replace(one, scores=scored(one.choices, model, DEFAULTS.readers)) for one in turns]


def _rows(turns: Sequence[HeldOutRun], reader: str) -> list[Row]:
    return [row for turn in turns for row in turn.scores[reader]]


def _told_of_transfer(bench: SharedMeasurements, choices: Sequence[Choice]) -> dict[str, Any]:
    """Whose demonstrations ours has shown to whom, and the transfer matrix where it is not too large."""
    pool = bench.table.pool
    told: dict[str, Any] = {}
    if len(pool.institutions) <= MOST_TOLD:
        told["transfer"] = transfer_told(bench.transfer, pool.institutions)
    ours = [(one.institution, one.labels, one.shown) for one in choices if one.selector == OURS]
    return {**told, **({"origins": origins(ours, pool)} if ours else {})}


def _told(scores: Sequence[Row]) -> dict[str, Any]:
    return {"summary": summarise(scores), "scores": list(scores)}


def _settings(
    demonstrations: Sequence[Demonstration],
    plan: Plan,
    scorer: Scorer,
    lessons: Mapping[str, GuardResult],
    answerer: Answerer | None,
) -> dict[str, Any]:
    return {
        "version": __version__,
        "labels": list(plan.labels),
        "queries": plan.queries,
        "selectors": list(plan.compared),
        "metrics": list(scorer.metrics),
        "readers": [answerer.name] if answerer else list(plan.readers),
        "past": [*plan.past, "all"],
        "reader_temperature": READER_TEMPERATURE,
        "synthetic": any(one.metadata.get("synthetic") for one in demonstrations),
        "lessons": {
            name: {"settings": asdict(one.settings) if one.settings else None, "trusts_consensus": one.trusts_consensus}
            for name, one in lessons.items()
        },
    }
