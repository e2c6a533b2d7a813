"""Print results of ``metachain evaluate --json`` as the tables that README and docs hold.

python -m benchmarks.common.table SCORES.json …                          all hospitals
python -m benchmarks.common.table --untuned DATA.jsonl SCORES.json …     only the test hospitals
"""

import json
import sys
from pathlib import Path

from benchmarks.common.hospital_split import development_hospitals
from metachain import read_demonstrations
from metachain.evaluation.ablation import ablated_name
from metachain.evaluation.result import Evaluation
from metachain.evaluation.result_rows import at_skill
from metachain.evaluation.summary import BASELINE, OURS, harm, part_worths, summarise

SHOWN = ("random", "bm25", "semantic", "mmr", "meta_sel", "hybrid", "support", "prior", "scratch", "metachain")
SHOWN += ("verdict", "listed", "oracle")


def print_table(protocol, scores):
    """Print one Markdown table: a row a selector, a column a label count."""
    cells = {(row.selector, row.labels): row for row in summarise(scores)}
    labels = sorted({k for _, k in cells})
    hospitals = len({row.institution for row in scores})
    print(f"\n{hospitals} hospitals, {protocol} held out\n")
    print_head("selector", labels)
    for selector in (name for name in SHOWN if any(cell[0] == name for cell in cells)):
        means = [f"{cells[selector, k].mean:.3f}" if (selector, k) in cells else "–" for k in labels]
        print(f"| `{selector}` | " + " | ".join(means) + " |")
    if all((name, labels[0]) in cells for name in (OURS, BASELINE)):
        print_comparison(cells, labels, scores)


def print_comparison(cells, labels, scores):
    """Print metachain against semantic; a row a measure."""
    ours, base = ([cells[name, k] for k in labels] for name in (OURS, BASELINE))
    print("| gain | " + " | ".join(gain(row) for row in ours) + " |")
    worst = [f"{a.worst_decile:.3f} → {b.worst_decile:.3f}" for a, b in zip(base, ours, strict=True)]
    print("| worst tenth, `semantic` → `metachain` | " + " | ".join(worst) + " |")
    shares = {row.labels: f"{row.share:.1%}" for row in harm(scores)}
    print("| runs more than one point worse than `semantic` | " + " | ".join(shares.get(k, "–") for k in labels) + " |")
    for other in ("prior", "scratch"):
        over = {row.labels: points(row) for row in part_worths(scores, {other: other})}
        if over:
            print(f"| points over `{other}` | " + " | ".join(over[k] for k in labels) + " |")


def print_head(first, labels):
    """Print the first two lines of a table."""
    print(f"| {first} | " + " | ".join(f"{k} labels" for k in labels) + " |")
    print("|---" * (len(labels) + 1) + "|")


def gain(row):
    """The gain over ``semantic`` of a summary's row, with its interval."""
    low, high = row.ci95
    return f"**{row.gain:+.1%}** [{low:+.1%}, {high:+.1%}]"


def points(row):
    """Points of a part, with their interval."""
    low, high = row.ci95
    return f"{row.points:+.1f} [{low:+.1f}, {high:+.1f}]"


def print_variants(first, variants, tuned):
    """Print the scores of semantic and metachain, and the gain, a row a variant; ``variants`` has scores by name."""
    told = {name: {} for name in variants}
    for name, scores in variants.items():
        cells = {(row.selector, row.labels): row for row in summarise(kept(scores, tuned))}
        for k in sorted(k for selector, k in cells if selector == "metachain"):
            base, ours = cells["semantic", k], cells["metachain", k]
            told[name][k] = f"{base.mean:.3f} → {ours.mean:.3f}: {gain(ours)}"
    labels = list(next(iter(told.values())))
    print()
    print_head(first, labels)
    for name, cells in told.items():
        print(f"| {name} | " + " | ".join(cells[k] for k in labels) + " |")


def print_worth(rows):
    """Print what each part of the method is worth, in points."""
    cells = {(row.part, row.labels): row for row in rows}
    labels = sorted({k for _, k in cells})
    print()
    print_head("without", labels)
    for part in dict.fromkeys(row.part for row in rows):
        print(f"| `{part}` | " + " | ".join(points(cells[part, k]) for k in labels) + " |")


def kept(scores, tuned):
    """Rows of the reader itself, of institutions that aren't tuned on."""
    return [row for row in at_skill(scores) if row.institution not in tuned]


def print_result(result, tuned):
    """Print every table that a result holds."""
    rows = kept(result.scores, tuned)
    print_table(result.protocol, rows)
    if result.readers:
        others = {name: part.scores for name, part in result.readers.items()}
        print_variants("reader", {result.settings.readers[0]: rows, **others}, tuned)
    if result.past:
        fewer = {str(part.past): part.scores for part in result.past}
        print_variants("past institutions", {**fewer, "all": rows}, tuned)
    if result.ablation:
        print_worth(part_worths(rows, {row.part: ablated_name(row.part) for row in result.ablation}))
    if result.calibration and not tuned:
        print()
        print_head("", [row.labels for row in result.calibration])
        print("| expected calibration error | " + " | ".join(f"{row.ece:.3f}" for row in result.calibration) + " |")


def main(arguments):
    """Print the tables of each file."""
    tuned = ()
    if arguments[0] == "--untuned":
        tuned = development_hospitals(read_demonstrations(arguments[1]))
        arguments = arguments[2:]
    for path in arguments:
        print_result(Evaluation.from_json(json.loads(Path(path).read_text())), tuned)


if __name__ == "__main__":
    main(sys.argv[1:])
