"""The types that a user's ``mypy --strict`` sees: those of the public names; a wrong use is an error."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USES = ROOT / "tests" / "support" / "typed_uses.py"
MODULES = {
    "metachain": "metachain",
    "libraries": "metachain.library",
    "selections": "metachain.selection",
    **{
        name: f"metachain.{name}"
        for name in (
            "data",
            "embedding",
            "deidentification",
            "scoring",
            "learning",
            "evaluation",
            "reporting",
            "chains",
            "retrievers",
        )
    },
}
"""Modules by the name that typed_uses.py gives them."""

WRONG = """\
from metachain import Library, Selection, adapt, learn
from metachain.chains import few_shot_chain
from metachain.data import WorldSettings
from metachain.selection import Selector

library = Library.open("hospitals.db")
learn("hospitals.db")
Selector(library, adapt(learn(library), library, "st-marys")).select(3)
few_shot_chain("offline", library)
WorldSettings(seed="one")
Selection.chosen = ()
library.no_such_method()
"""


def checked(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run mypy as a user would, with the checkout in place of an installation."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *(str(part) for part in arguments)]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)


def test_every_public_name_has_its_type() -> None:
    """The file of uses passes: functions return what they promise, and adapters are LangChain's own types."""
    done = checked(USES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alias", MODULES)
def test_every_public_name_is_used(alias: str) -> None:
    """No name of a front door is missing in the file of uses."""
    used = {
        node.attr
        for node in ast.walk(ast.parse(USES.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == alias
    }
    assert sorted(set(importlib.import_module(MODULES[alias]).__all__) - used) == []


def test_a_wrong_use_is_an_error(tmp_path: Path) -> None:
    """Each wrong line of a program is an error, so the names have types and are not ``Any``."""
    program = tmp_path / "wrong.py"
    program.write_text(WRONG, encoding="utf-8")
    done = checked(program)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = {int(line.split(":")[1]) for line in done.stdout.splitlines() if f"{program.name}:" in line}
    assert lines == set(range(7, 13)), done.stdout
