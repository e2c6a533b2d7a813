"""The table that README and docs hold, from the file that evaluate writes."""

import json
import subprocess
import sys
from pathlib import Path

from results import harm, scores, stored, summarise

from metachain.evaluation import worth

ROOT = Path(__file__).parents[2]
PROGRAM = "benchmarks.common.table"


def test_the_benchmark_prints_what_else_was_measured(tmp_path: Path) -> None:
    """Gains by reader and by number of past institutions, what parts are worth, and calibration, each a table."""
    rows = scores({"a": 0.4, "b": 0.8}, 4) + scores({"a": 0.7, "b": 0.8})
    told = {"summary": summarise(rows), "scores": rows}
    without = [{**row, "selector": "metachain-text", "score": 0.5} for row in rows if row["selector"] == "metachain"]
    result = {
        "protocol": "group",
        "scores": rows + without,
        "settings": {"readers": ["vote", "copy"]},
        "readers": {"copy": told},
        "past": [{"past": 5, **told}],
        "ablation": worth(rows + without, {"text": "metachain-text"}),
        "calibration": [{"labels": 4, "ece": 0.0215, "n": 3, "bins": []}],
    }
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(stored(result)))
    done = subprocess.run([sys.executable, "-m", PROGRAM, path], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    for name in ("vote", "copy", "5", "all"):
        (line,) = [line for line in lines if line.startswith(f"| {name} | ")]
        assert " → 0.600: **" in line.split(" | ")[1], name
    (worthy,) = [line for line in lines if line.startswith("| `text` |")]
    assert worthy.startswith("| `text` | +10.0 [")
    assert "| expected calibration error | 0.021 |" in lines or "| expected calibration error | 0.022 |" in lines


def test_the_benchmark_prints_gain_and_harm(tmp_path: Path) -> None:
    """Means, gain and the share of runs more than one point worse than ``semantic``, at each label count."""
    rows = scores({"a": 0.4, "b": 0.8}, 4) + scores({"a": 0.7, "b": 0.8})
    path = tmp_path / "scores.json"
    result = {"protocol": "group", "scores": rows, "summary": summarise(rows), "harm": harm(rows)}
    path.write_text(json.dumps(stored(result)))
    done = subprocess.run([sys.executable, "-m", PROGRAM, path], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert "2 hospitals, group held out" in lines
    assert "| `metachain` | 0.600 | 0.750 |" in lines
    assert "| runs more than one point worse than `semantic` | 50.0% | 0.0% |" in lines
