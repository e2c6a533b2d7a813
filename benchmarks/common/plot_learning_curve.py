"""The README's picture, from the scores of an evaluation.

Run ``metachain evaluate chargemaster.jsonl --protocol group --labels 0,2,4,8,16,32 --json scores.json`` (if you like,
only with ``--selectors semantic,metachain,oracle``), then
``python -m benchmarks.common.plot_learning_curve scores.json docs/learning-curve.svg``.
"""

import json
import sys
from pathlib import Path

from metachain.reporting.charts import learning_curve_chart
from metachain.reporting.comparison import learning_curves

STYLE = """<style>
svg { --quiet: #5d646d; --vermillion: #c05200; --blue: #0072b2; color: #1a1d21;
  font-family: system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
text { fill: currentColor; }
@media (prefers-color-scheme: dark) {
  svg { --quiet: #a2aab4; --vermillion: #f0782a; --blue: #4aa8e0; color: #e9ecef; }
}
</style>"""
DRAWN = ("semantic", "metachain", "oracle")


def standalone(drawn: str, width: int | None = None, height: int | None = None) -> str:
    """Make a drawing of ``metachain.reporting.charts`` a file of its own; width and height are the unscaled pixels."""
    head, _, rest = drawn.partition(">")
    size = f' width="{width}" height="{height}"' if width else ""
    head = f'{head} xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"{size}'
    return f"{head}>{STYLE}{rest}\n"


def main() -> None:
    """Draw the curves as one file for light and dark color schemes."""
    scores, picture = map(Path, sys.argv[1:3])
    curves = learning_curves(json.loads(scores.read_text()))
    drawn = str(learning_curve_chart({name: curves[name] for name in DRAWN}, "wide"))
    picture.write_text(standalone(drawn))


if __name__ == "__main__":
    main()
