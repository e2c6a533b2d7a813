"""The main job from end to end on a generated, synthetic world: what ``metachain demo`` shows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from metachain.chains import few_shot_chain
from metachain.cli.console import out, working
from metachain.cli.tables import print_selection, print_summary
from metachain.data.demonstration import Demonstration
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.errors import DataError, StorageError
from metachain.evaluation.leave_one_out import Plan, evaluate
from metachain.learning.artifacts import save_posterior, save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.learning.ranking import nearest_first
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.reporting.report import write_report
from metachain.reporting.verdict import verdict
from metachain.retrievers import MetaExampleSelector
from metachain.scoring.reader import answer

__all__ = ["demo", "run_demo"]


def demo(
    folder: Annotated[Path, typer.Option(help="Where the library and the report are written.")] = Path(
        "metachain-demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the generated world.")] = 0,
) -> None:
    """Show the main job on a generated, synthetic world: no network, no key, under two minutes."""
    run_demo(folder, seed)


LABELS = 16
SHOTS = 8
SHOWN = 4
PLAN = Plan(protocol="group", labels=(0, 4, 8, 16, 32), seeds=(0, 1))


def run_demo(folder: Path, seed: int) -> None:
    """Fill a library with past hospitals, meet a new one, adapt, select, answer and evaluate, all in ``folder``.

    Raises StorageError where the folder can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"can't make {folder} ({error.strerror}); name another with --folder") from None
    world = generate_world(WorldSettings(seed=seed))
    past, new = _newcomer(world)
    out.print(f"A generated, synthetic world of {len({one.institution for one in world})} hospitals (seed {seed}).")
    with _fresh_library(folder / "hospitals.db") as library:
        _first_day(library, past, new)
        _every_hospital(library, world, folder / "report.html", seed)


def _fresh_library(path: Path) -> Library:
    """An empty library in place of the one that an earlier demo left; one that holds anything else is not touched."""
    if path.exists():
        with Library.open(path) as earlier:
            if any(not one.metadata.get("synthetic") for one in earlier.demonstrations()):
                raise DataError(f"{path} holds demonstrations that no demo made; name another folder with --folder")
        path.unlink()
    return Library.open(path)


def _newcomer(world: Sequence[Demonstration]) -> tuple[list[Demonstration], list[Demonstration]]:
    """Split off the last honest hospital, and leave its whole health system out of the past."""
    honest = [one for one in world if not one.metadata["misleading"]]
    name, group = honest[-1].institution, honest[-1].metadata["group"]
    past = [one for one in world if one.metadata["group"] != group]
    return past, [one for one in world if one.institution == name]


def _first_day(library: Library, past: Sequence[Demonstration], new: Sequence[Demonstration]) -> None:
    name, queries = new[0].institution, new[LABELS:]
    library.add(past, share=EVERYONE)
    with working() as progress:
        library.vectors(library.demonstrations(), progress)
        prior = learn(library, progress=progress)
    save_prior(library, prior)
    library.add(new[:LABELS])
    posterior = adapt(prior, library, name)
    save_posterior(library, posterior)
    out.print(
        f"\nLearned from {len(prior.institutions)} past hospitals. {name}, of a health system that none of them "
        f"belongs to, gave {LABELS} labels."
    )
    selector = MetaExampleSelector(library, posterior, k=SHOTS)
    learned = few_shot_chain("offline", selector).batch([{"input": one.input} for one in queries])
    differing = _print_answers(queries, _answers_from_nearest(library, past, queries), learned)
    selection = selector.explain((differing or queries)[0].input)
    out.print(f"\nThe best {SHOWN} of the {SHOTS} demonstrations shown for {selection.query!r}:")
    print_selection(replace(selection, chosen=selection.chosen[-SHOWN:]))


def _answers_from_nearest(
    library: Library, past: Sequence[Demonstration], queries: Sequence[Demonstration]
) -> list[str]:
    nearest = nearest_first(library.vectors(queries) @ library.vectors(past).T, SHOTS)
    return [
        answer(query.input, [(past[row].input, past[row].output) for row in rows[::-1]])
        for query, rows in zip(queries, nearest, strict=True)
    ]


def _print_answers(
    queries: Sequence[Demonstration], nearest: Sequence[str], learned: Sequence[str]
) -> list[Demonstration]:
    """Print who is right how often, and some queries that the two answer differently; returns all of those."""
    right = [sum(a == query.output for a, query in zip(given, queries, strict=True)) for given in (nearest, learned)]
    out.print(
        f"The offline model answers {right[0]} of its other {len(queries)} inputs right when it is shown the nearest "
        f"demonstrations, {right[1]} when it is shown metachain's. The first that the two differ on:"
    )
    table = Table("input", "its own code", "shown the nearest", "shown metachain's")
    differing = [row for row in zip(queries, nearest, learned, strict=True) if row[1] != row[2]]
    for query, theirs, ours in differing[:SHOWN]:
        table.add_row(Text(query.input), query.output, _marked(theirs, query.output), _marked(ours, query.output))
    out.print(table)
    return [query for query, _, _ in differing]


def _marked(given: str, right: str) -> Text:
    return Text(f"{given} ✓", "green") if given == right else Text(f"{given} ✗", "red")


def _every_hospital(library: Library, world: Sequence[Demonstration], report: Path, seed: int) -> None:
    out.print("\nEvery hospital plays the new one in turn, its whole health system held out:")
    with working() as progress:
        vectors = library.vectors(world, progress)
        result = evaluate(world, vectors, PLAN, dataset=f"generated world, seed {seed}", progress=progress)
    result = result.with_command(f"metachain demo --seed {seed}")
    print_summary(result.summary)
    out.print(verdict(result))
    out.print(f"report: {write_report(result, report)}")
