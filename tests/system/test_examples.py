"""The example scripts run as they stand, without a network; those of providers, offline and on loopback."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from loopback import serving
from provider_cases import Case, each_client

EXAMPLES = Path(__file__).parents[2] / "examples"
PROVIDERS = {
    "anthropic": "anthropic_claude.py",
    "ollama": "ollama_local.py",
    "openai": "openai_compatible.py",
}
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "ANTHROPIC_API_KEY": "key", "OPENAI_API_KEY": "key"}
OFFLINE = {*PROVIDERS.values(), "vertex_gemini.py", "vertex_claude.py"}


def run(script: str, folder: Path, *arguments: str) -> str:
    """Run a script and give what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def once(script: str) -> str:
    """What a script prints offline, in an empty folder."""
    with TemporaryDirectory() as folder:
        return run(script, Path(folder), *(["--model", "offline"] if script in OFFLINE else []))


SCRIPTS = sorted(one.name for one in EXAMPLES.glob("*.py") if one.name != "hospital.py")
RIGHT = re.compile(r"(\d+) of (\d+) (?:proposals )?right")


@pytest.mark.parametrize("script", SCRIPTS)
def test_example_runs(script: str) -> None:
    """Every example ends well and prints something; it is short, and its README names it."""
    assert once(script)
    assert len((EXAMPLES / script).read_text().splitlines()) < 80
    assert f"`{script}`" in (EXAMPLES / "README.md").read_text()


def shares(printed: str) -> list[float]:
    """Shares of right answers, in the order in which they are told."""
    return [int(hits) / int(asked) for hits, asked in RIGHT.findall(printed)]


def test_the_staircase_leads_up() -> None:
    """More labels, and feedback, make more answers right, as the scripts print."""
    (nearest,) = shares(once("step1_select.py"))
    none, few, some, many = shares(once("step3_adapt.py"))
    before, after = shares(once("step5_feedback.py"))
    assert none < few < some < many
    assert many > nearest
    assert before < after


def test_the_application_learns_over_its_day(tmp_path: Path) -> None:
    """Run in its own folder; its ``chains`` are its own, a blank line is reported, the last round beats the first."""
    desk = EXAMPLES / "coding_desk"
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=desk, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rounds = shares(done.stdout)
    assert len(rounds) == 4
    assert rounds[-1] > rounds[0]
    assert "not proposed: '   '" in done.stdout
    whose = "import chains.coding, metachain.chains; print(chains.coding.__file__, metachain.chains.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", whose], cwd=desk, env=ENVIRONMENT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert [Path(one).resolve().parent for one in found] == [desk / "chains", (EXAMPLES.parent / "chains").resolve()]


@each_client(*PROVIDERS)
def test_a_providers_example_runs_through_its_client(case: Case, tmp_path: Path) -> None:
    """As it stands, and pointed at loopback, it prints what it prints offline."""
    script = PROVIDERS[case.spec.partition(":")[0]]
    with serving(case.wire()) as server:
        printed = run(script, tmp_path, "--base-url", server.url + case.base)
        assert len(server.received) == 3
    assert printed == once(script)
