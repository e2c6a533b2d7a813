"""Selectors read by a real language model, in its words and by its label scores, beside the offline reader.

    python -m benchmarks.evaluation.evidence DATA.jsonl --protocol group --institutions 29 --queries 4 --seeds 1 \
        --selectors semantic,verdict,metachain,oracle --labels 0,4,16 --json FILE
    python -m benchmarks.evaluation.evidence --json FILE          the generated world in place of a file

All institutions stay in training; ``--institutions`` is the number that are held out in turn. Every answer is kept at
once in the cache (``--cache``, or the file in the user's cache folder), so the same command continues after an
interruption and asks nothing twice. ``--share 1/2`` and ``--share 2/2`` ask for half of the institutions each, in two
processes; the command without it then finds all answers. ``plot_evidence`` draws the file.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.common.machine import machine
from metachain.chains.label_scores import scoring_model
from metachain.chains.model_answerer import ModelAnswerer, load_countable
from metachain.data.jsonl import read_demonstrations
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.evaluation.holdout import held_out_together, pasts_of
from metachain.evaluation.plan import ANSWERS_BY, Plan
from metachain.evaluation.result import Cost, Evaluation, RunSettings
from metachain.evaluation.runner import HeldOutRunner, SharedMeasurements, scored
from metachain.evaluation.scorers import ModelScorer, scorer_for
from metachain.evaluation.summary import harm, summarise
from metachain.files import write_text
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.library.answer_cache import AnswerCache
from metachain.library.embedding_cache import cached_vectors
from metachain.reporting.comparison import ordered
from metachain.scoring.metrics import are_texts

OFFLINE = "offline"
SELECTORS = ("zero", "random", "bm25", "semantic", "mmr", "meta_sel", "hybrid", "support", "scratch", "verdict")
SELECTORS += ("metachain", "oracle")
INSTRUCTIONS = "Answer with the code only, like the examples."
LABEL_TOKENS, TEXT_TOKENS = 16, 256
SECONDS_BETWEEN_LINES = 15
UNLIMITED = 10**9


@dataclass
class TimeLeft:
    """Prints how many prompts are answered, and the time left at the speed so far, to standard error."""

    what: str
    first: tuple[float, int] | None = None
    """Time of the first report, in seconds, and the number of prompts answered by then."""
    told: float = 0.0

    def __call__(self, asked):
        """Take a ``ModelProgress``; a line at the first answer, every 15 seconds, and at the last."""
        now = time.monotonic()
        self.first = self.first or (now, asked.done)
        if asked.done == asked.total or now - self.told > SECONDS_BETWEEN_LINES:
            self.told = now
            print(f"{self.what}: {asked.done} of {asked.total} prompts{self.left(asked, now)}", file=sys.stderr)

    def left(self, asked, now):
        """Words for the time that the other prompts take; none before the second answer."""
        since, before = self.first
        if asked.done == before:
            return ""
        return f", {(now - since) / (asked.done - before) * (asked.total - asked.done) / 60:.1f} minutes left"


def held_out(names, number, share):
    """Names of the institutions that are held out: ``number`` drawn at random, of these one share."""
    drawn = np.random.default_rng(0).permutation(sorted(names))[:number]
    part, parts = share
    return sorted(map(str, drawn))[part - 1 :: parts]


def selected(demonstrations, vectors, plan, targets):
    """The pool, and what each selector shows to the institutions ``targets``, scored by the offline reader."""
    pool = make_pool(demonstrations, hybrid_vectors(vectors, lexical_vectors([one.input for one in demonstrations])))
    pasts = pasts_of(demonstrations, held_out_together(demonstrations, plan.protocol), None)
    bench = SharedMeasurements.of(NeighbourTable.of(pool, np.arange(len(pool.owner))))
    runner = HeldOutRunner(bench, pasts, plan, plan.readers)
    together = defaultdict(list)
    for target in map(pool.institutions.index, targets):
        together[tuple(pasts[target])].append(target)
    runs = []
    for batch in together.values():
        runs += runner.with_all(batch)
        print(f"selected for {len(runs)} of {len(targets)} institutions", file=sys.stderr, flush=True)
    return pool, runs


def evaluated(demonstrations, settings):
    """Results by the offline reader and by each way in which the model answers; everything is learned once for all."""
    plan = Plan(
        settings.protocol,
        settings.labels,
        tuple(range(settings.seeds)),
        settings.shots,
        settings.queries,
        selectors=settings.selectors,
    )
    targets = held_out({one.institution for one in demonstrations}, settings.institutions, settings.share)
    vectors = cached_vectors([one.input for one in demonstrations], settings.cache)
    pool, runs = selected(demonstrations, vectors, plan, targets)
    dataset = settings.data.name if settings.data else "generated world"
    offline = [row for run in runs for row in run.scores[plan.readers[0]]]
    found = {OFFLINE: result_of(offline, plan, dataset, OFFLINE)}
    choices = [one for run in runs for one in run.choices]
    with AnswerCache.open(settings.cache) as cache:
        for way in settings.answers_by:
            answerer = answering(demonstrations, way, settings, cache)
            asked = [(one.query, one.shown) for one in choices]
            model = ModelScorer.asking(pool, scorer_for(pool).metrics, asked, answerer)
            rows = scored(choices, model, plan.readers)[plan.readers[0]]
            found[way] = result_of(rows, replace(plan, answers_by=way), dataset, answerer.name, answerer)
    return found


def result_of(rows, plan, dataset, name, answerer=None):
    """An evaluation's result, as ``metachain evaluate --json`` writes it."""
    settings = RunSettings(
        labels=plan.labels, queries=plan.queries, selectors=plan.selectors, readers=(name,), answers_by=plan.answers_by
    )
    cost = Cost(None, answerer.calls, answerer.tokens) if answerer else Cost(None, 0, 0)
    known = (dataset, plan.protocol, name, plan.shots, plan.seeds, settings)
    return Evaluation(*known, tuple(rows), summarise(rows), cost, harm(rows))


