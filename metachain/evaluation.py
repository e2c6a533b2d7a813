"""Leave one institution, or its whole group, out; compare every selector at every label count."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain import __version__
from metachain.ablation import ablated_name
from metachain.bench import Bench
from metachain.demonstration import Demonstration
from metachain.episode import Episode, Ground, Shown, explained
from metachain.errors import DataError
from metachain.forecast import Forecast, calibration, forecast
from metachain.holdout import PROTOCOLS, fewer_past, held_out_together, past_sizes, pasts_of
from metachain.model_scoring import Answerer, ModelScorer
from metachain.origins import MOST_TOLD, origins, transfer_told
from metachain.plan import Plan, selectors_named
from metachain.pool import make_pool
from metachain.prior import Lesson
from metachain.progress import Progress, silent
from metachain.reader import READER_TEMPERATURE
from metachain.scoring import Scorer, scorer_for
from metachain.similarity import hybrid_vectors, lexical_vectors
from metachain.study import Study, institution_rng, split
from metachain.summary import OURS, harm, summarise, worth

__all__ = ["PROTOCOLS", "Plan", "check_comparable", "check_model_alone", "evaluate"]

EVALUATION_STREAM = 1000
"""Keeps evaluation's random draws apart from the guard's rehearsals."""
DEFAULTS = Plan()

Row = dict[str, Any]
Score = Callable[[NDArray[np.intp], Shown, Sequence[str]], dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Choice:
    """What one selector shows for the queries of one institution."""

    selector: str
    labels: int
    institution: str
    seed: int
    query: NDArray[np.intp]
    shown: Shown


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
    progress: Progress = silent,
) -> dict[str, Any]:
    """Compare selectors on institutions that each play the new one; the dictionary of the ``evaluate --json`` contract.

    ``dense`` (N, d) unit vectors of the demonstrations' inputs. Everything that is learned is learned without the
    institution (or group) held out, and from those that it may use: ``allowed`` names them by institution, and one
    without an entry may use nobody; where it is None all may use all, as in a file, which has no rules and belongs to
    whoever evaluates it. An institution that may use nobody is not scored. With an ``answerer`` a model answers in
    place of the offline reader: all prompts are gathered first, then asked at once. Raises DataError where fewer than
    two institutions, or groups, are there.
    """
    if answerer:
        check_model_alone(plan, answerer.name)
    started = time.perf_counter()
    pool = make_pool(demonstrations, hybrid_vectors(dense, lexical_vectors([one.input for one in demonstrations])))
    groups = held_out_together(demonstrations, plan.protocol)
    pasts = pasts_of(demonstrations, groups, allowed)
    sizes = past_sizes(pasts, plan.past)
    bench = Bench.of(Study.of(pool, np.arange(len(pool.owner)), progress))
    scorer = scorer_for(pool, plan.metric)
    lessons, choices, forecasts = _with_all(bench, pasts, plan, scorer, progress)
    if not choices:
        raise DataError(
            "nothing to score: in every institution all queries have a text that is among the labels too, "
            "or --selectors names only 'support', which needs labels"
        )
    fewer = _with_fewer(bench, pasts, replace(plan, past=sizes), scorer, progress)
    read: Score = scorer
    if answerer:
        every = [(one.query, one.shown) for one in (*choices, *chain.from_iterable(fewer.values()))]
        read = ModelScorer.asking(pool, scorer.metrics, every, answerer)
    by_reader = _scored(choices, read, plan.readers, progress)
    scores = by_reader.pop(plan.readers[0])
    past = {size: _scored(some, read, plan.readers[:1])[plan.readers[0]] for size, some in fewer.items()}
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


def _with_all(
    bench: Bench, pasts: Sequence[NDArray[np.intp]], plan: Plan, scorer: Scorer, progress: Progress
) -> tuple[dict[str, Lesson], list[Choice], list[Forecast]]:
    """What was learned for each institution held out, all choices, and forecasts, with all not held out."""
    names = bench.study.pool.institutions
    lessons: dict[str, Lesson] = {}
    choices: list[Choice] = []
    forecasts: list[Forecast] = []
    for target, name in enumerate(names):
        progress("evaluating", target, len(names))
        if not len(pasts[target]):
            continue
        ground = bench.ground(pasts[target])
        lessons[name] = ground.lesson
        for seed in plan.seeds:
            chosen, sure = _trial(ground, target, seed, plan, scorer)
            choices += chosen
            forecasts += sure
    progress("evaluating", len(names), len(names))
    return lessons, choices, forecasts


def _with_fewer(
    bench: Bench, pasts: Sequence[NDArray[np.intp]], plan: Plan, scorer: Scorer, progress: Progress
) -> dict[int, list[Choice]]:
    """Choices where only so many past institutions, drawn anew for each seed, are learned from; by their number."""
    pool, done = bench.study.pool, 0
    choices: dict[int, list[Choice]] = {size: [] for size in plan.past}
    total = len(pool.institutions) * len(plan.seeds) * len(plan.past)
    for target, name in enumerate(pool.institutions):
        for seed in plan.seeds if len(pasts[target]) else ():
            for size in plan.past:
                progress("with fewer past", done, total)
                ground = bench.learn(fewer_past(pasts[target], size, name, seed))
                choices[size] += _trial(ground, target, seed, plan, scorer)[0]
                done += 1
    if plan.past:
        progress("with fewer past", total, total)
    return choices


def _trial(ground: Ground, target: int, seed: int, plan: Plan, scorer: Scorer) -> tuple[list[Choice], list[Forecast]]:
    """One institution and one random support: what every selector chooses, and how sure ours is."""
    found: list[Choice] = []
    forecasts: list[Forecast] = []
    pool = ground.study.pool
    name = pool.institutions[target]
    support, query = split(pool, target, max(plan.labels), plan.queries, EVALUATION_STREAM, seed)
    if not len(query):
        return found, forecasts
    ground = replace(ground, query=query, closeness=scorer.closeness)
    for k in plan.labels:
        if k > len(support):
            continue
        episode = Episode(ground, support[:k], plan.shots, institution_rng(name, EVALUATION_STREAM, seed, k))
        for selector, select in selectors_named(plan.compared).items():
            if selector == "support" and k == 0:
                continue
            if selector == OURS:
                shown, sure = _foreseen(episode)
                forecasts += sure
            else:
                shown = select(episode)
            found.append(Choice(selector, k, name, seed, query, shown))
    return found, forecasts


def _scored(
    choices: Sequence[Choice], score: Score, readers: Sequence[str], progress: Progress = silent
) -> dict[str, list[Row]]:
    """Rows of each reader's scores; all readers read the same choices."""
    found: dict[str, list[Row]] = {reader: [] for reader in readers}
    for done, one in enumerate(choices):
        progress("scoring", done, len(choices))
        row = {"selector": one.selector, "labels": one.labels, "institution": one.institution, "seed": one.seed}
        for reader, by_metric in score(one.query, one.shown, readers).items():
            found[reader] += [
                {**row, "metric": metric, "score": value, "n": len(one.query)} for metric, value in by_metric.items()
            ]
    progress("scoring", len(choices), len(choices))
    return found


def _foreseen(episode: Episode) -> tuple[Shown, list[Forecast]]:
    """What ours shows, and how sure it is of these answers; of texts, which are seldom right to the letter, nothing."""
    pool, query = episode.ground.study.pool, episode.ground.query
    shown, probability = explained(episode)
    if pool.meaning is not None:
        return shown, []
    answers = np.where(shown < 0, -1, pool.answer[shown])
    return shown, [forecast(len(episode.support), answers, probability, pool.answer[query])]


def _told_of_transfer(bench: Bench, choices: Sequence[Choice]) -> dict[str, Any]:
    """Whose demonstrations ours has shown to whom, and the transfer matrix where it is not too large."""
    pool = bench.study.pool
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
    lessons: Mapping[str, Lesson],
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
