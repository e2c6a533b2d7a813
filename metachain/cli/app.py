"""The application: all commands in the order of the help, and the entry point ``main``."""

import io
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from metachain._version import __version__
from metachain.cli.adapt import adapt
from metachain.cli.add import add
from metachain.cli.ask import ask
from metachain.cli.audit import audit
from metachain.cli.demo import demo
from metachain.cli.diagnose import diagnose
from metachain.cli.evaluate import evaluate
from metachain.cli.export import export
from metachain.cli.forget import forget
from metachain.cli.group import group
from metachain.cli.index import index
from metachain.cli.key import key
from metachain.cli.label import label
from metachain.cli.learn import learn
from metachain.cli.select import select
from metachain.cli.serve import serve
from metachain.cli.share import share
from metachain.cli.statistics import statistics
from metachain.errors import MetachainError

__all__ = ["app", "main"]

FAILED = 2
COMMANDS: tuple[Callable[..., None], ...] = (
    add,
    index,
    share,
    group,
    export,
    learn,
    statistics,
    adapt,
    select,
    ask,
    audit,
    key,
    serve,
    forget,
    evaluate,
    label,
    diagnose,
    demo,
)
"""All commands, in the order of the help."""

app = typer.Typer(
    help="Learn which past institutions' demonstrations best transfer to a new one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line; a MetachainError is one line on standard error and exit status 2."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except MetachainError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(FAILED)


@app.callback(invoke_without_command=True)
def metachain(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Learn which past institutions' demonstrations best transfer to a new one."""
    if version:
        typer.echo(f"metachain {__version__}")
        raise typer.Exit
