"""CONTRIBUTING.md names files and commands that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_file_is_there() -> None:
    """A path in backticks exists; in the reading order a bare file name belongs to the folder named before it."""
    missing, folder = [], ROOT
    for name in re.findall(r"`([\w./]+)`", PAGE):
        if "/" in name:
            found = (ROOT / name).exists()
            folder = ROOT / name if (ROOT / name).is_dir() else (ROOT / name).parent
        elif name.endswith(".py"):
            found = (folder / name).exists()
        else:
            continue
        missing += [] if found else [name]
    assert missing == []


def test_every_target_is_there() -> None:
    """Each ``make`` command is a target of the Makefile."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"make (\w+)\b(?=[` ,])", PAGE)) <= targets
