"""``metachain learn``: learns the prior of a library, and on request how to show demonstrations to a chat model."""

from pathlib import Path
from typing import Annotated

import typer

from metachain import cli, learning, workers
from metachain import library as libraries
from metachain.cli.shared.options import Dask, LibraryPath, Purpose

__all__ = ["learn"]


# Longer than 40 lines: the signature is the command line.
def learn(
    library: LibraryPath,
    model: Annotated[str, typer.Option(help="Chat model whose answers also teach how to show it demonstrations.")] = "",
    metric: Annotated[
        str,
        typer.Option(
            help="Metric for the model's answers: exact_match, judge:PROVIDER:NAME, …; suited to the outputs if left "
            "out."
        ),
    ] = "",
    calls: Annotated[int, typer.Option(min=0, help="Maximum number of calls of the model.")] = 2000,
    tokens: Annotated[int | None, typer.Option(min=0, help="Maximum number of tokens, read and written.")] = None,
    money: Annotated[
        float | None, typer.Option(min=0, help="Maximum amount of money; needs --input-price and --output-price.")
    ] = None,
    input_price: Annotated[float | None, typer.Option(min=0, help="Price of a million tokens read.")] = None,
    output_price: Annotated[float | None, typer.Option(min=0, help="Price of a million tokens written.")] = None,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Maximum length of an answer, in tokens.")] = 256,
    max_concurrency: Annotated[int, typer.Option(min=1, help="Maximum number of concurrent calls.")] = 4,
    requests_per_second: Annotated[float | None, typer.Option(help="Maximum number of calls started a second.")] = None,
    instructions: Annotated[str, typer.Option(help="System message before the demonstrations.")] = "",
    uncleaned: Annotated[
        str,
        typer.Option(help="Rules of cleaning that the model's answers are read without, separated by commas; or all."),
    ] = "",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Go on where nearly all of the first 20 answers score 0.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the order of the model's queries.")] = 0,
    statistics: Annotated[
        list[Path] | None,
        typer.Option(help="File written by `metachain statistics` elsewhere; may be given several times."),
    ] = None,
    minimum: Annotated[
        int, typer.Option(min=2, help="Minimum number of training institutions, those of --statistics included.")
    ] = 3,
    institution: Annotated[
        str, typer.Option("--for", help="Learn for this target institution only, from all that is shared with it.")
    ] = "",
    purpose: Purpose = "",
    dask: Dask = "",
) -> None:
    """Learn the prior from all institutions of a library: which transfer to which, and whether learning pays.

    With --statistics, institutions that cannot share demonstrations teach too.

    With --model, held-out episodes also teach how best to show this chat model demonstrations: past institutions play
    the target in turn, and the model answers. Its answers are kept in the library, so that the same command resumes
    after an interruption.

    Example: metachain learn hospitals.db --model ollama:llama3 --calls 2000
    """
    contributions = [learning.read_contribution(path) for path in statistics or ()]
    with (
        workers.workers_at(dask) as running,
        libraries.Library.open(library, create=False, purpose=purpose, workers=running) as opened,
    ):
        opened.check_writable()

        def learn_prior() -> "learning.Prior":
            receiver = institution or None
            with cli.working() as progress:
                prior = learning.learn(opened, receiver, statistics=contributions, minimum=minimum, progress=progress)
            learning.save_prior(opened, prior, receiver)
            more = f" and the statistics of {len(contributions)} more" if contributions else ""
            place = libraries.without_password(library)
            cli.out.print(f"learned from {len(prior.institutions)} institutions{more}; the prior is stored in {place}")
            cli.print_lesson(prior.lesson)
            cli.print_past_changes(prior.changes.of, prior.changes.count)
            return prior

        if not model:
            learn_prior()
            return
        options = cli.ModelOptions(
            model=model,
            metric=metric,
            calls=calls,
            tokens=tokens,
            money=money,
            input_price=input_price,
            output_price=output_price,
            answer_tokens=answer_tokens,
            max_concurrency=max_concurrency,
            requests_per_second=requests_per_second,
            instructions=instructions,
            seed=seed,
            uncleaned=uncleaned,
            anyway=anyway,
        )
        cli.learn_policy(opened, learn_prior, options, running)
