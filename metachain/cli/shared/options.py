"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from metachain.errors import DataError
from metachain.files import check_writable

__all__ = ["Dask", "Deidentify", "Institution", "LibraryPath", "Model", "Purpose", "Query", "Recorded", "Shots"]
__all__ += ["check_json_file"]

LibraryPath = Annotated[
    str,
    typer.Argument(
        metavar="LIBRARY", help="Path of the library (an SQLite file), or its address: postgresql+psycopg://…"
    ),
]
Institution = Annotated[str, typer.Argument(help="Name of the target institution.")]
Query = Annotated[str, typer.Argument(metavar="TEXT", help="Input to answer.")]
Shots = Annotated[
    int | None,
    typer.Option(
        "--shots", "-k", min=0, help="Maximum number of demonstrations to show; 8, or the number learned for the model."
    ),
]
Purpose = Annotated[
    str, typer.Option(envvar="METACHAIN_PURPOSE", help="Purpose of the use, by its name in the sharing rules.")
]
Deidentify = Annotated[
    str, typer.Option(envvar="METACHAIN_DEIDENTIFY", help="Action on patient identifiers: off, flag, redact or refuse.")
]
KeepBoth = Annotated[
    bool,
    typer.Option("--keep-both", help="Keep all answers to one text as right; else the newest supersedes older ones."),
]
Recorded = Annotated[bool, typer.Option("--audit/--no-audit", help="Record what is handed out in the library's audit.")]
Model = Annotated[
    str, typer.Option(help='Chat model: "offline", "local", or provider:name such as anthropic:claude-haiku-4-5.')
]
Dask = Annotated[
    str,
    typer.Option(
        envvar="METACHAIN_DASK",
        metavar="ADDRESS",
        help="Dask cluster that shares the work: its scheduler's address, such as tcp://127.0.0.1:8786; or local for "
        "one process a core, or local:4 for four.",
    ),
]


def check_json_file(json_file: Path | None, *inputs: str | Path) -> None:
    """Check before long work that ``--json`` can be written and is none of the files to be read.

    Raises StorageError, DataError.
    """
    if json_file is None:
        return
    check_writable(json_file)
    if json_file.resolve() in {Path(one).resolve() for one in inputs}:
        raise DataError(f"--json would overwrite {json_file}, which is read; name another file")