def answering(demonstrations, way, settings, cache):
    """The model, which answers in its words or by its label scores; its name tells the maximum length of an answer."""
    tokens = TEXT_TOKENS if are_texts([one.output for one in demonstrations]) else LABEL_TOKENS
    model = load_countable(settings.model, tokens)
    return ModelAnswerer(
        scoring_model(model) if way == "score" else model,
        f"{settings.model}, at most {tokens} tokens",
        cache,
        calls=settings.calls,
        instructions=settings.instructions,
        max_concurrency=settings.max_concurrency,
        progress=TimeLeft(way),
    )


def record(results, settings, seconds):
    """Everything, as JSON: the results, and the runs of each selector more than one point worse than ``semantic``."""
    told = {name: value for name, value in vars(settings).items() if name not in ("json", "cache", "share")}
    told["data"] = settings.data.name if settings.data else None
    return {
        "settings": json.loads(json.dumps(told, default=str)),
        "machine": machine().record(),
        "seconds": round(seconds, 1),
        "harm": {
            reader: {name: [row.to_json() for row in harm(one.scores, name)] for name in settings.selectors}
            for reader, one in results.items()
        },
        "results": {reader: one.to_json() for reader, one in results.items()},
    }


def print_tables(told):
    """Print a Markdown table for each reader and number of labels: a row a selector."""
    for reader, result in told["results"].items():
        cells = {(row["labels"], row["selector"]): row for row in result["summary"]}
        runs = {(row["labels"], name): row for name, rows in told["harm"][reader].items() for row in rows}
        institutions = len({row["institution"] for row in result["scores"]})
        for labels in sorted({labels for labels, _ in cells}):
            print(f"\n{result['dataset']}, {institutions} institutions, {labels} labels, answers: {reader}\n")
            print("| selector | mean | gain over `semantic` | worst tenth | runs a point worse | right answer shown |")
            print("|---|---|---|---|---|---|")
            for name in ordered(name for count, name in cells if count == labels):
                print_row(name, cells[labels, name], runs.get((labels, name)))


def print_row(name, row, run):
    """Print one selector's row."""
    lost = f"{run['lost']} of {run['draws']}" if run and name != "semantic" else "–"
    shown = f"{row['recall']:.3f} among {row['distinct']:.1f} of {row['shots']:.1f}"
    print(f"| `{name}` | {row['mean']:.3f} | {gain(row)} | {row['worst_decile']:.3f} | {lost} | {shown} |")


def gain(row):
    """Gain over ``semantic`` with its interval."""
    if row["gain"] is None or row["selector"] == "semantic":
        return "–"
    interval = f" [{row['ci95'][0]:+.0%}, {row['ci95'][1]:+.0%}]" if row["ci95"] else ""
    return f"{row['gain']:+.0%}{interval}"


def main(settings):
    """Evaluate, print the tables and write the file."""
    started = time.monotonic()
    if settings.data:
        demonstrations = read_demonstrations(settings.data)
    else:
        demonstrations = generate_world(WorldSettings(institutions=settings.world))
    results = evaluated(demonstrations, settings)
    told = record(results, settings, time.monotonic() - started)
    print_tables(told)
    if settings.json:
        write_text(json.dumps(told, indent=1), settings.json)


def numbers(text):
    """Read ``"0,4,16"``."""
    return tuple(sorted(map(int, text.split(","))))


def words(text):
    """Read ``"semantic,metachain"``."""
    return tuple(text.split(","))


def share_of(text):
    """Read ``"1/2"``: the first of two shares."""
    part, _, parts = text.partition("/")
    if not 1 <= int(part) <= int(parts):
        raise argparse.ArgumentTypeError(f"a share is such as 1/2 or 2/2, got {text!r}")
    return int(part), int(parts)


def arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="JSON Lines; the generated world if left out")
    parser.add_argument("--world", type=int, default=16, help="hospitals of the generated world")
    parser.add_argument("--protocol", choices=("institution", "group"), default="group")
    parser.add_argument("--institutions", type=int, default=16, help="institutions that are held out in turn")
    parser.add_argument("--queries", type=int, default=2, help="queries of each institution")
    parser.add_argument("--seeds", type=int, default=1, help="random supports of each institution")
    parser.add_argument("--shots", type=int, default=8, help="demonstrations in a prompt")
    parser.add_argument("--selectors", type=words, default=SELECTORS)
    parser.add_argument("--labels", type=numbers, default=(0, 4, 16))
    parser.add_argument("--answers-by", type=words, default=ANSWERS_BY, help="generate, score, or both")
    parser.add_argument("--model", default="local")
    parser.add_argument("--instructions", default=INSTRUCTIONS, help="system message")
    parser.add_argument("--calls", type=int, default=UNLIMITED, help="maximum number of calls")
    parser.add_argument("--max-concurrency", type=int, default=1)
    parser.add_argument("--share", type=share_of, default=(1, 1), help="ask for this part of the institutions only")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main(arguments())
