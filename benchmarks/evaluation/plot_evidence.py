"""Draw the mean score of every selector, read by a language model: the file of ``evidence --json``.

python -m benchmarks.evaluation.plot_evidence EVIDENCE.json EVIDENCE.svg

One panel for each number of labels; whiskers are 95 % bootstrap intervals over institutions.
"""

import json
import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.plot_learning_curve import standalone
from metachain.evaluation.result_rows import read_scores
from metachain.reporting.charts import INK, OKABE_ITO, QUIET, inline_svg
from metachain.reporting.comparison import learning_curves

READERS = {
    "offline": ("offline reader", QUIET, "x"),
    "generate": ("model, in its words", OKABE_ITO["vermillion"], "o"),
    "score": ("model, by label scores", OKABE_ITO["blue"], "s"),
}
"""Name, colour and marker of each reader."""
WIDTH, ROW, ABOVE, BELOW, LEFT, RIGHT, BETWEEN = 860, 30, 54, 48, 90, 16, 20
"""Pixels."""
APART = 0.22
"""Distance of two readers of one selector, in rows."""


def picture(told):
    """The SVG file of what ``evidence --json`` wrote; the same figures give the same bytes."""
    curves = {reader: learning_curves(read_scores(one["scores"])) for reader, one in told["results"].items()}
    names = list(dict.fromkeys(name for own in curves.values() for name in own))
    counts = sorted({point.labels for own in curves.values() for points in own.values() for point in points})
    height = ABOVE + ROW * len(names) + BELOW
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    width = (WIDTH - LEFT - RIGHT - BETWEEN * (len(counts) - 1)) / len(counts)
    for place, labels in enumerate(counts):
        corner = (LEFT + place * (width + BETWEEN)) / WIDTH, BELOW / height
        axes = figure.add_axes((*corner, width / WIDTH, ROW * len(names) / height))
        draw(axes, curves, names, labels)
        axes.set_yticks(range(len(names)), names if place == 0 else [""] * len(names))
    handles, words = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="upper left", ncols=len(words), frameon=False, labelcolor=INK)
    label = f"Mean scores of {len(names)} selectors by {', '.join(READERS[one][0] for one in curves)}."
    return standalone(inline_svg(figure, "evidence", label), WIDTH, height)


def draw(axes: Axes, curves, names, labels):
    """Draw one panel: a row a selector, a mark a reader."""
    for number, (reader, own) in enumerate(curves.items()):
        name, colour, marker = READERS[reader]
        points = {at: point for at, one in enumerate(names) for point in own.get(one, ()) if point.labels == labels}
        rows = [at + (number - (len(curves) - 1) / 2) * APART for at in points]
        ends = [point.interval or (point.mean, point.mean) for point in points.values()]
        axes.hlines(rows, [low for low, _ in ends], [high for _, high in ends], colors=colour, linewidth=1.2)
        means = [point.mean for point in points.values()]
        axes.plot(means, rows, marker=marker, color=colour, linestyle="none", markersize=6, label=name)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(names) - 0.4, -0.6), title=f"{labels} labels", xlabel="mean score")
    axes.grid(axis="x", color=QUIET, linewidth=0.4, alpha=0.5)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(picture(json.loads(source.read_text())))
