"""Two models, the same selectors: the gain of each model from learned selection, and the calls it takes.

    python examples/compare_models.py --model offline --other offline
    python examples/compare_models.py --data past.jsonl --model ollama:llama3 --other openai:gpt-4o-mini --calls 2000

Answers are stored, so an interrupted run can continue. Without --data the hospitals are synthetic: the numbers then
show how it works, not how well.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from metachain.data import WorldSettings, generate_world

PLAN = ("--labels", "0,8", "--seeds", "1", "--queries", "20", "--selectors", "zero,semantic,metachain")


def main() -> None:
    """Print each selector's mean score with both models, and the cost of each model."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path)
    options.add_argument("--model", default="offline")
    options.add_argument("--other", default="offline")
    options.add_argument("--calls", default="0", help="maximum calls of each model")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = given.data or generated(Path(folder) / "generated.jsonl")
        results = [evaluated(data, model, given.calls, Path(folder)) for model in (given.model, given.other)]
    for result in results:
        cost = result["cost"]
        print(f"{result['model']}: {cost['model_calls']} calls, {cost['tokens']} tokens")
    print(f"{'selector':<12} {'labels':>6} {given.model:>24} {given.other:>24}")
    for one, other in zip(*(result["summary"] for result in results), strict=True):
        print(f"{one['selector']:<12} {one['labels']:>6} {one['mean']:>24.3f} {other['mean']:>24.3f}")


def evaluated(data: Path, model: str, calls: str, folder: Path) -> dict[str, Any]:
    """Run ``metachain evaluate --model``, and return its result."""
    found = folder / "scores.json"
    command = [sys.executable, "-m", "metachain", "evaluate", str(data), *PLAN, "--model", model, "--calls", calls]
    done = subprocess.run([*command, "--json", str(found)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(found.read_text())
    return result


def generated(path: Path) -> Path:
    """Write eight small synthetic hospitals."""
    lines = [json.dumps(asdict(one)) for one in generate_world(WorldSettings(institutions=8, demonstrations=60))]
    path.write_text("\n".join(lines))
    return path


if __name__ == "__main__":
    main()
