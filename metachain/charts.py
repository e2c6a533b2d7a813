"""The report's figures: learning curves, and who gains and who loses."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metachain.comparison import BASELINE, OURS, Point
from metachain.svg import INK, OKABE_ITO, QUIET, inline_svg
from metachain.wording import score

__all__ = ["difference_chart", "learning_curve_chart"]

WIDTHS = {"wide": 860, "narrow": 350}
DASHED, DASH_DOT, DOTTED = (0, (5, 2)), (0, (6, 2, 1, 2)), (0, (1, 2))
LABEL_HEIGHT = 15
FONT = 12


class Style(NamedTuple):
    """How a selector is drawn: three cues, so that colour is never the only one."""

    colour: str
    dashes: Any
    marker: str


STYLES = {
    "zero": Style(QUIET, DOTTED, "x"),
    "random": Style(QUIET, DASHED, "v"),
    "bm25": Style(OKABE_ITO["purple"], DOTTED, "^"),
    "semantic": Style(OKABE_ITO["vermillion"], DASHED, "s"),
    "mmr": Style(OKABE_ITO["orange"], DASH_DOT, "<"),
    "hybrid": Style(OKABE_ITO["green"], DASH_DOT, "D"),
    "support": Style(OKABE_ITO["sky"], DASHED, "P"),
    "prior": Style(OKABE_ITO["yellow"], DASHED, "h"),
    "scratch": Style(OKABE_ITO["blue"], DOTTED, "d"),
    "metachain": Style(OKABE_ITO["blue"], "solid", "o"),
    "oracle": Style(INK, DOTTED, "*"),
}
OTHER = Style(INK, DASH_DOT, ".")


def learning_curve_chart(curves: Mapping[str, Sequence[Point]], size: str) -> Markup:
    """Mean score against the number of labels for every selector; ``size`` is ``wide`` or ``narrow``."""
    width, height = WIDTHS[size], max(380, 120 + LABEL_HEIGHT * len(curves))
    figure, axes = _canvas(width, height, left=46, right=96)
    counts = sorted({point.labels for points in curves.values() for point in points})
    slots = {count: slot for slot, count in enumerate(counts)}
    dodges = np.linspace(-0.14, 0.14, max(len(curves), 2))
    for dodge, (name, points) in zip(dodges, curves.items(), strict=False):
        _curve(axes, name, points, slots, 0.0 if name in (OURS, BASELINE) else float(dodge))
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set_xlim(-0.3, len(counts) - 0.7)
    axes.set_xlabel("labels of the new institution", fontsize=FONT, color=INK)
    axes.set_title("mean score over institutions", loc="left", fontsize=FONT, color=INK)
    _direct_labels(axes, {name: points[-1].mean for name, points in curves.items()}, height - 90)
    said = (
        f"Learning curves of {len(curves)} selectors over {len(counts)} label counts; the table below has the numbers."
    )
    return inline_svg(figure, f"curves-{size}", said)


def difference_chart(differences: Mapping[int, Mapping[str, float]], size: str) -> Markup:
    """One dot for each institution in a row for each label count: right of the line it gains, left of it it loses."""
    height = 70 + 76 * len(differences)
    figure, axes = _canvas(WIDTHS[size], height, left=78, right=12)
    limit = 1.08 * max(max(map(abs, row.values())) for row in differences.values()) or 0.01
    dot = 14 * limit / WIDTHS[size]
    for level, row in enumerate(differences.values()):
        _swarm(axes, np.sort(list(row.values())), level, dot)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_xlim(-limit, limit)
    axes.set_ylim(len(differences) - 0.45, -0.55)
    axes.set_yticks(range(len(differences)), [_row_label(*item) for item in differences.items()])
    axes.set_xlabel(f"score of {OURS} minus {BASELINE}", fontsize=FONT, color=INK)
    axes.set_title("◂ loses      gains ▸", fontsize=FONT, color=INK)
    return inline_svg(figure, f"differences-{size}", _difference_words(differences))


def _canvas(width: int, height: int, left: int, right: int) -> tuple[Figure, Axes]:
    """A figure of so many pixels with one pair of axes; the margins leave room for what is written there."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    below, above = 46, 26
    box = (left / width, below / height, 1 - (left + right) / width, 1 - (below + above) / height)
    axes = figure.add_axes(box)
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=FONT, color=QUIET)
    axes.grid(visible=True, axis="both", color=QUIET, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _curve(axes: Axes, name: str, points: Sequence[Point], slots: Mapping[int, int], dodge: float) -> None:
    style, ours = STYLES.get(name, OTHER), name in (OURS, BASELINE)
    x = np.array([slots[point.labels] for point in points]) + dodge
    means = [point.mean for point in points]
    low, high = zip(*(point.interval or (point.mean, point.mean) for point in points), strict=True)
    if ours:
        axes.fill_between(x, low, high, color=style.colour, alpha=0.16, linewidth=0)
    axes.vlines(x, low, high, color=style.colour, linewidth=2 if ours else 1, alpha=0.55)
    axes.plot(
        *(x, means),
        color=style.colour,
        linestyle=style.dashes,
        linewidth=2.6 if ours else 1.3,
        marker=style.marker,
        markersize=7 if ours else 5,
        zorder=3 if ours else 2,
    )


def _direct_labels(axes: Axes, ends: Mapping[str, float], pixels: float) -> None:
    """Name each curve at its right end, pushed apart where they would overlap, with a line that leads there."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    names = sorted(ends, key=lambda name: ends[name])
    heights = _apart([(ends[name] - low) / (high - low) for name in names], LABEL_HEIGHT / pixels)
    left, right = axes.get_xlim()
    for name, place in zip(names, heights, strict=True):
        style, bold = STYLES.get(name, OTHER), "bold" if name in (OURS, BASELINE) else "normal"
        axes.annotate(
            name,
            xy=(right, low + place * (high - low)),
            xytext=(18, 0),
            textcoords="offset points",
            **{"va": "center", "fontsize": FONT, "color": INK, "weight": bold, "parse_math": False},
        )
        end, target = (ends[name] - low) / (high - low), place
        axes.plot(
            *([1 - 0.3 / (right - left), 1.0], [end, target]),
            transform=axes.transAxes,
            **{"color": style.colour, "linewidth": 0.8, "linestyle": style.dashes, "clip_on": False},
        )
        axes.plot(
            *([1.0], [target]),
            transform=axes.transAxes,
            **{"color": style.colour, "marker": style.marker, "markersize": 6, "clip_on": False},
        )


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places in [0, 1], moved no more than needed to lie at least ``gap`` apart and inside."""
    moved = list(places)
    for index in range(1, len(moved)):
        moved[index] = max(moved[index], moved[index - 1] + gap)
    ceiling = 1.0
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], ceiling)
        ceiling = moved[index] - gap
    return moved


