"""Numbers on whether it pays: evaluation, diagnosis, the demo."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from metachain.cli.evaluate import check_targets
from metachain.cli.options import LibraryPath

__all__ = ["diagnose"]


def diagnose(
    library: LibraryPath,
    seconds: Annotated[float, typer.Option(help="How long learning may take on this machine.")] = 600.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write conditions and verdict here.")] = None,
) -> None:
    """Say with numbers whether meta-learning pays for a library, and what to do where it doesn't."""
    from metachain.cli.console import out, working
    from metachain.cli.tables import print_diagnosis
    from metachain.evaluation.diagnosis import check_seconds
    from metachain.evaluation.diagnosis import diagnose as measure
    from metachain.files import write_text
    from metachain.library.library import Library

    check_seconds(seconds)
    check_targets(Path(library), json_file)
    with Library.open(library, create=False) as opened, working() as progress:
        found = measure(opened, seconds=seconds, progress=progress)
    print_diagnosis(found)
    if json_file:
        out.print(f"diagnosis: {write_text(json.dumps(asdict(found), indent=1), json_file)}")
