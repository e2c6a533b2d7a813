"""The forecast of ``metachain diagnose`` beside the gains that ``metachain evaluate`` measures.

    python -m benchmarks.evaluation.forecast [DATA.jsonl ...]

Without a file, on generated (synthetic) worlds: the default one, and those of docs/diagnose.md. Both hold out one
institution at a time; supports and queries differ. Where answers are texts the evaluation draws one support each.
Prints a Markdown table and the share of measured gains within the interval of their forecast.
"""

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from metachain import Library, diagnose
from metachain.data import WorldSettings, generate_world, read_demonstrations
from metachain.evaluation import Plan, evaluate
from metachain.library import EVERYONE
from metachain.scoring import are_texts

LABELS = (4, 16, 32)
HONEST = WorldSettings(misleading=0)
WORLDS = {
    "default": WorldSettings(),
    "all alike": replace(HONEST, divergence=0, noise=0, exceptions=0),
    "one answer each": replace(HONEST, constant=True),
    "unrelated": replace(HONEST, unrelated=True, demonstrations=100),
    "mostly outliers": WorldSettings(institutions=20, misleading=13, demonstrations=100),
    "plenty each": replace(HONEST, institutions=8, systems=8, demonstrations=800),
}


def compare(name, demonstrations):
    """Print the lines of one set, and return the marks of measured gains within their forecast."""
    with Library.open(Path(tempfile.mkdtemp()) / "forecast.db") as library:
        library.add(demonstrations, share=EVERYONE)
        found = diagnose(library, seconds=1e6)
        dense = library.vectors(demonstrations)
    seeds = range(1) if are_texts([one.output for one in demonstrations]) else range(3)
    plan = Plan(labels=LABELS, seeds=tuple(seeds), selectors=("semantic", "support", "metachain"))
    rows = {(row.selector, row.labels): row for row in evaluate(demonstrations, dense, plan).summary}
    within = []
    for one in found.forecast:
        cells = []
        for gain, other in ((one.over_nearest, "semantic"), (one.over_own, "support")):
            base = rows[other, one.labels].mean if (other, one.labels) in rows else 0
            shown = rows["metachain", one.labels].mean / base - 1 if base else None
            cells += [told(gain.mean, gain.interval), told(shown)]
            if gain.interval and shown is not None:
                within.append(gain.interval[0] - 5e-3 <= shown <= gain.interval[1] + 5e-3)
        print(f"| {name} | {one.labels} | " + " | ".join(cells) + f" | {found.verdict} |", flush=True)
    return within


def told(mean, interval=None):
    """Write a gain as a percentage, with its interval."""
    if mean is None:
        return "–"
    ends = f" [{100 * interval[0]:+.0f}, {100 * interval[1]:+.0f}]" if interval else ""
    return f"{100 * mean:+.1f} %{ends}"


def main(files):
    """Print the table."""
    print("| set | labels | over `semantic`: forecast | measured | over `support`: forecast | measured | verdict |")
    print("|---" * 7 + "|")
    sets = ((Path(one).stem, read_demonstrations(one)) for one in files)
    within = []
    for name, demonstrations in sets if files else ((name, generate_world(one)) for name, one in WORLDS.items()):
        within += compare(name, demonstrations)
    print(
        f"\n{sum(within)} of {len(within)} measured gains within the interval of their forecast, or half a point of it"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
