"""Numbers on whether it pays: evaluation, diagnosis, the demo."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from metachain.commands.options import Dask, LibraryPath, Purpose
from metachain.errors import DataError

__all__ = ["demo", "diagnose", "evaluate"]

DEFAULT_LABELS = "0,4,8,16,32"


def evaluate(
    data: Annotated[
        str, typer.Argument(help='JSON Lines of {"institution", "input", "output"}; or a library, under its rules.')
    ],
    protocol: Annotated[
        str, typer.Option(help="Hold out one institution, or its whole group (metadata.group).")
    ] = "institution",
    labels: Annotated[str, typer.Option(help="Label counts, separated by commas.")] = DEFAULT_LABELS,
    seeds: Annotated[str, typer.Option(help="How many random supports, or their seeds separated by commas.")] = "3",
    shots: Annotated[int, typer.Option(min=1, help="How many demonstrations each selector shows.")] = 8,
    queries: Annotated[int, typer.Option(min=1, help="Queries an institution.")] = 100,
    selectors: Annotated[str, typer.Option(help="Selectors separated by commas; all where left out.")] = "",
    readers: Annotated[
        str, typer.Option(help="Offline readers separated by commas, the first for the main scores; or all.")
    ] = "vote",
    metric: Annotated[
        str | None,
        typer.Option(help="exact_match, label_f1, span_f1, rouge_l, token_f1; left out, what suits."),
    ] = None,
    past: Annotated[
        str, typer.Option(help="Learn from so many past institutions too: numbers separated by commas, and all.")
    ] = "all",
    ablate: Annotated[
        str, typer.Option(help="Leave out parts of the method, to see what each is worth: separated by commas; or all.")
    ] = "",
    per_institution: Annotated[bool, typer.Option("--per-institution", help="Print how each institution fares.")] = (
        False
    ),
    model: Annotated[
        str, typer.Option(help="Who answers: the offline reader, or a chat model such as ollama:llama3.")
    ] = "offline",
    calls: Annotated[
        int | None, typer.Option(min=0, help="The most calls of the model; left out, none, but told how many it takes.")
    ] = None,
    instructions: Annotated[str, typer.Option(help="A system message for the model.")] = "",
    max_concurrency: Annotated[int, typer.Option(min=1, help="Calls at the same time.")] = 4,
    requests_per_second: Annotated[float | None, typer.Option(help="Begin no more calls a second than this.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every score and the summary here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML page here.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Keep embeddings, and a model's answers, in this file, not in the user's cache.")
    ] = None,
    purpose: Purpose = "",
    dask: Dask = "",
) -> None:
    """Compare every selector on institutions that each play the new one."""
    from metachain import experiment
    from metachain.dask_workers import workers_at
    from metachain.plan import Plan

    plan = Plan(
        protocol,
        experiment.whole_numbers("--labels", labels, DEFAULT_LABELS),
        experiment.listed_seeds(seeds, DEFAULT_LABELS),
        shots,
        queries,
        readers=experiment.listed_readers(readers),
        past=experiment.listed_past(past),
        metric=metric,
        ablate=experiment.listed_parts(ablate),
    )
    if selectors:
        plan = replace(plan, selectors=experiment.listed_names(selectors))
    _check_targets(Path(data), json_file, report)
    with workers_at(dask) as workers:
        answering = None
        if model != "offline":
            from metachain.chains.answering import answering_with
            from metachain.evaluation import check_model_alone

            check_model_alone(plan, model)
            answering = answering_with(
                model,
                calls=calls,
                instructions=instructions,
                max_concurrency=max_concurrency,
                requests_per_second=requests_per_second,
                workers=workers,
            )
        experiment.run_experiment(
            data,
            plan,
            cache=cache,
            json_file=json_file,
            report=report,
            per_institution=per_institution,
            answering=answering,
            purpose=purpose,
            workers=workers,
        )


def diagnose(
    library: LibraryPath,
    seconds: Annotated[float, typer.Option(help="How long learning may take on this machine.")] = 600.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write conditions and verdict here.")] = None,
) -> None:
    """Say with numbers whether meta-learning pays for a library, and what to do where it doesn't."""
    from metachain.console import out, print_diagnosis, working
    from metachain.diagnosis import check_seconds
    from metachain.diagnosis import diagnose as measure
    from metachain.files import write_text
    from metachain.library import Library

    check_seconds(seconds)
    _check_targets(Path(library), json_file)
    with Library.open(library, create=False) as opened, working() as progress:
        found = measure(opened, seconds=seconds, progress=progress)
    print_diagnosis(found)
    if json_file:
        out.print(f"diagnosis: {write_text(json.dumps(asdict(found), indent=1), json_file)}")


def demo(
    folder: Annotated[Path, typer.Option(help="Where the library and the report are written.")] = Path(
        "metachain-demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of the generated world.")] = 0,
) -> None:
    """Show the main job on a generated, synthetic world: no network, no key, under two minutes."""
    from metachain.demo import run_demo

    run_demo(folder, seed)


def _check_targets(data: Path, *targets: Path | None) -> None:
    from metachain.files import check_writable

    taken = {data.resolve()}
    for target in filter(None, targets):
        check_writable(target)
        if target.resolve() in taken:
            raise DataError(f"{target} is given twice: the data, --json and --report must be different files")
        taken.add(target.resolve())
