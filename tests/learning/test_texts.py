"""The tables of texts that docs hold, from the file that evaluate writes."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

from results import result, scores

from metachain import Demonstration

ROOT = Path(__file__).parents[2]
PROGRAM = "benchmarks.evaluation.texts"


def printed(path: Path) -> list[str]:
    """Lines that the benchmark prints of a file of scores."""
    done = subprocess.run([sys.executable, "-m", PROGRAM, path], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_each_metric_has_a_table_with_gain_harm_and_institutions(tmp_path: Path) -> None:
    """A label count that some institutions are too small for says how many it is a mean over."""
    rouge = scores(dict.fromkeys("abcdef", 0.4), 0, "rouge_l") + scores(dict.fromkeys("abcde", 0.75), 4, "rouge_l")
    f1 = scores(dict.fromkeys("abcdef", 0.6), 0, "token_f1")
    lessons = {"a": {"settings": None, "trusts_consensus": False}, "b": {"settings": {}, "trusts_consensus": False}}
    told = result(rouge + f1, settings={"metrics": ["rouge_l", "token_f1"], "lessons": lessons})
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(told.to_json() | {"dataset": "some.jsonl", "protocol": "institution"}))
    lines = printed(path)
    assert "some.jsonl, institution held out" in lines
    first, second = lines.index("rouge_l, reader `vote`"), lines.index("token_f1, reader `vote`")
    assert "| `metachain` | 0.400 | 0.750 |" in lines[first:second]
    assert "| gain of `metachain` | -20.0% [-20.0%, -20.0%] | +50.0% [+50.0%, +50.0%] |" in lines[first:second]
    assert "| runs more than one point worse than `semantic` | 12 of 12 | 0 of 10 |" in lines[first:second]
    assert "| institutions | 6 | 5 |" in lines[first:second]
    assert "| `metachain` | 0.600 |" in lines[second:]
    assert lines[-1] == "guard: of 2 lessons 2 choose nearest neighbours without labels, 1 with"
    assert not [line for line in lines if "each draw" in line]


def test_few_institutions_are_shown_draw_by_draw(tmp_path: Path) -> None:
    """An interval over two institutions says nothing, so every draw's difference stands there too."""
    told = result(scores({"a": 0.4, "b": 0.8}), settings={"lessons": {}})
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(told.to_json() | {"dataset": "some.jsonl", "protocol": "institution"}))
    assert "| each draw of a | -0.100, -0.100 |" in printed(path)


def test_a_further_reader_has_a_short_table(tmp_path: Path) -> None:
    """Only what is compared and the ceiling: the other selectors stand in the first reader's table."""
    further = {"copy": {"summary": [], "scores": scores({"a": 0.6})}}
    told = result(scores({"a": 0.4}), settings={"lessons": {}}, readers=further)
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(told.to_json() | {"dataset": "some.jsonl", "protocol": "institution"}))
    lines = printed(path)
    copied = lines[lines.index("exact_match, reader `copy`") :]
    assert "| `metachain` | 0.600 |" in copied
    assert "| gain of `metachain` | +20.0% [+20.0%, +20.0%] |" in copied
    assert not [line for line in copied if "mmr" in line or "each draw" in line]


def test_sections_become_institutions_of_one_group() -> None:
    """Held out together, or a section's own conversations would be in the past."""
    by_section = runpy.run_module(PROGRAM)["by_section"]
    made = by_section([Demonstration(institution="a", input="x", output="y", metadata={"section": "plan"})])
    assert made[0].institution == "a / plan"
    assert made[0].metadata["group"] == "a"
