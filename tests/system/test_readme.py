"""README and docs are true: their Python runs, their commands exist, their links lead to files."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import Tiny, demonstrations, jsonl, metachain

from metachain import EVERYONE, Library

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMANDS = ROOT / "docs" / "cli.md"
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
    """The program has every ``metachain`` command that the pages name."""
    shown = subprocess.run(
        [sys.executable, "-m", "metachain", "--help"], capture_output=True, text=True, check=True
    ).stdout
    text = "\n".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"^    metachain ([a-z]+)", text, re.MULTILINE))
    assert named
    assert all(f" {name} " in shown for name in named), named


def test_the_commands_of_the_command_line_page_run_in_their_order(tmp_path: Path) -> None:
    """Each command runs on generated files with the tiny encoder, except those that serve or need another model."""
    commands = [line.strip() for line in COMMANDS.read_text().splitlines() if line.startswith("    metachain ")]
    made = demonstrations(4, 24)
    names = dict(zip(("h0", "h1", "h2", "h3"), ("mercy", "general", "north", "south"), strict=True))
    past = [replace(one, institution=names[one.institution], id="") for one in made]
    jsonl(tmp_path / "past.jsonl", past)
    rows = [f"{one.institution},{one.input},{one.output}" for one in past]
    (tmp_path / "past.csv").write_text("\n".join(["institution,description,output", *rows]))
    few = [replace(one, institution="st-marys", id="") for one in made[:6]]
    jsonl(tmp_path / "few.jsonl", few)
    jsonl(tmp_path / "unlabelled.jsonl", [replace(one, institution="st-marys", id="") for one in made[6:12]])
    (tmp_path / "codes.txt").write_text("code 0\ncode 1\ncode 2\ncode 3\n")
    with Library.open(tmp_path / "site.db", Tiny()) as site:
        site.add((one for one in past if one.institution != "mercy"), share=EVERYONE)
        site.add([replace(one, institution="st-marys", id="") for one in made[:24]], share=EVERYONE)
    ran = 0
    for command in commands:
        words = shlex.split(command, comments=True)[1:]
        if "serve" in words or "ollama:llama3" in words:
            continue
        done = metachain(*words, cwd=tmp_path)
        assert done.returncode == 0, (command, done.stderr)
        ran += 1
    assert ran > 15
    assert (tmp_path / "report.html").exists()
