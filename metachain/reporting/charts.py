"""Figures of the report as inline SVG: learning curves, differences by institution, and reliability diagrams."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from metachain.evaluation.result_rows import CalibrationRow
from metachain.reporting.comparison import BASELINE, OURS, Point, tally
from metachain.reporting.wording import listed, score

__all__ = ["INK", "OKABE_ITO", "QUIET", "apart", "difference_chart", "inline_svg", "learning_curve_chart"]
__all__ += ["reliability_chart", "skill_chart"]

INK = "#010203"
QUIET = "#777778"
OKABE_ITO = {
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "green": "#009e73",
    "yellow": "#f0e442",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "purple": "#cc79a7",
}
"""Palette of Okabe & Ito (Color Universal Design, 2008), distinct for every common kind of colour vision."""

NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
WIDTHS = {"wide": 860, "narrow": 350}
DASHED, DASH_DOT, DOTTED = (0, (5, 2)), (0, (6, 2, 1, 2)), (0, (1, 2))
PANELS = {"wide": (4, 215), "narrow": (2, 175)}
"""Most panels side by side, and the width of one in pixels."""
LEAST_DOT, LARGEST_DOT = 14, 150
MAIN: dict[str, Any] = {"linewidth": 2.6, "markersize": 7, "zorder": 3}
MINOR: dict[str, Any] = {"linewidth": 1.3, "markersize": 5, "zorder": 2}
LABEL_HEIGHT = 15
FONT = 12
BELOW = "the table below has the numbers."


class Style(NamedTuple):
    """Style of a selector's curve: three cues, so that colour is never the only one."""

    colour: str
    dashes: Any
    marker: str


STYLES = {
    "zero": Style(QUIET, DOTTED, "x"),
    "random": Style(QUIET, DASHED, "v"),
    "bm25": Style(OKABE_ITO["purple"], DOTTED, "^"),
    "semantic": Style(OKABE_ITO["vermillion"], DASHED, "s"),
    "mmr": Style(OKABE_ITO["orange"], DASH_DOT, "<"),
    "meta_sel": Style(OKABE_ITO["purple"], DASHED, "p"),
    "hybrid": Style(OKABE_ITO["green"], DASH_DOT, "D"),
    "support": Style(OKABE_ITO["sky"], DASHED, "P"),
    "prior": Style(OKABE_ITO["yellow"], DASHED, "h"),
    "scratch": Style(OKABE_ITO["blue"], DOTTED, "d"),
    "metachain": Style(OKABE_ITO["blue"], "solid", "o"),
    "verdict": Style(OKABE_ITO["sky"], DOTTED, "H"),
    "listed": Style(OKABE_ITO["green"], DASHED, ">"),
    "oracle": Style(INK, DOTTED, "*"),
}
OTHER = Style(INK, DASH_DOT, ".")


def learning_curve_chart(curves: Mapping[str, Sequence[Point]], size: str) -> Markup:
    """Draw each selector's mean score by number of labels; ``size`` is ``wide`` or ``narrow``."""
    counts = sorted({point.labels for points in curves.values() for point in points})
    named = {name: {str(point.labels): point for point in points} for name, points in curves.items()}
    figure = _curves(named, [str(count) for count in counts], "labels of the new institution", size)
    label = f"Learning curves of {len(curves)} selectors over {len(counts)} label counts; {BELOW}"
    return inline_svg(figure, f"curves-{size}", label)


def skill_chart(curves: Mapping[str, Mapping[float, Point]], size: str) -> Markup:
    """Draw each selector's mean score by the skill of the reader; ``size`` is ``wide`` or ``narrow``."""
    skills = sorted({skill for points in curves.values() for skill in points})
    named = {name: {f"{skill:g}": point for skill, point in points.items()} for name, points in curves.items()}
    figure = _curves(named, [f"{skill:g}" for skill in skills], "skill of the reader", size)
    label = f"Scores of {len(curves)} selectors over {len(skills)} skills of the reader; {BELOW}"
    return inline_svg(figure, f"skills-{size}", label)


