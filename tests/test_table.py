"""The table that README and docs hold, from the file that evaluate writes."""

import json
import subprocess
import sys
from pathlib import Path

from test_tables import scores

from metachain.summary import harm, summarise

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "table.py"


def test_the_benchmark_prints_gain_and_harm(tmp_path: Path) -> None:
    """Means, gain and the share of draws that lose over a point, at each label count."""
    rows = scores({"a": 0.4, "b": 0.8}, 4) + scores({"a": 0.7, "b": 0.8})
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"protocol": "group", "scores": rows, "summary": summarise(rows), "harm": harm(rows)}))
    done = subprocess.run([sys.executable, PROGRAM, path], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert "2 hospitals, group held out" in lines
    assert "| `metachain` | 0.600 | 0.750 |" in lines
    assert "| draws that lose over a point | 50.0% | 0.0% |" in lines
