"""``metachain evaluate``: compares selectors on held-out institutions."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from metachain import cli, evaluation, reporting, workers
from metachain import data as data_files
from metachain import library as libraries
from metachain.cli.shared.options import Dask, Purpose
from metachain.cli.shared.reading import (
    Columns,
    Encoding,
    Format,
    HeaderLine,
    LabelSeparator,
    Missing,
    Records,
    Sheet,
    Template,
    Where,
    print_findings,
    reading_options,
)
from metachain.data.reading import ReadingOptions
from metachain.errors import DataError
from metachain.files import check_writable, write_text

__all__ = ["check_targets", "evaluate", "listed_names", "listed_parts", "listed_past", "listed_readers", "listed_seeds"]
__all__ += ["listed_skills", "whole_numbers"]

DEFAULT_LABELS = "0,4,8,16,32"
ALL = "all"


# Longer than 40 lines: the signature is the command line.
def evaluate(
    data: Annotated[
        str,
        typer.Argument(help="File of demonstrations, in any format; or a library, under its sharing rules."),
    ],
    protocol: Annotated[
        str, typer.Option(help="Hold out one institution, or group: its whole group (metadata.group).")
    ] = "institution",
    labels: Annotated[str, typer.Option(help="Numbers of labels, separated by commas.")] = DEFAULT_LABELS,
    seeds: Annotated[str, typer.Option(help="Number of random supports, or their seeds separated by commas.")] = "3",
    shots: Annotated[int, typer.Option(min=1, help="Number of demonstrations that each selector shows.")] = 8,
    queries: Annotated[int, typer.Option(min=1, help="Maximum number of queries for each institution.")] = 100,
    selectors: Annotated[
        str,
        typer.Option(help="Selectors separated by commas; if left out, all but meta_sel, verdict and listed."),
    ] = "",
    readers: Annotated[
        str, typer.Option(help="Offline readers separated by commas, the first for the main scores; or all.")
    ] = "vote",
    skill: Annotated[
        str,
        typer.Option(
            help="Skills of the first reader, 0 to 1, separated by commas; with 1 it picks the right answer if shown."
        ),
    ] = "0",
    metric: Annotated[
        str | None,
        typer.Option(
            help="Metric: exact_match, label_f1, span_f1, rouge_l or token_f1; suited to the outputs if left out."
        ),
    ] = None,
    past: Annotated[
        str,
        typer.Option(
            help="Numbers of training institutions to learn from, separated by commas; all of them always count too."
        ),
    ] = ALL,
    ablate: Annotated[
        str, typer.Option(help="Parts of the method to leave out in turn, separated by commas; or all.")
    ] = "",
    per_institution: Annotated[
        bool, typer.Option("--per-institution", help="Print the scores of each institution.")
    ] = False,
    model: Annotated[
        str, typer.Option(help="Model that answers: offline, local, or another chat model such as ollama:llama3.")
    ] = "offline",
    answers_by: Annotated[
        str,
        typer.Option(
            help="Way in which the model answers: generate, in its words; or score, with the most probable of the "
            "labels shown, for models such as local that give probabilities."
        ),
    ] = "generate",
    calls: Annotated[
        int | None,
        typer.Option(min=0, help="Maximum number of calls of the model; if left out, only the number needed is told."),
    ] = None,
    instructions: Annotated[str, typer.Option(help="System message for the model.")] = "",
    max_concurrency: Annotated[int, typer.Option(min=1, help="Maximum number of concurrent calls.")] = 4,
    requests_per_second: Annotated[float | None, typer.Option(help="Maximum number of calls started a second.")] = None,
    uncleaned: Annotated[
        str,
        typer.Option(help="Rules of cleaning that the model's answers are read without, separated by commas; or all."),
    ] = "",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Go on where nearly all of the first 20 answers score 0.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all scores and the summary to this file.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML page to this file.")] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Cache of embeddings and of a model's answers; a file in the user's cache if left out."),
    ] = None,
    column: Columns = None,
    format: Format = "",
    sheet: Sheet = "",
    header_line: HeaderLine = 0,
    encoding: Encoding = "",
    records: Records = "",
    where: Where = None,
    missing: Missing = None,
    template: Template = "",
    label_separator: LabelSeparator = "",
    purpose: Purpose = "",
    dask: Dask = "",
) -> None:
    """Compare all selectors on held-out episodes: each institution plays the target in turn.

    Example: metachain evaluate past.jsonl --protocol institution --json scores.json --report report.html
    """
    plan = evaluation.Plan(
        protocol,
        whole_numbers("--labels", labels, DEFAULT_LABELS),
        listed_seeds(seeds, DEFAULT_LABELS),
        shots,
        queries,
        readers=listed_readers(readers),
        past=listed_past(past),
        metric=metric,
        ablate=listed_parts(ablate),
        answers_by=answers_by,
        skill=listed_skills(skill),
    )
    if selectors:
        plan = replace(plan, selectors=listed_names(selectors))
    options = reading_options(format, column, sheet, header_line, encoding, records, where, missing, template)
    check_targets(Path(data), json_file, report)
    with workers.workers_at(dask) as running:
        answering = None
        if model != "offline" or answers_by == "score":
            answering = cli.answering_by_model(
                plan,
                model,
                calls=calls,
                instructions=instructions,
                max_concurrency=max_concurrency,
                requests_per_second=requests_per_second,
                workers=running,
                uncleaned=uncleaned,
                anyway=anyway,
            )
        result = _evaluated(data, options, plan, purpose, cache, answering, running, label_separator)
    cli.print_evaluation(result)
    if per_institution:
        cli.print_institutions(result)
    cli.print_verdict(result)
    if json_file:
        cli.out.print(f"scores: {write_text(json.dumps(result.to_json(), indent=1), json_file)}")
    if report:
        cli.out.print(f"report: {reporting.write_report(result, report)}")


def _evaluated(
    data: str,
    options: "ReadingOptions",
    plan: "evaluation.Plan",
    purpose: str,
    cache: Path | None,
    answering: "Callable[[Path | None], AbstractContextManager[evaluation.Answerer]] | None",
    running: "workers.Workers",
    separator: str,
) -> "evaluation.Evaluation":
    with ExitStack() as stack:
        library = None
        if libraries.is_library(data):
            opened = libraries.Library.open(data, create=False, purpose=purpose, workers=running)
            library = stack.enter_context(opened)
        demonstrations, allowed = _demonstrations(data, options, library)
        evaluation.check_comparable(demonstrations, plan, allowed)
        progress = stack.enter_context(cli.working())
        if library:
            vectors = library.vectors(demonstrations, progress)
        else:
            texts = [one.input for one in demonstrations]
            vectors = libraries.cached_vectors(texts, cache, progress, running)
        result = evaluation.evaluate(
            demonstrations,
            vectors,
            plan,
            dataset=Path(data).name,
            allowed=allowed,
            answerer=stack.enter_context(answering(cache)) if answering else None,
            workers=running,
            progress=progress,
            label_separator=library.label_separator if library else separator,
        )
    command = [libraries.without_password(one) if one == data else one for one in sys.argv[1:]]
    return result.with_command(" ".join(["metachain", *command]))


def _demonstrations(
    data: str, options: "ReadingOptions", library: "libraries.Library | None"
) -> "tuple[Sequence[data_files.Demonstration], dict[str, frozenset[str]] | None]":
    """Demonstrations, and the institutions whose demonstrations each may use; None for a file, which has no rules."""
    if library is None:
        found = data_files.Findings()
        demonstrations = data_files.read_demonstrations(data, None, found, **options)
        print_findings(found)
        return demonstrations, None
    allowed = {name: library.sharing.usable_by(name).demonstrations for name in library.institutions()}
    return library.demonstrations(), allowed


def check_targets(data: Path, *targets: Path | None) -> None:
    """Check before long work that the files to be written can be written, and differ from each other and the data.

    Raises StorageError, DataError.
    """
    taken = {data.resolve()}
    for target in filter(None, targets):
        check_writable(target)
        if target.resolve() in taken:
            raise DataError(f"{target} is given twice: the data, --json and --report must be different files")
        taken.add(target.resolve())


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
    return tuple(evaluation.READERS) if text.strip() == ALL else listed_names(text)


def listed_skills(text: str) -> tuple[float, ...]:
    """Read ``"1,0,0.5"`` as 0, 0.5 and 1, each once. Raises DataError."""
    try:
        return tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError:
        raise DataError(f"--skill takes numbers separated by commas, such as 0,0.5,1; got {text!r}") from None


def listed_parts(text: str) -> tuple[str, ...]:
    """Read parts of the method to leave out; ``all`` for every one, nothing for none."""
    return tuple(evaluation.ABLATIONS) if text.strip() == ALL else listed_names(text) if text else ()
