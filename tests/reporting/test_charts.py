"""The drawings: every case of data gives one, and each looks the same each time."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metachain.evaluation.result_rows import CalibrationRow
from metachain.learning.calibration import Bin
from metachain.reporting.charts import (
    STYLES,
    apart,
    difference_chart,
    learning_curve_chart,
    reliability_chart,
    skill_chart,
)
from metachain.reporting.comparison import SELECTORS, Point


def calibrated(*counts: int) -> list[CalibrationRow]:
    """Rows of a calibration, the answers of which are all right."""
    bins = Bin(0.05, 1.0, 1), Bin(0.9, 1.0, 99999)
    return [CalibrationRow(count, 0.1, 100000, bins) for count in counts]


def test_every_selector_has_a_style_of_its_own() -> None:
    """No two selectors share colour, dashes and marker, and no two share the marker: colour is never the only cue."""
    assert set(STYLES) == set(SELECTORS)
    assert len({style.marker for style in STYLES.values()}) == len(STYLES)


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_colours_are_the_page_s(size: str) -> None:
    """No colour is fixed in a drawing: all are the page's variables, so that it is readable in light and dark."""
    curves = {name: (Point(0, 0.3, (0.2, 0.4)), Point(8, 0.5, None)) for name in SELECTORS}
    drawn = learning_curve_chart(curves, size) + difference_chart({8: {"a": 0.1, "b": -0.1, "c": 0.0}}, size)
    drawn += reliability_chart(calibrated(0, 8), size)
    drawn += skill_chart({"semantic": {0.0: Point(8, 0.3, (0.2, 0.4)), 1.0: Point(8, 0.5, None)}}, size)
    assert not re.search(r"#[0-9a-f]{6}\b(?!\")", re.sub(r'(id|href)="[^"]*"|url\([^)]*\)', "", drawn))
    assert "currentColor" in drawn


def test_flat_and_single_data_are_drawn() -> None:
    """One point, equal scores, and differences that are all zero still give drawings, and no warnings."""
    assert "bm25" in learning_curve_chart({"bm25": (Point(0, 0.0, None),)}, "wide")
    assert "0 gain" in difference_chart({1: {"h1": 0.0}}, "narrow")


@pytest.mark.parametrize("size", ["wide", "narrow"])
@pytest.mark.parametrize("counts", [(4,), (0, 4, 8, 16, 32), tuple(range(11))])
def test_every_label_count_has_a_panel(counts: tuple[int, ...], size: str) -> None:
    """One for each, named with its error, none outside the drawing; a single bin, full or not, will do."""
    rows = calibrated(*counts)
    rows[0] = replace(rows[0], bins=rows[0].bins[:1])
    drawn = reliability_chart(rows, size)
    named = re.findall(r"<text[^>]*>(\d+ labels, ECE 0.100)</text>", drawn)
    assert named == [f"{count} labels, ECE 0.100" for count in counts]
    across, down = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)"', drawn)[0])
    assert across <= {"wide": 860, "narrow": 350}[size]
    places = re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>\d+ labels', drawn)
    assert len(set(places)) == len(counts)
    assert all(0 < float(x) < across and 0 < float(y) < down for x, y in places)


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_skills_are_drawn_with_their_names(size: str) -> None:
    """Each skill has a tick and each selector its name, also one that lacks a skill."""
    curves = {
        "semantic": {skill: Point(8, skill / 2, None) for skill in (0.0, 0.25, 1.0)},
        "metachain": {0.25: Point(8, 0.4, (0.3, 0.5))},
    }
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", skill_chart(curves, size))
    assert {"0", "0.25", "1", "skill of the reader", "semantic", "metachain"} <= set(texts)


def test_mathematics_in_a_name_is_text() -> None:
    """Dollar signs in the name of a selector are shown as they are."""
    assert ">$x^$<" in learning_curve_chart({"$x^$": (Point(0, 0.5, None),)}, "wide")


def test_a_thousand_institutions_are_drawn() -> None:
    """Many dots in one row stay within their row."""
    values = np.random.default_rng(0).normal(0, 0.01, 1000)
    assert 'role="img"' in difference_chart({4: {str(place): float(v) for place, v in enumerate(values)}}, "wide")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_labels_lie_apart_and_in_order(places: list[float]) -> None:
    """Labels keep their order, lie at least the gap apart, and stay inside where there is room."""
    moved = apart(sorted(places), 0.05)
    assert np.all(np.diff(moved) >= 0.05 - 1e-9)
    assert moved[0] >= -1e-9
    assert moved[-1] <= 1 + 1e-9


def test_labels_with_room_stay_where_they_are() -> None:
    """Nothing is moved that does not overlap."""
    assert apart([0.1, 0.5, 0.9], 0.1) == pytest.approx([0.1, 0.5, 0.9])
