"""Many answers to one text: a generated, synthetic world in which all institutions answer the same texts.

    python -m benchmarks.evaluation.annotators

Three worlds of 24 annotators and 100 texts; each annotator is held out in turn, with one random support, and answers
are voted on. The interval of the gain resamples annotators, over all worlds.
"""

from dataclasses import replace

from benchmarks.common.annotators import annotators
from metachain.embedding.encoder import MiniLM
from metachain.evaluation.leave_one_out import evaluate
from metachain.evaluation.plan import Plan
from metachain.evaluation.summary import summarise

WORLDS = range(3)
PLAN = Plan(labels=(0, 2, 4), seeds=(0,), queries=50, selectors=("semantic", "hybrid", "scratch", "metachain"))


def main():
    """Evaluate all worlds and print a Markdown table."""
    rows, errors = [], {}
    for seed in WORLDS:
        made = annotators(24, 100, seed)
        result = evaluate(made, MiniLM().encode([one.input for one in made]), PLAN)
        rows += [replace(one, institution=f"{one.institution} of world {seed}") for one in result.scores]
        for one in result.calibration:
            errors.setdefault(one.labels, []).append(one.ece)
    print("| selector | labels | mean | gain over `semantic` | right answer shown |")
    print("|---|---|---|---|---|")
    for row in summarise(rows):
        gain = "–" if row.ci95 is None else f"{row.gain:+.1%} [{row.ci95[0]:+.1%}, {row.ci95[1]:+.1%}]"
        print(f"| `{row.selector}` | {row.labels} | {row.mean:.3f} | {gain} | {row.recall:.3f} |")
    told = ", ".join(f"{sum(found) / len(found):.3f} at {labels} labels" for labels, found in errors.items())
    print(f"\nmean expected calibration error: {told}")


if __name__ == "__main__":
    main()
