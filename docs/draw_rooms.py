"""Draws rooms.svg, the packages of metachain and the imports between them: ``python docs/draw_rooms.py``.

Layers and their order come from the import-linter contract in pyproject.toml. The imports come from the code, read with
grimp. Rooms stand on a diagonal, the top layer first. The row of a room and the column of another meet in the number of
imports.
"""

import tomllib
from collections import Counter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "rooms.svg"
WIDTH, TOP, ROW, FIRST, COLUMN = 600, 24, 37, 52, 40
HALF, RADIUS, LETTER, MARGIN, GAP = 12, 11, 7.6, 9, 1.5
NOTES = (
    "An arrow runs right from a room, then",
    "down into the room that it imports.",
    "The number counts its imports.",
    "No arrow runs up. Rooms on one gray",
    "band do not import each other.",
)
STYLE = """
  svg { font: 12.5px system-ui, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif; }
  .page, circle { fill: #ffffff; } .band { fill: #e9edf2; } .room { fill: #f5f6f8; stroke: #0072b2; stroke-width: 1.6; }
  path { fill: none; stroke: #5d646d; } .tip { fill: #5d646d; stroke: none; } circle { stroke: #5d646d; }
  text { fill: #1a1d21; } .name { font-weight: 600; } .number { font-size: 11.5px; } .name, .number { text-anchor: middle; }
  @media (prefers-color-scheme: dark) {
    .page, circle { fill: #14171a; } .band { fill: #262c33; } .room { fill: #1d2126; stroke: #4aa8e0; }
    path, circle { stroke: #a2aab4; } .tip { fill: #a2aab4; } text { fill: #e9ecef; }
  }
"""  # noqa: E501 - style sheet

Box = tuple[str, ...]
"""Names of one room, or of the small modules of one layer."""


def layers() -> list[list[Box]]:
    """Layers of the import-linter contract, top down, each with its boxes."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    return [[tuple(box.split(" : ")) for box in layer.split(" | ")] for layer in contract["layers"]]


def imports_between(boxes: list[Box]) -> Counter[tuple[int, int]]:
    """Number of imports by (place of the importing box, place of the imported box)."""
    graph = grimp.build_graph("metachain", cache_dir=None)
    places = {f"metachain.{name}": place for place, box in enumerate(boxes) for name in box}
    room = {module: places.get(".".join(module.split(".")[:2])) for module in graph.modules}
    found: Counter[tuple[int, int]] = Counter()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            origin, target = room[module], room.get(imported)
            if origin is not None and target is not None and origin != target:
                found[origin, target] += 1
    return found


def across(place: int) -> int:
    """Horizontal position of a box's column, in pixels."""
    return FIRST + COLUMN * place


def down(place: int) -> int:
    """Vertical position of a box's row, in pixels."""
    return TOP + ROW * place


def draw_bands(levels: list[list[Box]]) -> list[str]:
    """A band behind the boxes of each layer that has several."""
    found, place = [], 0
    for level in levels:
        if len(level) > 1:
            top, height = down(place) - ROW / 2 + GAP, ROW * len(level) - 2 * GAP
            found.append(f'<rect class="band" y="{top}" width="{WIDTH}" height="{height}"/>')
        place += len(level)
    return found


def draw_arrows(counts: Counter[tuple[int, int]]) -> list[str]:
    """One line right for each room that imports, one arrow down into each room that is imported."""
    rows = [
        f'<path d="M{across(origin)} {down(origin)} H{across(max(to for of, to in counts if of == origin))}"/>'
        for origin in sorted({of for of, _ in counts})
    ]
    columns = [
        f'<path d="M{across(target)} {down(min(of for of, to in counts if to == target))} V{down(target) - HALF - 5}"/>'
        f'<path class="tip" d="M{across(target) - 4} {down(target) - HALF - 7} h8 l-4 7 z"/>'
        for target in sorted({to for _, to in counts})
    ]
    return rows + columns


def draw_numbers(counts: Counter[tuple[int, int]]) -> list[str]:
    """The number of imports, where the row of a room meets the column of the room that it imports."""
    return [
        f'<circle cx="{across(target)}" cy="{down(origin)}" r="{RADIUS}"/>'
        f'<text class="number" x="{across(target)}" y="{down(origin) + 4}">{count}</text>'
        for (origin, target), count in sorted(counts.items())
    ]


def draw_boxes(boxes: list[Box]) -> list[str]:
    """The rooms; each box ends at its column and grows to the left with its name."""
    found = []
    for place, box in enumerate(boxes):
        name, top = ", ".join(box), down(place) - HALF
        width = round(len(name) * LETTER + 2 * MARGIN)
        left = across(place) + HALF - width
        found.append(
            f'<rect class="room" x="{left}" y="{top}" width="{width}" height="{2 * HALF}" rx="5"/>'
            f'<text class="name" x="{left + width / 2}" y="{down(place) + 4}">{name}</text>'
        )
    return found


def draw() -> str:
    """The picture, as SVG."""
    levels = layers()
    boxes = [box for level in levels for box in level]
    counts = imports_between(boxes)
    height = down(len(boxes) - 1) + TOP
    label = "Packages of metachain in layers, and the number of imports between each two; every arrow points down."
    notes = (f"{counts.total()} imports between rooms.", *NOTES)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">',
            f'<style>{STYLE}</style><rect class="page" width="{WIDTH}" height="{height}"/>',
            *draw_bands(levels),
            *draw_arrows(counts),
            *draw_numbers(counts),
            *draw_boxes(boxes),
            *(f'<text x="12" y="{down(8) + 36 + 18 * line}">{note}</text>' for line, note in enumerate(notes)),
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
