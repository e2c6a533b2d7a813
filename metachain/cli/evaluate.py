"""Numbers on whether it pays: evaluation, diagnosis, the demo."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from metachain.cli.console import asking, out, working
from metachain.cli.options import Dask, Purpose
from metachain.cli.tables import print_evaluation, print_institutions
from metachain.data.demonstration import Demonstration
from metachain.data.jsonl import read_demonstrations
from metachain.errors import DataError
from metachain.evaluation.ablation import ABLATIONS
from metachain.evaluation.leave_one_out import check_comparable
from metachain.evaluation.leave_one_out import evaluate as run_evaluation
from metachain.evaluation.plan import Plan
from metachain.evaluation.readers import READERS
from metachain.evaluation.scorers import Answerer
from metachain.files import write_text
from metachain.library.connect import is_library, without_password
from metachain.library.embedding_cache import cached_vectors
from metachain.library.library import Library
from metachain.reporting.report import write_report
from metachain.reporting.verdict import verdict
from metachain.workers import HERE, Workers

__all__ = [
    "evaluate",
    "listed_names",
    "listed_parts",
    "listed_past",
    "listed_readers",
    "listed_seeds",
    "run_experiment",
    "whole_numbers",
]

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
    from metachain.evaluation.plan import Plan
    from metachain.workers import workers_at

    plan = Plan(
        protocol,
        whole_numbers("--labels", labels, DEFAULT_LABELS),
        listed_seeds(seeds, DEFAULT_LABELS),
        shots,
        queries,
        readers=listed_readers(readers),
        past=listed_past(past),
        metric=metric,
        ablate=listed_parts(ablate),
    )
    if selectors:
        plan = replace(plan, selectors=listed_names(selectors))
    check_targets(Path(data), json_file, report)
    with workers_at(dask) as workers:
        answering = None
        if model != "offline":
            from metachain.chains.model_answerer import answering_with
            from metachain.evaluation.leave_one_out import check_model_alone

            check_model_alone(plan, model)
            answering = answering_with(
                model,
                calls=calls,
                instructions=instructions,
                max_concurrency=max_concurrency,
                requests_per_second=requests_per_second,
                asking=asking,
                workers=workers,
            )
        run_experiment(
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


def check_targets(data: Path, *targets: Path | None) -> None:
    from metachain.files import check_writable

    taken = {data.resolve()}
    for target in filter(None, targets):
        check_writable(target)
        if target.resolve() in taken:
            raise DataError(f"{target} is given twice: the data, --json and --report must be different files")
        taken.add(target.resolve())


ALL = "all"
Answering = Callable[[Path | None], AbstractContextManager[Answerer]]
"""From the cache's file, or None for the user's, to who answers."""


def run_experiment(
    data: str | Path,
    plan: Plan,
    *,
    cache: Path | None,
    json_file: Path | None,
    report: Path | None,
    per_institution: bool = False,
    answering: Answering | None = None,
    purpose: str = "",
    workers: Workers = HERE,
) -> None:
    """Evaluate a file or a library, print tables and verdict, and write what is asked for.

    In a library each institution that plays the new one uses what is shared with it for the ``purpose``; a file has no
    rules. ``answering`` makes a model answer; ``workers`` embed and evaluate. Raises DataError, LibraryError,
    NotFoundError, StorageError, ModelError.
    """
    with ExitStack() as stack:
        library: Library | None = None
        allowed: dict[str, frozenset[str]] | None = None
        demonstrations: Sequence[Demonstration]
        if is_library(data):
            library = stack.enter_context(Library.open(data, create=False, purpose=purpose, workers=workers))
            demonstrations = library.demonstrations()
            allowed = {name: library.sharing.usable_by(name).demonstrations for name in library.institutions()}
        else:
            demonstrations = read_demonstrations(data)
        check_comparable(demonstrations, plan, allowed)
        progress = stack.enter_context(working())
        if library:
            vectors = library.vectors(demonstrations, progress)
        else:
            vectors = cached_vectors([one.input for one in demonstrations], cache, progress, workers)
        answerer = stack.enter_context(answering(cache)) if answering else None
        result = run_evaluation(
            demonstrations,
            vectors,
            plan,
            dataset=Path(data).name,
            allowed=allowed,
            answerer=answerer,
            workers=workers,
            progress=progress,
        )
    told = [without_password(one) if one == str(data) else one for one in sys.argv[1:]]
    result = result.with_command(" ".join(["metachain", *told]))
    print_evaluation(result)
    if per_institution:
        print_institutions(result)
    out.print(verdict(result))
    if json_file:
        out.print(f"scores: {write_text(json.dumps(result.to_json(), indent=1), json_file)}")
    if report:
        out.print(f"report: {write_report(result, report)}")


def whole_numbers(option: str, text: str, example: str) -> tuple[int, ...]:
    """Read ``"4, 0,8"`` as ``(0, 4, 8)``. Raises DataError that names the option and gives an example."""
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise DataError(f"{option} takes whole numbers separated by commas, such as {example}; got {text!r}") from None


def listed_seeds(text: str, example: str) -> tuple[int, ...]:
    """Read ``"3"`` as the seeds 0, 1 and 2, and ``"3,5"`` as 3 and 5. Raises DataError."""
    numbers = whole_numbers("--seeds", text, example)
    if "," not in text and numbers[0] < 1:
        raise DataError(f"--seeds takes how many random supports to draw, 1 or more, got {text!r}")
    return numbers if "," in text else tuple(range(numbers[0]))


def listed_past(text: str) -> tuple[int, ...]:
    """Read ``"5,10,all"`` as 5 and 10; all past institutions are evaluated anyway. Raises DataError."""
    sizes = [part for part in text.split(",") if part.strip() != ALL]
    return whole_numbers("--past", ",".join(sizes), f"5,10,20,{ALL}") if sizes else ()


def listed_names(text: str) -> tuple[str, ...]:
    """Read ``"semantic, bm25"`` as two names, each once, in order."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",")))


def listed_readers(text: str) -> tuple[str, ...]:
    """Read names of readers; ``all`` for every one."""
    return tuple(READERS) if text.strip() == ALL else listed_names(text)


def listed_parts(text: str) -> tuple[str, ...]:
    """Read parts of the method to leave out; ``all`` for every one, nothing for none."""
    return tuple(ABLATIONS) if text.strip() == ALL else listed_names(text) if text else ()
