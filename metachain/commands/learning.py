"""What is learned of institutions, and what they should label next."""

from pathlib import Path
from typing import Annotated

import typer

from metachain.commands.options import Dask, Deidentify, Institution, LibraryPath, Purpose

__all__ = ["adapt", "label", "learn", "statistics"]


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
    from metachain.console import out, print_lesson, working
    from metachain.contribution import read_contribution
    from metachain.dask_workers import workers_at
    from metachain.library import Library
    from metachain.opening import without_password
    from metachain.prior import Prior, save_prior
    from metachain.prior import learn as learn_prior

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
        from metachain.collecting import Collecting, collect_and_print

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


def statistics(
    library: LibraryPath,
    institution: Annotated[str, typer.Argument(help="Name of the institution whose demonstrations stay here.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write them here, for `metachain learn`.")] = None,
) -> None:
    """Measure an institution beside the others of a library: what it can give without giving its demonstrations."""
    from metachain.disclosure import disclose

    disclose(library, institution, json_file)


def adapt(
    library: LibraryPath,
    institution: Institution,
    support: Annotated[
        Path | None, typer.Argument(help="JSON Lines of the institution's labelled examples; leave out for none.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Text file of all answers it gives, such as its codes, one a line.")
    ] = None,
    deidentify: Deidentify = "off",
    purpose: Purpose = "",
) -> None:
    """Adapt to a new institution: store its labelled examples and compute its posterior."""
    from metachain.console import out, working
    from metachain.deidentification import gate_named
    from metachain.demonstration import read_answers, read_demonstrations
    from metachain.library import Library
    from metachain.posterior import adapt as adapt_posterior
    from metachain.posterior import save_posterior
    from metachain.prior import load_prior

    examples = read_demonstrations(support, institution) if support else []
    given = read_answers(answers) if answers else []
    with Library.open(library, create=False, purpose=purpose, gate=gate_named(deidentify)) as opened:
        prior = load_prior(opened, institution)
        opened.add(examples)
        if given:
            out.print(f"{len(opened.list_answers(institution, given))} answers listed for {institution}")
        with working() as progress:
            opened.vectors(examples, progress)
            posterior = adapt_posterior(prior, opened, institution)
        save_posterior(opened, posterior)
    how = "learned selection" if posterior.method == "metachain" else "plain nearest neighbours (the guard's choice)"
    out.print(f"adapted to {institution} with {posterior.labels} labels; it will use {how}")


def label(
    library: LibraryPath,
    institution: Institution,
    unlabelled: Annotated[Path, typer.Argument(help='JSON Lines of {"input"}; other fields are ignored.')],
    budget: Annotated[int, typer.Option(min=0, help="How many inputs to suggest at most.")] = 8,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write them here as records to fill in.")] = None,
    purpose: Purpose = "",
) -> None:
    """Say which inputs an institution should label next, and why; one never adapted to is taken as without labels."""
    from metachain.advice import advise

    advise(library, institution, unlabelled, budget, json_file, purpose)
