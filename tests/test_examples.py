"""The example scripts run as they stand, without a network; those of providers, offline and on loopback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import serving
from provider_cases import Case, each_client

EXAMPLES = Path(__file__).parent.parent / "examples"
PROVIDERS = {
    "anthropic": "anthropic_claude.py",
    "ollama": "ollama_local.py",
    "openai": "openai_compatible.py",
}
OFFLINE = {*PROVIDERS.values(), "vertex_gemini.py", "vertex_claude.py"}


def run(script: str, folder: Path, *arguments: str) -> str:
    """Run a script and give what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "ANTHROPIC_API_KEY": "key", "OPENAI_API_KEY": "key"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", sorted(one.name for one in EXAMPLES.glob("*.py") if one.name != "hospital.py"))
def test_example_runs(script: str, tmp_path: Path) -> None:
    """Every example ends well and prints something."""
    assert run(script, tmp_path, *(["--model", "offline"] if script in OFFLINE else []))


@each_client(*PROVIDERS)
def test_a_providers_example_runs_through_its_client(case: Case, tmp_path: Path) -> None:
    """As it stands, and pointed at loopback, it prints what it prints offline."""
    script = PROVIDERS[case.spec.partition(":")[0]]
    with serving(case.wire()) as server:
        printed = run(script, tmp_path, "--base-url", server.url + case.base)
        assert len(server.received) == 3
    assert printed == run(script, tmp_path, "--model", "offline")
