"""The ``evaluate`` command: reads the data, compares selectors, prints and writes what was found."""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from metachain.ablation import ABLATIONS
from metachain.console import out, working
from metachain.demonstration import Demonstration, read_demonstrations
from metachain.embedding_cache import cached_vectors
from metachain.errors import DataError
from metachain.evaluation import check_comparable, evaluate
from metachain.files import write_text
from metachain.library import Library
from metachain.model_scoring import Answerer
from metachain.opening import is_library, without_password
from metachain.plan import Plan
from metachain.readers import READERS
from metachain.report import write_report
from metachain.tables import print_evaluation, print_institutions
from metachain.verdict import verdict
from metachain.workers import HERE, Workers

__all__ = [
    "listed_names",
    "listed_parts",
    "listed_past",
    "listed_readers",
    "listed_seeds",
    "run_experiment",
    "whole_numbers",
]

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
            allowed = {name: library.sharing.with_(name).demonstrations for name in library.institutions()}
        else:
            demonstrations = read_demonstrations(data)
        check_comparable(demonstrations, plan, allowed)
        progress = stack.enter_context(working())
        if library:
            vectors = library.vectors(demonstrations, progress)
        else:
            vectors = cached_vectors([one.input for one in demonstrations], cache, progress, workers)
        answerer = stack.enter_context(answering(cache)) if answering else None
        result = evaluate(
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
    result["settings"]["command"] = " ".join(["metachain", *told])
    print_evaluation(result)
    if per_institution:
        print_institutions(result)
    out.print(verdict(result))
    if json_file:
        out.print(f"scores: {write_text(json.dumps(result, indent=1), json_file)}")
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
