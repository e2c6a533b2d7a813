"""The application: all commands in the order of the help, and the entry point ``main``."""

import getpass
import io
import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from metachain._version import __version__
from metachain.errors import MetachainError
from metachain.library.caller import ACTOR_CHARACTERS, Caller, called_by

__all__ = ["COMMANDS", "app", "load_command", "main"]

FAILED = 2
COMMANDS = {
    "inspect": "Show what a file is and how it would be read, and the command that adds it; nothing is stored.",
    "add": "Add demonstrations to a library, which is created if it does not exist; adding them again changes nothing.",
    "index": "Build the vector index of a PostgreSQL library; from then on it is kept current.",
    "share": "Set the sharing rules of an institution, in place of its earlier ones; or list all rules.",
    "review": "List what came in at run time and waits for a review; release it to others, or refuse it.",
    "group": "Set the members of a group of institutions, in place of its former members.",
    "export": "Write the demonstrations that others share with an institution.",
    "learn": "Learn the prior from all institutions of a library: which transfer to which, and whether learning pays.",
    "statistics": "Measure summary statistics of an institution; others learn from them without its demonstrations.",
    "adapt": "Adapt to a target institution: store its labelled examples and compute its posterior.",
    "select": "Show the demonstrations chosen for one input, each with its reason.",
    "ask": "Answer one input with a model that is shown the chosen demonstrations.",
    "audit": "List past selections and other events without texts, or verify that the record is unchanged.",
    "answers": "Count the recorded answers of models by institution, or delete old ones that have no feedback.",
    "key": "Make an API key for `metachain serve`, rotate or revoke one, or list all; a secret is shown once only.",
    "serve": "Put a library behind a URL: chains in LangServe's protocol, feedback, adaptation, metrics, a playground.",
    "rename": "Join an institution, or a label, with another one, of which it is a spelling; learn again with it.",
    "forget": "Forget exactly: erase rows, vectors and answers, and learn again without them.",
    "evaluate": "Compare all selectors on held-out episodes: each institution plays the target in turn.",
    "label": "Suggest which inputs an institution should label next, with reasons.",
    "diagnose": "Measure by ten conditions whether meta-learning pays for a library, and advise if it does not.",
    "demo": "Run the main job on a generated, synthetic world: without network or key, in under two minutes.",
}
"""All commands in the order of the help, with the first sentence of it; each is in the module of its name."""


class _Commands(TyperGroup):
    """The group of all commands; a command's module is imported when the command is called."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.commands = {name: TyperCommand(name, help=purpose) for name, purpose in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load_command(str(name)), rest


def load_command(name: str) -> Any:
    """Import a command of ``COMMANDS``; returns Typer's command object."""
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(getattr(import_module(f"metachain.cli.{name}"), name))
    return typer.main.get_command(alone)


app = typer.Typer(
    cls=_Commands,
    help="Learn which past institutions' demonstrations best transfer to a new one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Run the command line; a MetachainError is one line on standard error and exit status 2.

    The audit records what it does under the name of the operating system's user.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with called_by(Caller(actor=_user())):
            app()
    except MetachainError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(FAILED)


def _user() -> str:
    try:
        name = getpass.getuser()
    except (ImportError, KeyError, OSError):
        name = f"uid {os.getuid()}"
    return "".join(one if one.isprintable() else "?" for one in name)[:ACTOR_CHARACTERS]


@app.callback(invoke_without_command=True)
def metachain(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Learn which past institutions' demonstrations best transfer to a new one."""
    if version:
        typer.echo(f"metachain {__version__}")
        raise typer.Exit
