"""The page of the command line, ``docs/cli.md``, and the list of commands that ``metachain --help`` prints."""

import inspect
from importlib import import_module

from docs.make_cli import PAGE, page
from metachain.cli.app import COMMANDS


def test_the_page_is_current() -> None:
    """It is what ``python docs/make_cli.py`` writes from the help of the commands."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_command_is_there_with_an_example() -> None:
    """Each has a section, and an example line that starts with it."""
    text = page()
    for name in COMMANDS:
        assert f"\n## {name}\n" in text
        assert f"```\nmetachain {name} " in text.split("Example:", 1)[1]
        assert f"Example: metachain {name} " in (inspect.getdoc(function_of(name)) or "")


def test_the_list_of_commands_has_the_first_sentence_of_their_help() -> None:
    """The list is kept apart, so that ``metachain --help`` imports no command; it says what the commands say."""
    for name, purpose in COMMANDS.items():
        assert purpose == " ".join((inspect.getdoc(function_of(name)) or "").split("\n\n")[0].split())


def function_of(name: str) -> object:
    """The function of a command."""
    return getattr(import_module(f"metachain.cli.{name}"), name)


def test_every_argument_and_option_has_a_help_text() -> None:
    """No row of a table lacks its meaning, such as that of an option with a default and a range alone."""
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > len(COMMANDS)
    assert [row for row in rows if not row[1].strip(" |") or row[1].startswith(("Default:", "At least"))] == []
