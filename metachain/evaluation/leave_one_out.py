"""Leave one institution, or its whole group, out and compare every selector at every label count."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from metachain._version import __version__
from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.errors import DataError
from metachain.evaluation.ablation import ablated_name
from metachain.evaluation.holdout import PROTOCOLS, Allowed, held_out_together, past_sizes, pasts_of
from metachain.evaluation.plan import Plan
from metachain.evaluation.result import (
    Cost,
    Evaluation,
    GuardChoice,
    MetricResult,
    PastResult,
    ReaderResult,
    RunSettings,
)
from metachain.evaluation.result_rows import CalibrationRow, Score
from metachain.evaluation.runner import HeldOutRun, HeldOutRunner, SharedMeasurements, SubsetRun, scored
from metachain.evaluation.scorers import Answerer, ModelScorer, scorer_for
from metachain.evaluation.summary import LARGEST_MATRIX, OURS, harm, origins, part_worths, rounded_transfer, summarise
from metachain.label_sets import label_sets
from metachain.learning.calibration import calibration
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import Pool, make_pool
from metachain.learning.prior import GuardResult
from metachain.progress import Progress, silent
from metachain.scoring.reader import READER_TEMPERATURE
from metachain.workers import HERE, Workers

__all__ = ["PROTOCOLS", "Plan", "check_comparable", "check_model_alone", "evaluate"]

DEFAULTS = Plan()


def check_comparable(demonstrations: Sequence[Demonstration], plan: Plan, allowed: Allowed | None = None) -> None:
    """Raise DataError, before long work, where there are too few institutions, groups or demonstrations."""
    past_sizes(pasts_of(demonstrations, held_out_together(demonstrations, plan.protocol), allowed), plan.past)
    largest = max(Counter(one.institution for one in demonstrations).values())
    least = min(plan.labels)
    if largest < 2 * least:
        raise DataError(
            f"{least} labels and as many queries need {2 * least} demonstrations of an institution, "
            f"the largest has {largest}; ask for fewer labels"
        )


def check_model_alone(plan: Plan, model: str) -> None:
    """Raise DataError where the plan names offline readers, or their skill, although a model answers."""
    for option, asked in (("--readers", plan.readers != DEFAULTS.readers), ("--skill", plan.skilled)):
        if asked:
            raise DataError(f"{option} reads offline, and {model} answers here; leave one of the two out")


def evaluate(
    demonstrations: Sequence[Demonstration],
    dense: NDArray[np.float32],
    plan: Plan = DEFAULTS,
    *,
    dataset: str = "",
    allowed: Allowed | None = None,
    answerer: Answerer | None = None,
    workers: Workers = HERE,
    progress: Progress = silent,
    label_separator: str = "",
) -> Evaluation:
    """Compare selectors on held-out institutions: each plays the new one in turn, alone or with its whole group.

    ``dense`` (N, d) unit vectors of the demonstrations' inputs. For each held-out institution everything is learned
    anew, from the institutions that it may use. ``allowed`` names these by institution; an institution without an entry
    may use none, and is not scored. None allows all, as for a file, which has no sharing rules. With an ``answerer``
    a model answers instead of the offline reader: all prompts are gathered first, then asked at once. ``workers``
    evaluate one institution each; they change the time, not the result. With a ``label_separator`` outputs are sets of
    labels (``metachain.label_sets``). Raises DataError for fewer than two institutions, or groups, and where nothing
    can be scored.
    """
    _check_answering(plan, answerer)
    started = time.perf_counter()
    pool = _pool(demonstrations, dense, label_separator)
    pasts = pasts_of(demonstrations, held_out_together(demonstrations, plan.protocol), allowed)
    sizes = past_sizes(pasts, plan.past)
    bench = SharedMeasurements.of(NeighbourTable.of(pool, np.arange(len(pool.owner)), progress))
    metrics = scorer_for(pool, plan.metric).metrics
    turns = HeldOutRunner(bench, pasts, plan, () if answerer else plan.readers)
    played = _with_all(turns, workers, progress)
    _check_scored(played)
    fewer = _with_fewer(turns, sizes, workers, progress)
    if answerer:
        played, fewer = _answered(pool, metrics, played, fewer, answerer)
    scores = _scores(played, plan.readers[0])
    result = Evaluation(
        dataset=dataset,
        protocol=plan.protocol,
        model=answerer.name if answerer else "offline",
        shots=plan.shots,
        seeds=plan.seeds,
        settings=_settings(pool, plan, metrics, played, answerer),
        scores=scores,
        summary=summarise(scores),
        cost=_cost(started, answerer),
        harm=harm(scores),
    )
    return _with_details(result, plan, bench, played, fewer)


def _pool(demonstrations: Sequence[Demonstration], dense: NDArray[np.float32], label_separator: str) -> Pool:
    vectors = hybrid_vectors(dense, lexical_vectors([one.input for one in demonstrations]))
    if sets := label_sets(label_separator):
        demonstrations = [replace(one, output=sets.stored(one.output)) for one in demonstrations]
        return make_pool(demonstrations, vectors, separators=sets.separators)
    return make_pool(demonstrations, vectors)


def _check_answering(plan: Plan, answerer: Answerer | None) -> None:
    if answerer:
        check_model_alone(plan, answerer.name)
    elif plan.answers_by != DEFAULTS.answers_by:
        raise DataError(f"only a model answers by {plan.answers_by!r}, and the offline reader answers here")


def _with_all(turns: HeldOutRunner, workers: Workers, progress: Progress) -> list[HeldOutRun]:
    """Evaluate each institution that may use any other, in order; those with the same past share what is learned."""
    together: dict[bytes, list[int]] = {}
    for target, past in enumerate(turns.pasts):
        if len(past):
            together.setdefault(past.tobytes(), []).append(target)
    found: list[HeldOutRun] = []
    total = sum(map(len, together.values()))
    progress("evaluating", 0, total)
    for batch in workers.map(turns.with_all, together.values()):
        found += batch
        progress("evaluating", len(found), total)
    return sorted(found, key=lambda turn: turn.target)


def _with_fewer(
    turns: HeldOutRunner, sizes: Sequence[int], workers: Workers, progress: Progress
) -> dict[int, list[HeldOutRun]]:
    """Evaluate with fewer past institutions, drawn anew for each seed; by their number."""
    able = [target for target, past in enumerate(turns.pasts) if len(past)]
    draws = [SubsetRun(target, seed, size) for target in able for seed in turns.plan.seeds for size in sizes]
    found: dict[int, list[HeldOutRun]] = {size: [] for size in sizes}
    for done, (draw, turn) in enumerate(zip(draws, workers.map(turns.with_fewer, draws), strict=True), start=1):
        found[draw.size].append(turn)
        progress("with fewer past", done, len(draws))
    return found


def _check_scored(played: Sequence[HeldOutRun]) -> None:
    if not any(turn.choices for turn in played):
        raise DataError(
            "nothing to score: in every institution all queries have a text that is among the labels too, "
            "or --selectors names only 'support', which needs labels"
        )


def _answered(
    pool: Pool,
    metrics: tuple[str, ...],
    played: Sequence[HeldOutRun],
    fewer: Mapping[int, Sequence[HeldOutRun]],
    answerer: Answerer,
) -> tuple[list[HeldOutRun], dict[int, list[HeldOutRun]]]:
    """Ask the model for all answers at once, and score them in place of the offline reader's."""
    every = [(one.query, one.shown) for turn in chain(played, *fewer.values()) for one in turn.choices]
    model = ModelScorer.asking(pool, metrics, every, answerer)

    def answered(turns: Sequence[HeldOutRun]) -> list[HeldOutRun]:
        return [replace(one, scores=scored(one.choices, model, DEFAULTS.readers)) for one in turns]

    return answered(played), {size: answered(turns) for size, turns in fewer.items()}


