"""README and docs are true: their Python runs, their commands exist, their links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PYTHON = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", PYTHON)
def test_python_runs(block: str, tmp_path: Path) -> None:
    """Every Python block runs as it stands, in an empty folder, without a network."""
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:metachain", "-c", block],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_make_targets_are_the_plain_commands() -> None:
    """The plain commands in the README are the ones that the Makefile runs."""
    makefile = (ROOT / "Makefile").read_text().replace("$(BIN)", ".venv/bin").replace("$(PYTHON)", "python3")
    plain = re.search(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert plain
    for command in plain.group(1).strip().splitlines():
        assert command in makefile.replace(" --quiet", ""), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists."""
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_commands_exist() -> None:
    """Every ``metachain`` command that the pages name is one that the program has."""
    shown = subprocess.run(
        [sys.executable, "-m", "metachain", "--help"], capture_output=True, text=True, check=True
    ).stdout
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"^    metachain ([a-z]+)", text, re.MULTILINE))
    assert named
    assert all(f" {name} " in shown for name in named), named
