"""Draw the README's learning curves from the scores of an evaluation.

    metachain evaluate chargemaster.jsonl --protocol group --labels 0,2,4,8,16,32 --json scores.json
    python -m benchmarks.common.plot_learning_curve scores.json docs/learning-curve.svg

``--selectors semantic,metachain,oracle`` is enough for the first command.
"""

import json
import sys
from pathlib import Path

from metachain.evaluation.result_rows import read_scores
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
    """A drawing of ``metachain.reporting.charts`` as an SVG file, with its unscaled size in pixels if given."""
    head, _, rest = drawn.partition(">")
    size = f' width="{width}" height="{height}"' if width else ""
    head = f'{head} xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"{size}'
    return f"{head}>{STYLE}{rest}\n"


def main() -> None:
    """Draw the curves as one file for light and dark mode."""
    scores, picture = map(Path, sys.argv[1:3])
    curves = learning_curves(read_scores(json.loads(scores.read_text())["scores"]))
    drawn = str(learning_curve_chart({name: curves[name] for name in DRAWN}, "wide"))
    picture.write_text(standalone(drawn))


if __name__ == "__main__":
    main()
