"""The picture of the rooms in CONTRIBUTING.md shows the imports of today."""

import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_picture_is_current() -> None:
    """``python docs/draw_rooms.py`` would write exactly the picture that is there, and twice the same."""
    draw = runpy.run_path(str(DOCS / "draw_rooms.py"))["draw"]
    picture = (DOCS / "rooms.svg").read_text(encoding="utf-8")
    assert draw() == draw() == picture, "run: python docs/draw_rooms.py"


def test_every_arrow_points_down() -> None:
    """Each number stands to the right of the room that imports and above the room that is imported."""
    drawn = runpy.run_path(str(DOCS / "draw_rooms.py"))
    boxes = [box for level in drawn["layers"]() for box in level]
    counts = drawn["imports_between"](boxes)
    assert min(counts.values()) > 0
    assert [pair for pair in counts if pair[0] >= pair[1]] == []
    tree = ET.fromstring((DOCS / "rooms.svg").read_text(encoding="utf-8"))  # noqa: S314
    texts = [node.text for node in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert [", ".join(box) for box in boxes] == [text for text in texts if text in {", ".join(box) for box in boxes}]
