"""Picture of the growth of learning's cost: the figures of benchmarks/learning/cost.py over the stated growth.

The stated growth is that of docs/how-it-works.md (Cost), as a thin line from the first measured point: points on it or
under it grow as stated, or slower.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from benchmarks.common.plot_learning_curve import standalone
from metachain.reporting.charts import INK, OKABE_ITO, QUIET, apart, inline_svg

__all__ = ["growth_picture"]

WIDTH, PANEL = 494, 232
LEFT, RIGHT, BELOW, ABOVE = 76, 96, 52, 34
FONT, LINE = 14, 17
NEIGHBOURS = 8
MARKERS = ("o", "s", "^")

Measured = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Panel:
    """One cause, and the durations that grow with it."""

    title: str
    cause: str
    """Label of the horizontal axis."""
    drawn: Mapping[str, str]
    """Name at the end of each line, by the name in benchmarks/learning/cost.py."""
    stated: str
    """Stated growth of the first line, as in docs/how-it-works.md."""
    growth: Callable[[float], float]


def panels(institutions: int, each: int) -> tuple[Panel, ...]:
    """Make the three panels; the adapting panel is for ``institutions`` of ``each`` demonstrations."""
    settled = institutions * NEIGHBOURS
    return (
        Panel(
            f"learn, from institutions of {each:,} demonstrations",
            "institutions S",
            {"learn, by institutions": "learn"},
            "S², stated",
            lambda s: s**2,
        ),
        Panel(
            "learn, from 10 institutions",
            "demonstrations of each, N / S",
            {"learn, by demonstrations of each of 10": "learn"},
            "N, stated",
            lambda n: n,
        ),
        Panel(
            f"adapt, beside {institutions} institutions of {each:,}",
            "labels k",
            {
                "arithmetic, by labels": "arithmetic",
                "renew, a new list, by labels": "renew",
                "adapt, the past at hand, by labels": "adapt",
            },
            "k² S R + k³",
            lambda k: k**2 * settled + k**3,
        ),
    )


def growth_picture(told: Mapping[str, Measured], each: int) -> str:
    """The whole SVG file; the same figures give the same bytes."""
    institutions = max(told["learn, by institutions"])
    them = panels(institutions, each)
    height = PANEL * len(them)
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    for place, panel in enumerate(them):
        corner = LEFT / WIDTH, (height - (place + 1) * PANEL + BELOW) / height
        size = (WIDTH - LEFT - RIGHT) / WIDTH, (PANEL - BELOW - ABOVE) / height
        _draw(figure.add_axes((*corner, *size)), panel, told)
    said = "; ".join(_said(panel, told) for panel in them)
    return standalone(inline_svg(figure, "growth", f"Seconds on logarithmic axes. {said}."), WIDTH, height)


def _said(panel: Panel, told: Mapping[str, Measured]) -> str:
    rows = []
    for name, short in panel.drawn.items():
        known = told[name]
        (first, least), *_, (last, most) = known.items()
        rows.append(f"{short} {least:.2g} at {first:,} and {most:.2g} at {last:,}")
    return f"{panel.title}, by {panel.cause}: {', '.join(rows)}; the line is {panel.stated}"


def _draw(axes: Axes, panel: Panel, told: Mapping[str, Measured]) -> None:
    causes = sorted({cause for name in panel.drawn for cause in told[name]})
    first = told[next(iter(panel.drawn))]
    start = min(first)
    stated = {cause: first[start] * panel.growth(cause) / panel.growth(start) for cause in causes if cause >= start}
    axes.plot(list(stated), list(stated.values()), color=QUIET, linewidth=1, linestyle=(0, (5, 3)))
    ends = {panel.stated: list(stated.items())[-1]}
    for marker, (name, short) in zip(MARKERS, panel.drawn.items(), strict=False):
        known = told[name]
        axes.plot(
            list(known), list(known.values()), color=OKABE_ITO["blue"], linewidth=1.8, marker=marker, markersize=6.5
        )
        ends[short] = list(known.items())[-1]
    _scale(axes, causes)
    _name(axes, ends)
    axes.set_title(panel.title, loc="left", fontsize=FONT, color=INK, x=-LEFT / (WIDTH - LEFT - RIGHT) + 0.02)
    axes.set_xlabel(panel.cause, fontsize=FONT, color=INK)
    axes.set_ylabel("seconds", fontsize=FONT, color=INK)


def _name(axes: Axes, ends: Mapping[str, tuple[float, float]]) -> None:
    """Write beside the last point of each line what it is, none over another."""
    names = sorted(ends, key=lambda name: ends[name][1])
    low, high = np.log(axes.get_ylim())
    heights = [(np.log(ends[name][1]) - low) / (high - low) for name in names]
    for name, height in zip(names, apart(heights, LINE / (PANEL - BELOW - ABOVE)), strict=True):
        place = ends[name][0], np.exp(low + height * (high - low))
        label = axes.annotate(name, place, (9, 0), textcoords="offset points", va="center", parse_math=False)
        label.set(fontsize=FONT, color=INK)


def _scale(axes: Axes, causes: list[int]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.4, high * 1.4)
    wide = high / low > 60
    axes.xaxis.set_major_locator(FixedLocator(causes))
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    for axis, written in ((axes.xaxis, "{:,.0f}"), (axes.yaxis, "{:g}")):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _, written=written: written.format(value)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=FONT - 1, color=QUIET)
    axes.grid(visible=True, color=QUIET, alpha=0.25, linewidth=0.8)
    axes.set_axisbelow(True)
