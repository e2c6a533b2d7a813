"""The page of the command line, ``docs/cli.md``."""

import inspect

from docs.make_cli import PAGE, page
from metachain.cli.app import COMMANDS


def test_the_page_is_current() -> None:
    """It is what ``python docs/make_cli.py`` writes from the help of the commands."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_command_is_there_with_an_example() -> None:
    """Each has a section, and an example line that starts with it."""
    text = page()
    for command in COMMANDS:
        assert f"\n## {command.__name__}\n" in text
        assert f"```\nmetachain {command.__name__} " in text.split("Example:", 1)[1]
        assert f"Example: metachain {command.__name__} " in (inspect.getdoc(command) or "")


def test_every_argument_and_option_has_a_help_text() -> None:
    """No row of a table lacks its meaning, such as that of an option with a default and a range alone."""
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > len(COMMANDS)
    assert [row for row in rows if not row[1].strip(" |") or row[1].startswith(("Default:", "At least"))] == []
