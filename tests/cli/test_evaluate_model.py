"""The command ``metachain evaluate --model`` from end to end, with the offline chat model in a provider's place."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl
from scoring import RuleScores

from metachain.chains import OfflineChatModel
from metachain.cli.app import main
from metachain.evaluation import Evaluation
from metachain.reporting.report import render_report

Command = Callable[..., tuple[int, str, str]]
OPTIONS = ("--labels", "0,4", "--seeds", "1", "--queries", "4", "--selectors", "semantic,metachain")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run evaluate in this process with the tiny encoder; status, standard output, standard error."""
    monkeypatch.setattr("metachain.library.embedding_cache.MiniLM", Tiny)
    monkeypatch.setattr("metachain.chains.model_answerer.load_countable", lambda spec, workers: OfflineChatModel())
    monkeypatch.setenv("COLUMNS", "300")
    data = jsonl(tmp_path / "data.jsonl", demonstrations(3, 12))

    def run(*arguments: object) -> tuple[int, str, str]:
        options = ["metachain", "evaluate", data, *OPTIONS, "--cache", tmp_path / "cache.db", *arguments]
        monkeypatch.setattr(sys, "argv", list(map(str, options)))
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_a_model_answers_and_is_not_paid_twice(command: Command, tmp_path: Path) -> None:
    """Without --calls it says how many it takes; with them the scores are the offline reader's; again it takes none."""
    status, _, wrong = command("--model", "acme:best")
    needed = re.search(r"error: this takes (\d+) calls of acme:best, --calls allows 0", wrong)
    assert needed, wrong
    assert status == 2

    results = {}
    for name, model, *more in (
        ("offline", "offline"),
        ("first", "acme:best", "--calls", needed[1], "--report", tmp_path / "report.html"),
        ("again", "acme:best"),
    ):
        path = tmp_path / f"{name}.json"
        status, _, wrong = command("--model", model, "--json", path, *more)
        assert status == 0, wrong
        results[name] = json.loads(path.read_text())
    assert results["first"]["scores"] == results["again"]["scores"] == results["offline"]["scores"]
    assert [one["model"] for one in results.values()] == ["offline", "acme:best", "acme:best"]
    assert [one["cost"]["model_calls"] for one in results.values()] == [0, int(needed[1]), 0]
    assert results["first"]["cost"]["tokens"] > 0
    assert "acme:best" in (tmp_path / "report.html").read_text()


def test_a_model_answers_by_its_scores(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings say so; a repetition takes no calls; without demonstrations the model writes."""
    monkeypatch.setattr("metachain.chains.model_answerer.load_countable", lambda spec, workers: RuleScores())
    results = []
    for calls in ("200", "0"):
        path = tmp_path / f"{calls}.json"
        options = ("--model", "rule:a", "--answers-by", "score", "--calls", calls, "--selectors", "zero,semantic")
        status, _, wrong = command(*options, "--json", path)
        assert status == 0, wrong
        results.append(json.loads(path.read_text()))
    assert results[0]["scores"] == results[1]["scores"]
    assert [one["settings"]["answers_by"] for one in results] == ["score", "score"]
    assert results[0]["cost"]["model_calls"] > results[1]["cost"]["model_calls"] == 0
    means = {row["selector"]: row["mean"] for row in results[0]["summary"]}
    assert means["zero"] == 0 < means["semantic"]


def test_a_reader_that_has_no_scores_is_refused(command: Command) -> None:
    """So is an unknown way to answer."""
    status, _, wrong = command("--model", "offline", "--answers-by", "score")
    assert (status, "OfflineChatModel can't score labels" in wrong) == (2, True), wrong
    status, _, wrong = command("--model", "acme:best", "--answers-by", "dice")
    assert (status, "--answers-by must be one of generate, score" in wrong) == (2, True), wrong


def test_what_is_wrong_with_the_options_is_said_first(command: Command, tmp_path: Path) -> None:
    """Before anything is embedded."""
    status, _, wrong = command("--model", "acme:best", "--requests-per-second", "0")
    assert (status, "'requests_per_second' must be over 0" in wrong) == (2, True), wrong
    status, _, wrong = command("--model", "acme:best", "--readers", "vote,copy")
    assert (status, "--readers reads offline, and acme:best answers" in wrong) == (2, True), wrong
    status, _, wrong = command("--model", "acme:best", "--skill", "0,1")
    assert (status, "--skill reads offline, and acme:best answers" in wrong) == (2, True), wrong
    status, _, wrong = command("--skill", "0,2")
    assert (status, "--skill takes numbers from 0" in wrong) == (2, True), wrong
    assert not (tmp_path / "cache.db").exists()


def test_skills_are_printed_stored_and_drawn(command: Command, tmp_path: Path) -> None:
    """In a column and a row each; the report that a stored result gives is that of the run."""
    page, path = tmp_path / "report.html", tmp_path / "scores.json"
    status, told, wrong = command("--skill", "0,0.5,1", "--json", path, "--report", page)
    assert status == 0, wrong
    assert "skill 0.5" in told
    result = json.loads(path.read_text())
    assert sorted({row.get("skill", 0) for row in result["summary"]}) == [0, 0.5, 1]
    assert 'id="skill-table"' in page.read_text()
    assert render_report(Evaluation.from_json(result)) == page.read_text()
