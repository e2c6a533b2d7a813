"""A Matplotlib figure as SVG that lives inside an HTML page and wears the page's colours and font."""

import io
import re

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure

__all__ = ["INK", "OKABE_ITO", "QUIET", "inline_svg"]

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
"""Okabe & Ito's palette (Color Universal Design, 2008): apart for every common kind of colour vision."""

NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def inline_svg(figure: Figure, name: str, label: str) -> Markup:
    """Draw the figure (1 point a pixel); the same figure gives the same bytes.

    Ids are made unique by ``name``. Colours named here become CSS variables of the page, so that one drawing serves
    the light and the dark page; text stays text. ``label`` is what a screen reader says.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "metachain"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = _opening(figure, label) + svg[svg.index(">") + 1 :]
    svg = re.sub(r'\bid="', f'id="{name}-', svg).replace("url(#", f"url(#{name}-")
    svg = svg.replace('xlink:href="#', f'href="#{name}-')
    return Markup(_coloured(svg))  # noqa: S704 - Matplotlib has escaped every text


def _opening(figure: Figure, label: str) -> str:
    width, height = (round(72 * inches) for inches in figure.get_size_inches())
    box = f'viewBox="0 0 {width} {height}" style="max-width: {width}px"'
    return f'<svg {box} role="img" aria-label="{escape(label)}">'


def _coloured(svg: str) -> str:
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = svg.replace(INK, "currentColor").replace(QUIET, "var(--quiet)")
    for name, colour in OKABE_ITO.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg
