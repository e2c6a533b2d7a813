"""Arguments and options that several commands share."""

from typing import Annotated

import typer

__all__ = ["Dask", "Deidentify", "Institution", "LibraryPath", "Model", "Purpose", "Query", "Recorded", "Shots"]

LibraryPath = Annotated[
    str, typer.Argument(metavar="LIBRARY", help="Path of the library (an SQLite file), or postgresql+psycopg://…")
]
Institution = Annotated[str, typer.Argument(help="Name of the institution that asks.")]
Query = Annotated[str, typer.Argument(metavar="TEXT", help="The input that wants an answer.")]
Shots = Annotated[
    int | None,
    typer.Option("--shots", "-k", min=0, help="How many demonstrations to show at most; 8, or what was learned."),
]
Purpose = Annotated[
    str,
    typer.Option(envvar="METACHAIN_PURPOSE", help="What others' demonstrations are used for, as their rules call it."),
]
Deidentify = Annotated[
    str,
    typer.Option(
        envvar="METACHAIN_DEIDENTIFY", help="What to do with identifiers of patients: off, flag, redact or refuse."
    ),
]
Recorded = Annotated[
    bool, typer.Option("--audit/--no-audit", help="Whether the selection is recorded in the library's audit.")
]
Model = Annotated[str, typer.Option(help='"offline", or provider:name such as anthropic:claude-haiku-4-5.')]
Dask = Annotated[
    str,
    typer.Option(
        envvar="METACHAIN_DASK",
        metavar="ADDRESS",
        help="Work on a Dask cluster: its scheduler's address, such as tcp://127.0.0.1:8786; or local, or local:4.",
    ),
]
