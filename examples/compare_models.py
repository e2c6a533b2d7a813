"""Two models answer what the same selectors show: what each gains from learned selection, and its calls.

    python examples/compare_models.py --model offline --other offline
    python examples/compare_models.py --data past.jsonl --model ollama:llama3 --other openai:gpt-4o-mini --calls 2000

Answers are kept, so a run that was stopped goes on where it was. Without --data the hospitals are generated and
synthetic: read the result as how it works, not how well.
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
    """Print each selector's mean score by both models, and what they cost."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path)
    options.add_argument("--model", default="offline")
    options.add_argument("--other", default="offline")
    options.add_argument("--calls", default="0", help="the most calls of each model")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = asked.data or generated(Path(folder) / "generated.jsonl")
        results = [evaluated(data, model, asked.calls, Path(folder)) for model in (asked.model, asked.other)]
    for result in results:
        cost = result["cost"]
        print(f"{result['model']}: {cost['model_calls']} calls, {cost['tokens']} tokens")
    print(f"{'selector':<12} {'labels':>6} {asked.model:>24} {asked.other:>24}")
    for one, other in zip(*(result["summary"] for result in results), strict=True):
        print(f"{one['selector']:<12} {one['labels']:>6} {one['mean']:>24.3f} {other['mean']:>24.3f}")


def evaluated(data: Path, model: str, calls: str, folder: Path) -> dict[str, Any]:
    """What ``metachain evaluate --model`` finds."""
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
