"""What is learned of institutions, and what they should label next."""

from pathlib import Path
from typing import Annotated

import typer

from metachain.cli.options import Dask, LibraryPath, Purpose

__all__ = ["learn"]


def learn(
    library: LibraryPath,
    model: Annotated[
        str, typer.Option(help="Learn from this model's answers too, how to show it demonstrations.")
    ] = "",
    metric: Annotated[
        str,
        typer.Option(
            help="What scores answers: exact_match, judge:PROVIDER:NAME, …; left out, what suits the outputs."
        ),
    ] = "",
    calls: Annotated[int, typer.Option(min=0, help="At most so many calls of the model.")] = 2000,
    tokens: Annotated[int | None, typer.Option(min=0, help="At most so many tokens, read and written.")] = None,
    money: Annotated[float | None, typer.Option(min=0, help="At most so much money; needs the two prices.")] = None,
    input_price: Annotated[float | None, typer.Option(min=0, help="Of a million tokens read.")] = None,
    output_price: Annotated[float | None, typer.Option(min=0, help="Of a million tokens written.")] = None,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Longest answer of the model, in tokens.")] = 256,
    max_concurrency: Annotated[int, typer.Option(min=1, help="At most so many calls at once.")] = 4,
    requests_per_second: Annotated[float | None, typer.Option(help="At most so many calls are begun a second.")] = None,
    instructions: Annotated[str, typer.Option(help="What the model is told before the demonstrations.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Orders the queries that the model is asked.")] = 0,
    statistics: Annotated[
        list[Path] | None,
        typer.Option(help="File that `metachain statistics` wrote elsewhere; may be given several times."),
    ] = None,
    minimum: Annotated[
        int, typer.Option(min=2, help="Learn from so many institutions at least, with those of --statistics.")
    ] = 3,
    institution: Annotated[
        str, typer.Option("--for", help="Learn for this institution alone, from what is shared with it in particular.")
    ] = "",
    purpose: Purpose = "",
    dask: Dask = "",
) -> None:
    """Learn from every institution in the library who transfers to whom, and whether learning pays.

    With --statistics also from institutions that keep their demonstrations to themselves.

    With --model also how that model is best shown demonstrations: past institutions play the new one, and the model
    answers. What it answered is kept in the library, so that the same command after an interruption goes on.
    """
    from metachain.cli.console import out, working
    from metachain.cli.tables import print_lesson
    from metachain.learning.artifacts import save_prior
    from metachain.learning.prior import Prior
    from metachain.learning.prior import learn as learn_prior
    from metachain.learning.site_statistics import read_contribution
    from metachain.library.connect import without_password
    from metachain.library.library import Library
    from metachain.workers import workers_at

    given = [read_contribution(path) for path in statistics or ()]
    with (
        workers_at(dask) as workers,
        Library.open(library, create=False, purpose=purpose, workers=workers) as opened,
    ):
        opened.check_writable()

        def learned() -> Prior:
            with working() as progress:
                prior = learn_prior(opened, institution or None, statistics=given, minimum=minimum, progress=progress)
            save_prior(opened, prior, institution or None)
            further = f" and the statistics of {len(given)} more" if given else ""
            place = without_password(library)
            out.print(f"learned from {len(prior.institutions)} institutions{further}; the prior is stored in {place}")
            print_lesson(prior.lesson)
            return prior

        if not model:
            learned()
            return
        from metachain.cli.learn_model import Collecting, collect_and_print

        wanted = Collecting(
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
        )
        collect_and_print(opened, learned, wanted, workers)