def _with_details(
    result: Evaluation,
    plan: Plan,
    bench: SharedMeasurements,
    played: Sequence[HeldOutRun],
    fewer: Mapping[int, Sequence[HeldOutRun]],
) -> Evaluation:
    """Add the parts that not every evaluation has."""
    pool = bench.table.pool
    small = len(pool.institutions) <= LARGEST_MATRIX
    ours = [(one.institution, one.labels, one.shown) for turn in played for one in turn.choices if one.selector == OURS]
    forecasts = [one for turn in played for one in turn.forecasts]
    past = {size: _scores(turns, plan.readers[0]) for size, turns in fewer.items()}
    readers = {name: _scores(played, name) for name in plan.readers[1:]}
    further = {name: [row for row in result.scores if row.metric == name] for name in result.settings.metrics[1:]}
    return replace(
        result,
        transfer=rounded_transfer(bench.transfer, pool.institutions) if small else None,
        origins=origins(ours, pool),
        calibration=tuple(map(CalibrationRow.from_json, calibration(forecasts))),
        ablation=part_worths(result.scores, {part: ablated_name(part) for part in plan.ablate}),
        metrics={name: MetricResult(summarise(scores)) for name, scores in further.items()},
        readers={name: ReaderResult(summarise(rows), rows) for name, rows in readers.items()},
        past=tuple(PastResult(size, summarise(rows), rows) for size, rows in past.items()),
    )


def _scores(turns: Sequence[HeldOutRun], reader: str) -> tuple[Score, ...]:
    """Rows of a reader, those of higher skill last."""
    return tuple(sorted((row for turn in turns for row in turn.scores[reader]), key=lambda row: row.skill))


def _cost(started: float, answerer: Answerer | None) -> Cost:
    seconds = round(time.perf_counter() - started, 1)
    return Cost(seconds, answerer.calls, answerer.tokens) if answerer else Cost(seconds, 0, 0)


def _settings(
    pool: Pool, plan: Plan, metrics: tuple[str, ...], played: Sequence[HeldOutRun], answerer: Answerer | None
) -> RunSettings:
    return RunSettings(
        version=__version__,
        labels=plan.labels,
        queries=plan.queries,
        selectors=plan.compared,
        metrics=metrics,
        readers=(answerer.name,) if answerer else plan.readers,
        answers_by=plan.answers_by if answerer else None,
        past=(*plan.past, "all"),
        skill=(0.0, *plan.skilled) if plan.skilled else (),
        reader_temperature=READER_TEMPERATURE,
        synthetic=any(one.metadata.get("synthetic") for one in pool.demonstrations),
        lessons={pool.institutions[turn.target]: _guard_choice(turn.lesson) for turn in played},
    )


def _guard_choice(lesson: GuardResult) -> GuardChoice:
    return GuardChoice(asdict(lesson.settings) if lesson.settings else None, lesson.trusts_consensus)