def difference_chart(differences: Mapping[int, Mapping[str, float]], size: str) -> Markup:
    """Draw a row for each label count with a dot for each institution: gains right of the line, losses left of it."""
    height = 70 + 76 * len(differences)
    figure, axes = _canvas(WIDTHS[size], height, left=78, right=12)
    low, high = _reach(differences)
    dot = 7.5 * (high - low) / (WIDTHS[size] - 90)
    for level, row in enumerate(differences.values()):
        _swarm(axes, np.sort(list(row.values())), level, dot)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_xlim(low, high)
    axes.set_ylim(len(differences) - 0.45, -0.55)
    rows = [(labels, *tally(row)) for labels, row in differences.items()]
    axes.set_yticks(range(len(rows)), [f"{labels} labels\n{gain} gain\n{lose} lose" for labels, gain, lose in rows])
    axes.set_xlabel(f"score of {OURS} minus {BASELINE}", fontsize=FONT, color=INK)
    for side, text, place in (("right", "◂ loses", -8), ("left", "gains ▸", 8)):
        top = axes.get_xaxis_transform()
        words = axes.annotate(text, (0, 1), (place, 8), xycoords=top, textcoords="offset points")
        words.set(ha=side, fontsize=FONT, color=INK)
    return inline_svg(figure, f"differences-{size}", _difference_words(differences))


