"""Print results of ``metachain evaluate --json`` as the tables that README and docs hold.

python benchmarks/table.py SCORES.json …                          all hospitals
python benchmarks/table.py --untuned DATA.jsonl SCORES.json …     only those that no constant was tuned on
"""

import json
import sys
from pathlib import Path

from hospitals import development_hospitals

from metachain import read_demonstrations
from metachain.summary import harm, summarise

SHOWN = ("random", "bm25", "semantic", "mmr", "hybrid", "support", "prior", "scratch", "metachain", "listed", "oracle")


def print_table(protocol, scores):
    """Print one Markdown table: a row a selector, a column a label count."""
    cells = {(row["selector"], row["labels"]): row for row in summarise(scores)}
    labels = sorted({k for _, k in cells})
    hospitals = len({row["institution"] for row in scores})
    print(f"\n{hospitals} hospitals, {protocol} held out\n")
    print("| selector | " + " | ".join(f"{k} labels" for k in labels) + " |")
    print("|---" * (len(labels) + 1) + "|")
    for selector in SHOWN:
        means = [f"{cells[selector, k]['mean']:.3f}" if (selector, k) in cells else "–" for k in labels]
        print(f"| `{selector}` | " + " | ".join(means) + " |")
    ours, base = ([cells[name, k] for k in labels] for name in ("metachain", "semantic"))
    gains = [f"**{row['gain']:+.1%}** [{row['ci95'][0]:+.1%}, {row['ci95'][1]:+.1%}]" for row in ours]
    print("| gain | " + " | ".join(gains) + " |")
    worst = [f"{a['worst_decile']:.3f} → {b['worst_decile']:.3f}" for a, b in zip(base, ours, strict=True)]
    print("| worst tenth, `semantic` → `metachain` | " + " | ".join(worst) + " |")
    shares = {row["labels"]: f"{row['share']:.1%}" for row in harm(scores)}
    print("| draws that lose over a point | " + " | ".join(shares.get(k, "–") for k in labels) + " |")


def main(arguments):
    """Print one table a file."""
    tuned = ()
    if arguments[0] == "--untuned":
        tuned = development_hospitals(read_demonstrations(arguments[1]))
        arguments = arguments[2:]
    for path in arguments:
        result = json.loads(Path(path).read_text())
        print_table(result["protocol"], [row for row in result["scores"] if row["institution"] not in tuned])


if __name__ == "__main__":
    main(sys.argv[1:])
