"""Writes ``docs/cli.md`` from the commands' own help: ``python docs/make_cli.py``."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from metachain.cli.app import COMMANDS, load_command

__all__ = ["page"]

PAGE = Path(__file__).with_name("cli.md")
EXAMPLE = "Example: "
KINDS = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}
INTRODUCTION = """\
# Command line

<!-- Written by docs/make_cli.py from the help of the commands. Change the help there, then run it again. -->

`metachain COMMAND --help` shows the same help in the terminal. `LIBRARY` is the path of an SQLite file, or the address
of a PostgreSQL database. An error is one message on standard error and exit status 2; 3 if `add` kept the good rows
of a file with too many bad ones. Ctrl-C keeps everything stored so
far and ends with status 130; run the command again to continue.

From a file of training institutions to answers at a target institution:

    metachain add hospitals.db past.jsonl --share everyone  # {"institution", "input", "output"} a line
    metachain add hospitals.db past.csv --column input=description --share everyone  # also TSV, Parquet, saved datasets
    metachain share hospitals.db mercy --with group:north --until 2027-12-31  # sharing is off by default
    metachain export hospitals.db st-marys shared.jsonl  # the demonstrations that others share with it
    metachain learn hospitals.db  # the prior, and whether learning pays
    metachain learn hospitals.db --model ollama:llama3 --calls 2000  # and the best way to show them to a model
    metachain statistics site.db st-marys --json st-marys.json  # for a site that cannot share examples
    metachain share hospitals.db st-marys --statistics everyone  # who may learn from them
    metachain learn hospitals.db --statistics st-marys.json  # learn from that file too
    metachain adapt hospitals.db st-marys few.jsonl  # the labels of a new hospital
    metachain adapt hospitals.db st-marys few.jsonl --answers codes.txt  # and all codes it uses, one a line
    metachain select hospitals.db st-marys "chest x-ray 2 views"
    metachain ask hospitals.db st-marys "chest x-ray 2 views" --model offline
    metachain audit hospitals.db --source mercy  # the institutions that were shown mercy's demonstrations
    metachain label hospitals.db st-marys unlabelled.jsonl --budget 8  # active learning: what to label next, and why
    metachain diagnose hospitals.db  # does meta-learning pay here? ten conditions, measured
    metachain forget hospitals.db --institution mercy  # exactly: rows, files and what was learned
    metachain key hospitals.db st-marys  # an API key for the server
    metachain serve hospitals.db --model offline  # chains, feedback and adaptation behind a URL
    metachain evaluate past.jsonl --protocol institution --json scores.json --report report.html
"""

Command = Callable[..., None]


@dataclass(frozen=True)
class Parameter:
    """One argument or option, as Typer shows it."""

    name: str
    """``LIBRARY`` of an argument; all names of an option and the kind of its value, such as ``--port INTEGER``."""
    help: str
    default: Any
    """Value if left out; ``inspect.Parameter.empty`` of a required argument."""
    repeated: bool
    info: ArgumentInfo | OptionInfo

    @property
    def usage(self) -> str:
        """Argument in the usage line, in brackets if it may be left out."""
        name = self.name if self.default is inspect.Parameter.empty else f"[{self.name}]"
        return f"{name}..." if self.repeated else name

    @property
    def row(self) -> str:
        """Row of a table: name, help, range, default and environment variable."""
        notes = [self.help]
        if self.info.min is not None:
            to = "" if self.info.max is None else f", at most {self.info.max}"
            notes.append(f"At least {self.info.min}{to}.")
        if self.default is True:
            notes.append("On by default.")
        elif self.default not in (None, "", inspect.Parameter.empty) and self.default is not False:
            notes.append(f"Default: `{self.default}`.")
        if self.info.envvar:
            notes.append(f"Environment variable: `{self.info.envvar}`.")
        return f"| `{self.name}` | {' '.join(notes)} |"


def page() -> str:
    """Text of the page: a list of the commands, then a section for each."""
    commands = [getattr(import_module(f"metachain.cli.{name}"), name) for name in COMMANDS]
    overview = [f"| [`{name}`](#{name}) | {purpose} |" for name, purpose in COMMANDS.items()]
    sections = [line for one in commands for line in _section(one)]
    return "\n".join([INTRODUCTION, "| command | purpose |", "|---|---|", *overview, *sections, ""])


def _section(command: Command) -> Iterator[str]:
    parameters = _parameters(command)
    arguments = [one for one in parameters if isinstance(one.info, ArgumentInfo)]
    options = [one for one in parameters if isinstance(one.info, OptionInfo)]
    *texts, example = _paragraphs(command)
    yield from ("", f"## {command.__name__}", "")
    for text in texts:
        yield from (text, "")
    usage = [one.usage for one in arguments] + ["[OPTIONS]"] * bool(options)
    yield from ("```", " ".join(["metachain", command.__name__, *usage]), "```", "")
    yield from ("Example:", "", "```", example.removeprefix(EXAMPLE), "```")
    for heading, rows in (("argument", arguments), ("option", options)):
        if rows:
            yield from ("", f"| {heading} | meaning |", "|---|---|", *(one.row for one in rows))


def _paragraphs(command: Command) -> list[str]:
    """Paragraphs of a command's docstring, the example last."""
    return [" ".join(part.split()) for part in (inspect.getdoc(command) or "").split("\n\n")]


def _parameters(command: Command) -> list[Parameter]:
    hints = get_type_hints(command, include_extras=True)
    names = {
        one.name: "/".join([", ".join(one.opts), *one.secondary_opts]) for one in load_command(command.__name__).params
    }
    found = []
    for one in inspect.signature(command).parameters.values():
        annotation, info = get_args(hints[one.name])
        kind, repeated = _kind(annotation)
        if isinstance(info, ArgumentInfo):
            name = info.metavar or one.name.upper()
        else:
            name = names[one.name] if kind is bool else f"{names[one.name]} {info.metavar or KINDS[kind]}"
        found.append(Parameter(name, info.help or "", one.default, repeated, info))
    return found


def _kind(annotation: Any) -> tuple[Any, bool]:
    """Type of one value, and True where there may be several: ``(str, True)`` of ``list[str] | None``."""
    if isinstance(annotation, UnionType):
        annotation = get_args(annotation)[0]
    return (get_args(annotation)[0], True) if get_origin(annotation) is list else (annotation, False)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
