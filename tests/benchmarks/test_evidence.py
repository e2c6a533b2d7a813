"""The benchmark of selectors that a real language model reads."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from oracles import hospitals

from metachain import read_demonstrations
from metachain.chains.local.gguf import smollm2_file
from metachain.errors import DataError
from metachain.evaluation import Plan, evaluate
from metachain.library.embedding_cache import cached_vectors

ROOT = Path(__file__).parents[2]
MADE = hospitals(3, 12)
SETTINGS = ["--protocol", "institution", "--queries", "1", "--labels", "4", "--selectors", "semantic,metachain"]


def run(tmp_path: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the benchmark on a small file, with one cache for all runs of a test."""
    data = tmp_path / "made.jsonl"
    rows = [{"institution": one.institution, "input": one.input, "output": one.output} for one in MADE]
    data.write_text("\n".join(map(json.dumps, rows)))
    command = [sys.executable, "-m", "benchmarks.evaluation.evidence", data, *SETTINGS, *options]
    told = ["--cache", tmp_path / "cache.db", "--json", tmp_path / "evidence.json"]
    return subprocess.run([*command, *told], cwd=ROOT, capture_output=True, text=True, check=True)


def told_by(tmp_path: Path) -> Any:
    """The file that the benchmark writes."""
    return json.loads((tmp_path / "evidence.json").read_text())


def have_weights() -> bool:
    """True if the local model's weights are installed."""
    try:
        return smollm2_file().exists()
    except DataError:
        return False


def test_scores_are_those_of_evaluate(tmp_path: Path) -> None:
    """What is learned once for all readers gives the scores of ``evaluate``; a model's are kept beside them."""
    done = run(tmp_path, "--model", "offline", "--answers-by", "generate")
    made = read_demonstrations(tmp_path / "made.jsonl")
    vectors = cached_vectors([one.input for one in made], tmp_path / "cache.db")
    plan = Plan(labels=(4,), seeds=(0,), queries=1, selectors=("semantic", "metachain"))
    expected = evaluate(made, vectors, plan)
    results = told_by(tmp_path)["results"]
    assert list(results) == ["offline", "generate"]
    for name in ("scores", "summary"):
        assert results["offline"][name] == results["generate"][name] == expected.to_json()[name]
    (row,) = [
        line for line in done.stdout.split("answers: generate")[1].splitlines() if line.startswith("| `metachain`")
    ]
    mean = next(one for one in expected.summary if one.selector == "metachain").mean
    assert row.split(" | ")[1] == f"{mean:.3f}"


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    """Two shares ask for the prompts of their own institutions; the whole then asks nothing, even if it may not."""
    model = ["--model", "offline", "--answers-by", "generate"]
    calls = []
    for share in ("1/2", "2/2"):
        run(tmp_path, *model, "--share", share)
        calls.append(told_by(tmp_path)["results"]["generate"]["cost"]["model_calls"])
    assert min(calls) > 0
    run(tmp_path, *model, "--calls", "0")
    whole = told_by(tmp_path)["results"]["generate"]
    assert whole["cost"]["model_calls"] == 0
    assert {row["institution"] for row in whole["scores"]} == {one.institution for one in MADE}


@pytest.mark.skipif(not have_weights(), reason="the weights of the local model are not installed")
def test_a_real_model_answers_in_words_and_by_scores(tmp_path: Path) -> None:
    """Both results are there, with the time left on the way; the picture names every selector."""
    done = run(tmp_path, "--institutions", "1")
    assert "generate: 1 of 2 prompts" in done.stderr
    results = told_by(tmp_path)["results"]
    assert [results[way]["settings"]["answers_by"] for way in ("generate", "score")] == ["generate", "score"]
    assert results["score"]["cost"]["model_calls"] == 2
    picture = tmp_path / "evidence.svg"
    command = [sys.executable, "-m", "benchmarks.evaluation.plot_evidence", tmp_path / "evidence.json", picture]
    subprocess.run(command, cwd=ROOT, check=True)
    drawn = picture.read_text()
    assert all(word in drawn for word in ("semantic", "metachain", "4 labels", "model, by label scores"))
