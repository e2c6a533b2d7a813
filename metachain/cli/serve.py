"""A library behind a URL, and the keys of its callers."""

from typing import Annotated

import typer

from metachain.cli.options import Deidentify, LibraryPath, Model, Purpose
from metachain.errors import DataError

__all__ = ["serve"]


def serve(
    library: LibraryPath,
    model: Model = "offline",
    host: Annotated[str, typer.Option(help="Address to listen on; without a key it must be this machine's own.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
    instructions: Annotated[str, typer.Option(help="What the model is told before the demonstrations.")] = "",
    extract: Annotated[
        str, typer.Option(metavar="MODULE:CLASS", help="The Pydantic model that /extract fills in.")
    ] = "",
    chain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MODULE:ATTRIBUTE",
            help="A further chain: a Runnable, or what makes one of a library and a model; may be given again.",
        ),
    ] = None,
    body_bytes: Annotated[int, typer.Option(min=1, help="Of one request.")] = 1_000_000,
    batch: Annotated[int, typer.Option(min=1, help="Inputs of one batch.")] = 100,
    requests: Annotated[int, typer.Option(min=1, help="Under way at once in a worker.")] = 64,
    requests_of_one: Annotated[int, typer.Option(min=1, help="Of one key, under way at once in a worker.")] = 32,
    seconds: Annotated[float, typer.Option(min=0.1, help="For one request.")] = 60.0,
    certificate: Annotated[str, typer.Option(help="PEM file, to serve over HTTPS.")] = "",
    private_key: Annotated[str, typer.Option(help="PEM file of the certificate's key.")] = "",
    deidentify: Deidentify = "off",
    purpose: Purpose = "",
) -> None:
    """Put a library behind a URL: chains by LangServe's protocol, feedback, adaptation, metrics, a playground.

    Callers are known by the keys of `metachain key`, each of which asks for one institution alone. Without any key the
    server answers on this machine alone.
    """
    from metachain.cli.console import out

    try:
        from metachain.chains.server import Limits
        from metachain.chains.service.running import Serving, run
    except ImportError as error:
        raise DataError(
            f"serving needs packages that are not installed ({error}): pip install 'metachain[serve]'"
        ) from None
    limits = Limits(
        body_bytes=body_bytes, batch=batch, requests=requests, requests_of_one=requests_of_one, seconds=seconds
    )
    run(
        Serving(
            library,
            model=model,
            host=host,
            port=port,
            workers=workers,
            instructions=instructions,
            extract=extract,
            chains=tuple(chain or ()),
            purpose=purpose,
            deidentify=deidentify,
            certificate=certificate,
            private_key=private_key,
            limits=limits,
        ),
        out.print,
    )
