"""Effect of selection if outputs are texts: the tables of docs/texts.md.

    python -m benchmarks.evaluation.texts DATA.jsonl [SCORES.json]   evaluate a file, print the tables, keep the scores
    python -m benchmarks.evaluation.texts --sections DATA.jsonl …    the same for each metadata.section by itself
    python -m benchmarks.evaluation.texts SCORES.json                print the tables of scores that were kept

With ``--sections`` each section of an institution plays an institution of its own, and all are held out together. This
is for notes, where several sections answer one conversation and the input doesn't name the section.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from metachain import read_demonstrations
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.evaluation.result import Evaluation
from metachain.evaluation.result_rows import at_skill
from metachain.evaluation.selectors import SELECTORS
from metachain.evaluation.summary import BASELINE, OURS, by_institution, harm, summarise
from metachain.library.embedding_cache import cached_vectors

PLAN = Plan(
    labels=(0, 4, 16),
    queries=30,
    selectors=("zero", "random", "semantic", "mmr", "support", "prior", "metachain", "oracle"),
    readers=("vote", "copy"),
)
FEW = 5
"""With fewer institutions an interval over them means nothing: each run is printed instead."""

BRIEF = (BASELINE, OURS, "oracle")


def by_section(demonstrations):
    """Make each section of an institution an institution of its own, in the institution's group."""
    return [
        replace(
            one,
            institution=f"{one.institution} / {one.metadata['section']}",
            metadata={**one.metadata, "group": one.institution},
        )
        for one in demonstrations
    ]


def measure(path, sections):
    """Evaluate a file by the plan above."""
    demonstrations = read_demonstrations(path)
    plan = PLAN
    if sections:
        demonstrations, plan = by_section(demonstrations), replace(PLAN, protocol="group")
    vectors = cached_vectors([one.input for one in demonstrations], None)
    return evaluate(demonstrations, vectors, plan, dataset=Path(path).name)


def print_tables(result):
    """Print a table a metric, a short one for every further reader, and what the guard chose."""
    readers = {result.settings.readers[0]: result.scores}
    readers |= {name: one.scores for name, one in result.readers.items()}
    print(f"\n{result.dataset}, {result.protocol} held out")
    for reader, scores in readers.items():
        for metric in result.settings.metrics:
            print(f"\n{metric}, reader `{reader}`\n")
            rows = [row for row in at_skill(scores) if row.metric == metric]
            print_table(rows, brief=scores is not result.scores)
    print_guard(result.settings.lessons)


def print_table(scores, brief):
    """Print one Markdown table of one metric: a row a selector (the most telling, if brief), a column a label count."""
    cells = {(row.selector, row.labels): row for row in summarise(scores)}
    tables = by_institution(scores)
    labels = sorted({k for _, k in cells})
    counted = {k: len(tables[BASELINE, k]) for k in labels}
    print("| selector | " + " | ".join(f"{k} labels" for k in labels) + " |")
    print("|---" * (len(labels) + 1) + "|")
    measured = [name for name in SELECTORS if any(found == name for found, _ in cells)]
    for selector in BRIEF if brief else measured:
        print_row(f"`{selector}`", (_mean(cells.get((selector, k))) for k in labels))
    for selector in (OURS,) if brief else ("mmr", "support", OURS):
        print_row(f"gain of `{selector}`", (_gain(cells.get((selector, k))) for k in labels))
    worst = [(cells[BASELINE, k].worst_decile, cells[OURS, k].worst_decile) for k in labels]
    print_row(f"worst tenth, `{BASELINE}` → `{OURS}`", (f"{base:.3f} → {ours:.3f}" for base, ours in worst))
    lost = {row.labels: f"{row.lost} of {row.draws}" for row in harm(scores)}
    print_row("runs more than one point worse than `semantic`", (lost.get(k, "–") for k in labels))
    print_row("institutions", (str(counted[k]) for k in labels))
    if max(counted.values()) < FEW and not brief:
        print_draws(scores, labels)


def print_draws(scores, labels):
    """Print the difference of every run, one row an institution."""
    score = {(row.selector, row.labels, row.institution, row.seed): row.score for row in scores}
    for name in dict.fromkeys(row.institution for row in scores):
        draws = [
            [own - score[BASELINE, *key] for (selector, *key), own in score.items() if (selector, *key[:2]) == wanted]
            for wanted in ((OURS, k, name) for k in labels)
        ]
        print_row(f"each draw of {name}", (", ".join(f"{one:+.3f}" for one in several) or "–" for several in draws))


def print_guard(lessons):
    """Print how often the guard chose what, when each institution was held out."""
    unlabelled = sum(not one.trusts_consensus for one in lessons.values())
    labelled = sum(one.settings is None for one in lessons.values())
    print(f"\nguard: of {len(lessons)} lessons {unlabelled} choose nearest neighbours without labels, {labelled} with")


def print_row(title, cells):
    """Print one row of a Markdown table."""
    print(f"| {title} | " + " | ".join(cells) + " |")


def _mean(cell):
    return f"{cell.mean:.3f}" if cell else "–"


def _gain(cell):
    if not cell or cell.gain is None:
        return "–"
    low, high = cell.ci95 or (None, None)
    return f"{cell.gain:+.1%}" + ("" if low is None else f" [{low:+.1%}, {high:+.1%}]")


def main(arguments):
    """Measure a file, or read an earlier measurement, and print it."""
    sections = arguments[0] == "--sections"
    path, *kept = arguments[sections:]
    result = (
        measure(path, sections) if path.endswith(".jsonl") else Evaluation.from_json(json.loads(Path(path).read_text()))
    )
    print_tables(result)
    if kept:
        Path(kept[0]).write_text(json.dumps(result.to_json(), indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
