"""``metachain serve``: puts a library behind a URL."""

from typing import Annotated

import typer

from metachain import cli
from metachain.cli.shared.options import Deidentify, Model, Purpose
from metachain.errors import DataError

__all__ = ["serve"]


# Longer than 40 lines: the signature is the command line.
def serve(
    library: Annotated[
        str,
        typer.Argument(
            metavar="LIBRARY",
            envvar="METACHAIN_LIBRARY",
            help="Path of the library (an SQLite file), or its address: postgresql+psycopg://…",
        ),
    ],
    model: Model = "offline",
    host: Annotated[str, typer.Option(help="Address to listen on; this machine's own by default.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Number of worker processes.")] = 1,
    instructions: Annotated[str, typer.Option(help="System message before the demonstrations.")] = "",
    extract: Annotated[str, typer.Option(metavar="MODULE:CLASS", help="Pydantic model that /extract fills in.")] = "",
    chain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=MODULE:ATTRIBUTE",
            help="Additional chain: a Runnable, or a function that makes one from a library and a model; may be given "
            "several times.",
        ),
    ] = None,
    body_bytes: Annotated[int, typer.Option(min=1, help="Maximum request body, in bytes.")] = 1_000_000,
    characters: Annotated[int, typer.Option(min=1, help="Maximum length of one text, in characters.")] = 100_000,
    batch: Annotated[int, typer.Option(min=1, help="Maximum number of inputs in a batch.")] = 100,
    unreviewed: Annotated[
        int, typer.Option(min=1, help="Maximum number of examples of an API key that wait for a review.")
    ] = 10_000,
    requests: Annotated[int, typer.Option(min=1, help="Maximum concurrent requests per worker.")] = 64,
    requests_of_one: Annotated[
        int, typer.Option(min=1, help="Maximum concurrent requests per institution and worker.")
    ] = 32,
    inputs_of_one: Annotated[
        int,
        typer.Option(min=1, help="Maximum concurrent inputs of batches and adaptations per institution and worker."),
    ] = 200,
    seconds: Annotated[float, typer.Option(min=0.1, help="Maximum time for a request, in seconds.")] = 60.0,
    pool_size: Annotated[int, typer.Option(min=1, help="Maximum connections to the database per worker.")] = 15,
    pool_timeout: Annotated[
        float, typer.Option(min=0.1, help="Maximum wait for a free connection to the database, in seconds.")
    ] = 10.0,
    statement_timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Maximum time of one statement in PostgreSQL, or wait for another writer in SQLite, in seconds; the "
            "database's own by default.",
        ),
    ] = None,
    certificate: Annotated[str, typer.Option(help="PEM file of the TLS certificate, to serve over HTTPS.")] = "",
    private_key: Annotated[str, typer.Option(help="PEM file of the certificate's private key.")] = "",
    no_keys: Annotated[
        bool,
        typer.Option(
            "--no-keys",
            help="Let everybody on this machine ask for every institution; for a library that never had a key.",
        ),
    ] = False,
    plain_http: Annotated[
        bool,
        typer.Option("--plain-http", help="Serve other machines over HTTP, for example behind a proxy that ends TLS."),
    ] = False,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Host name of requests that are answered, such as *.hospital.example; may be given several times.",
        ),
    ] = None,
    keep_answers: Annotated[
        str,
        typer.Option(help="Delete answers without feedback that are older than an age such as 90d, every hour."),
    ] = "",
    trace_texts: Annotated[
        bool,
        typer.Option("--trace-texts", help="Allow LangSmith's tracing, which sends whole prompts to another service."),
    ] = False,
    deidentify: Deidentify = "redact",
    purpose: Purpose = "",
) -> None:
    """Put a library behind a URL: chains in LangServe's protocol, feedback, adaptation, metrics, a playground.

    Callers identify themselves by the API keys of `metachain key`; each key is for one institution. To try it without
    a key on your own machine, give --no-keys.

    Example: metachain serve hospitals.db --model offline
    """
    try:
        # An optional extra: metachain[serve].
        from metachain.chains.server import Limits  # noqa: PLC0415
        from metachain.chains.service.running import Serving, run  # noqa: PLC0415
        from metachain.library.database.engine import Connections  # noqa: PLC0415
    except ImportError as error:
        raise DataError(
            f"serving needs packages that are not installed ({error}): pip install 'metachain[serve]'"
        ) from None
    limits = Limits(
        body_bytes=body_bytes,
        characters=characters,
        batch=batch,
        unreviewed=unreviewed,
        requests=requests,
        requests_of_one=requests_of_one,
        inputs_of_one=inputs_of_one,
        seconds=seconds,
    )
    serving = Serving(
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
        no_keys=no_keys,
        plain_http=plain_http,
        allowed_hosts=tuple(allowed_host or ()),
        keep_answers=keep_answers,
        trace_texts=trace_texts,
        connections=Connections(pool_size, pool_timeout, statement_timeout),
        limits=limits,
    )
    run(serving, cli.out.print)
