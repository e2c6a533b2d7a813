"""``metachain demo``: the main job from end to end on a generated, synthetic world."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from metachain import chains, cli, data, evaluation, learning, reporting, retrievers, scoring
from metachain import library as libraries
from metachain.errors import DataError, StorageError

__all__ = ["demo"]

LABELS = 16
SHOTS = 8
SHOWN = 4
"""Number of demonstrations, and of answers, that are printed."""


def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the library and the report.")] = Path("metachain-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the generated world.")] = 0,
) -> None:
    """Run the main job on a generated, synthetic world: without network or key, in under two minutes.

    A library is filled with past hospitals; a new one joins; its demonstrations are selected, its inputs are answered,
    and all hospitals are evaluated.

    Example: metachain demo --folder metachain-demo
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"can't make {folder} ({error.strerror}); name another with --folder") from None
    world = data.generate_world(data.WorldSettings(seed=seed))
    past, new = _split(world)
    cli.out.print(f"A generated, synthetic world of {len({one.institution for one in world})} hospitals (seed {seed}).")
    with _empty_library(folder / "hospitals.db") as library:
        _adapt_to_newcomer(library, past, new)
        _evaluate_all(library, world, folder / "report.html", seed)


def _empty_library(path: Path) -> "libraries.Library":
    """Open an empty library in place of that of an earlier demo. Raises DataError where it holds anything else."""
    if path.exists():
        with libraries.Library.open(path) as earlier:
            if any(not one.metadata.get("synthetic") for one in earlier.demonstrations()):
                raise DataError(f"{path} holds demonstrations that no demo made; name another folder with --folder")
        path.unlink()
    return libraries.Library.open(path)


def _split(world: "Sequence[data.Demonstration]") -> "tuple[list[data.Demonstration], list[data.Demonstration]]":
    """Split into the past and a new hospital: the last one that is not misleading; its health system is left out."""
    honest = [one for one in world if not one.metadata["misleading"]]
    name, group = honest[-1].institution, honest[-1].metadata["group"]
    past = [one for one in world if one.metadata["group"] != group]
    return past, [one for one in world if one.institution == name]


def _adapt_to_newcomer(
    library: "libraries.Library", past: "Sequence[data.Demonstration]", new: "Sequence[data.Demonstration]"
) -> None:
    name, queries = new[0].institution, new[LABELS:]
    library.add(past, share=libraries.EVERYONE)
    with cli.working() as progress:
        library.vectors(library.demonstrations(), progress)
        prior = learning.learn(library, progress=progress)
    learning.save_prior(library, prior)
    library.add(new[:LABELS])
    posterior = learning.adapt(prior, library, name)
    learning.save_posterior(library, posterior)
    cli.out.print(
        f"\nLearned from {len(prior.institutions)} past hospitals. {name}, of a health system that none of them "
        f"belongs to, gave {LABELS} labels."
    )
    selector = retrievers.MetaExampleSelector(library, posterior, k=SHOTS)
    learned = chains.few_shot_chain("offline", selector).batch([{"input": one.input} for one in queries])
    differing = _print_answers(queries, _answers_from_nearest(library, past, queries), learned)
    selection = selector.explain((differing or queries)[0].input)
    cli.out.print(f"\nThe best {SHOWN} of the {SHOTS} demonstrations shown for {selection.query!r}:")
    cli.print_selection(replace(selection, chosen=selection.chosen[-SHOWN:]))


def _answers_from_nearest(
    library: "libraries.Library", past: "Sequence[data.Demonstration]", queries: "Sequence[data.Demonstration]"
) -> list[str]:
    distance = -(library.vectors(queries) @ library.vectors(past).T)
    nearest = distance.argsort(axis=1, kind="stable")[:, :SHOTS]
    return [
        scoring.answer(query.input, [(past[row].input, past[row].output) for row in rows[::-1]])
        for query, rows in zip(queries, nearest, strict=True)
    ]


def _print_answers(
    queries: "Sequence[data.Demonstration]", nearest: Sequence[str], learned: Sequence[str]
) -> "list[data.Demonstration]":
    """Print both numbers of right answers and the first differing ones; return all queries answered differently."""
    right = [sum(a == query.output for a, query in zip(given, queries, strict=True)) for given in (nearest, learned)]
    cli.out.print(
        f"The offline model answers {right[0]} of its other {len(queries)} inputs right when it is shown the nearest "
        f"demonstrations, {right[1]} when it is shown metachain's. The first that the two differ on:"
    )
    table = Table("input", "its own code", "shown the nearest", "shown metachain's")
    differing = [row for row in zip(queries, nearest, learned, strict=True) if row[1] != row[2]]
    for query, theirs, ours in differing[:SHOWN]:
        table.add_row(Text(query.input), query.output, _marked(theirs, query.output), _marked(ours, query.output))
    cli.out.print(table)
    return [query for query, _, _ in differing]


def _marked(given: str, right: str) -> Text:
    return Text(f"{given} ✓", "green") if given == right else Text(f"{given} ✗", "red")


def _evaluate_all(library: "libraries.Library", world: "Sequence[data.Demonstration]", report: Path, seed: int) -> None:
    cli.out.print("\nEvery hospital plays the new one in turn, its whole health system held out:")
    with cli.working() as progress:
        vectors = library.vectors(world, progress)
        plan = evaluation.Plan(protocol="group", labels=(0, 4, 8, 16, 32), seeds=(0, 1))
        result = evaluation.evaluate(world, vectors, plan, dataset=f"generated world, seed {seed}", progress=progress)
    result = result.with_command(f"metachain demo --seed {seed}")
    cli.print_summary(result.summary)
    cli.print_verdict(result)
    cli.out.print(f"report: {reporting.write_report(result, report)}")