def reliability_chart(rows: Sequence[CalibrationRow], size: str) -> Markup:
    """Draw one panel for each label count: the share of right answers by the probability given to them.

    ``rows`` holds at least one label count.
    """
    most, side = PANELS[size]
    down = -(-len(rows) // most)
    across = -(-len(rows) // down)
    tall = side + 20
    figure = Figure(figsize=(across * side / 72, down * tall / 72), dpi=72)
    for place, row in enumerate(rows):
        corner = place % across * side, (down - 1 - place // across) * tall
        _reliability(_axes(figure, (*corner, side, tall), left=44, right=8), row)
    errors = (f"{score(row.ece)} at {row.labels} labels" for row in rows)
    label = f"Reliability diagrams of {OURS}; expected calibration error {listed(errors)}; {BELOW}"
    return inline_svg(figure, f"reliability-{size}", label)


def inline_svg(figure: Figure, name: str, label: str) -> Markup:
    """Draw the figure (1 point a pixel); the same figure gives the same bytes.

    ``name`` makes ids unique. Colours of this module become CSS variables of the page, so that one drawing serves both
    the light and the dark page; text stays text. ``label`` is the text for screen readers.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "metachain"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    width, height = (round(72 * inches) for inches in figure.get_size_inches())
    box = f'viewBox="0 0 {width} {height}" style="max-width: {width}px"'
    svg = f'<svg {box} role="img" aria-label="{escape(label)}">' + svg[svg.index(">") + 1 :]
    svg = re.sub(r'\bid="', f'id="{name}-', svg).replace("url(#", f"url(#{name}-")
    svg = svg.replace('xlink:href="#', f'href="#{name}-')
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = svg.replace(INK, "currentColor").replace(QUIET, "var(--quiet)")
    for hue, colour in OKABE_ITO.items():
        svg = svg.replace(colour, f"var(--{hue})")
    return Markup(svg)  # noqa: S704 - Matplotlib has escaped every text


def _reliability(axes: Axes, row: CalibrationRow) -> None:
    """Draw a dot for each bin, larger for more answers; on the dashed line probabilities equal shares."""
    given, right = [one.probability for one in row.bins], [one.right for one in row.bins]
    n = np.array([one.n for one in row.bins])
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=DASHED)
    axes.plot(given, right, color=OKABE_ITO["blue"], linewidth=1.3)
    area = LEAST_DOT + (LARGEST_DOT - LEAST_DOT) * n / max(n)
    axes.scatter(given, right, s=area, c=OKABE_ITO["blue"], alpha=0.85, linewidths=0)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.set_xlabel("probability given", fontsize=FONT, color=INK)
    axes.set_ylabel("share right", fontsize=FONT, color=INK)
    axes.set_title(f"{row.labels} labels, ECE {score(row.ece)}", loc="left", fontsize=FONT, color=INK)


def _reach(differences: Mapping[int, Mapping[str, float]]) -> tuple[float, float]:
    """Horizontal range: all differences, and room for text on both sides of 0."""
    values = [value for row in differences.values() for value in row.values()]
    low, high = min(0.0, *values), max(0.0, *values)
    span = high - low or 0.01
    return min(low - 0.05 * span, -0.25 * span), max(high + 0.05 * span, 0.25 * span)


def _canvas(width: int, height: int, left: int, right: int) -> tuple[Figure, Axes]:
    """Make a figure with one pair of axes; all sizes and margins are in pixels."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    return figure, _axes(figure, (0, 0, width, height), left, right)


def _axes(figure: Figure, place: tuple[float, float, float, float], left: int, right: int) -> Axes:
    """Make axes in a part of a figure: left, bottom, width and height in pixels, margins included."""
    x, y, width, height = place
    below, above = 46, 26
    all_width, all_height = figure.bbox.width, figure.bbox.height
    size = (width - left - right) / all_width, (height - below - above) / all_height
    axes = figure.add_axes(((x + left) / all_width, (y + below) / all_height, *size))
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=FONT, color=QUIET)
    axes.grid(visible=True, axis="both", color=QUIET, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def _curves(curves: Mapping[str, Mapping[str, Point]], ticks: Sequence[str], below: str, size: str) -> Figure:
    """Draw a curve for each selector, whose points are named by their tick, with its name at the last one."""
    height = max(440, 120 + LABEL_HEIGHT * len(curves))
    figure, axes = _canvas(WIDTHS[size], height, left=40, right=92)
    dodges = np.linspace(-0.14, 0.14, max(len(curves), 2))
    ends = {}
    for dodge, (name, points) in zip(dodges, curves.items(), strict=False):
        shift = 0.0 if name in (OURS, BASELINE) else float(dodge)
        slots = [ticks.index(tick) + shift for tick in points]
        _curve(axes, name, slots, list(points.values()))
        ends[name] = (slots[-1], list(points.values())[-1].mean)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlim(-0.3, len(ticks) - 0.6)
    axes.set_xlabel(below, fontsize=FONT, color=INK)
    axes.set_title("mean score over institutions", loc="left", fontsize=FONT, color=INK)
    _direct_labels(axes, ends, LABEL_HEIGHT / (height - 72))
    return figure


def _curve(axes: Axes, name: str, slots: Sequence[float], points: Sequence[Point]) -> None:
    style, main = STYLES.get(name, OTHER), name in (OURS, BASELINE)
    low, high = zip(*(point.interval or (point.mean, point.mean) for point in points), strict=True)
    if main:
        axes.fill_between(slots, low, high, color=style.colour, alpha=0.16, linewidth=0)
    axes.vlines(slots, low, high, color=style.colour, linewidth=2 if main else 1, alpha=0.55)
    means = [point.mean for point in points]
    look = MAIN if main else MINOR
    axes.plot(slots, means, color=style.colour, linestyle=style.dashes, marker=style.marker, **look)


def _direct_labels(axes: Axes, ends: Mapping[str, tuple[float, float]], gap: float) -> None:
    """Name each curve right of the axes, at least ``gap`` (share of their height) apart, with a line from its end."""
    (low, high), (_, right) = axes.get_ylim(), axes.get_xlim()
    axes.set_ylim(low, high)
    names = sorted(ends, key=lambda name: ends[name][1])
    places = apart([(ends[name][1] - low) / (high - low) for name in names], gap)
    for name, place in zip(names, low + places * (high - low), strict=True):
        style, (slot, mean) = STYLES.get(name, OTHER), ends[name]
        axes.plot([slot, right], [mean, place], color=style.colour, linewidth=0.8, linestyle=DOTTED, clip_on=False)
        axes.plot([right], [place], color=style.colour, marker=style.marker, markersize=6, clip_on=False)
        label = axes.annotate(name, (right, place), (10, 0), textcoords="offset points", va="center", parse_math=False)
        label.set(fontsize=FONT, color=INK, weight="bold" if name in (OURS, BASELINE) else "normal")


def apart(places: Sequence[float], gap: float) -> np.ndarray:
    """Move ascending places in [0, 1] to lie at least ``gap`` apart and inside, by least squares."""
    steps = gap * np.arange(len(places))
    spread = isotonic_regression(np.asarray(places) - steps).x
    return np.clip(spread, 0.0, max(1.0 - steps[-1], 0.0)) + steps


def _swarm(axes: Axes, values: np.ndarray, level: int, dot: float) -> None:
    """Draw the dots of one row, stacked where they overlap, and the mean as a tall line."""
    bins = np.round(values / dot).astype(int)
    ranks = np.array([np.sum(bins[:index] == bins[index]) for index in range(len(bins))])
    step = min(0.13, 0.76 / (ranks.max() + 1))
    heights = level + step * np.where(ranks % 2, (ranks + 1) // 2, -(ranks // 2))
    gains, losses = (values > 0, OKABE_ITO["blue"], "o"), (values < 0, OKABE_ITO["vermillion"], "v")
    for chosen, colour, marker in (gains, losses, (values == 0, QUIET, "s")):
        axes.scatter(values[chosen], heights[chosen], s=38, c=colour, marker=marker, alpha=0.85)
    if len(values) > 1:
        axes.vlines(values.mean(), level - 0.42, level + 0.42, color=INK, linewidth=2.2)


def _difference_words(differences: Mapping[int, Mapping[str, float]]) -> str:
    parts = []
    for labels, row in differences.items():
        gain, lose = tally(row)
        mean = score(float(np.mean(list(row.values()))), signed=True)
        parts.append(f"at {labels} labels {gain} gain and {lose} lose, mean difference {mean}")
    return f"Differences {OURS} minus {BASELINE} for each institution: {'; '.join(parts)}."