def _swarm(axes: Axes, values: np.ndarray, level: int, dot: float) -> None:
    """Dots of one row, stacked where they fall together; the mean is a tall line."""
    bins = np.round(values / dot).astype(int)
    ranks = np.array([np.sum(bins[:index] == bins[index]) for index in range(len(bins))])
    step = min(0.13, 0.76 / (ranks.max() + 1))
    heights = level + step * np.where(ranks % 2, (ranks + 1) // 2, -(ranks // 2))
    looks = ((values > 0, "blue", "o"), (values < 0, "vermillion", "v"), (values == 0, "", "s"))
    for chosen, colour, marker in looks:
        axes.scatter(
            *(values[chosen], heights[chosen]), s=38, c=OKABE_ITO.get(colour, QUIET), marker=marker, alpha=0.85
        )
    axes.vlines(values.mean(), level - 0.42, level + 0.42, color=INK, linewidth=2.2)


def _row_label(labels: int, row: Mapping[str, float]) -> str:
    gain, lose = _tally(row.values())
    return f"{labels} labels\n{gain} gain\n{lose} lose"


def _tally(values: Iterable[float]) -> tuple[int, int]:
    listed = list(values)
    return sum(value > 0 for value in listed), sum(value < 0 for value in listed)


def _difference_words(differences: Mapping[int, Mapping[str, float]]) -> str:
    parts = []
    for labels, row in differences.items():
        gain, lose = _tally(row.values())
        mean = score(float(np.mean(list(row.values()))), signed=True)
        parts.append(f"at {labels} labels {gain} gain and {lose} lose, mean difference {mean}")
    return f"Differences {OURS} minus {BASELINE} for each institution: {'; '.join(parts)}."
