"""``metachain diagnose``: measures whether meta-learning pays for a library."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from metachain import cli, evaluation
from metachain import library as libraries
from metachain.cli.evaluate import check_targets
from metachain.cli.shared.options import LibraryPath
from metachain.files import write_text

__all__ = ["diagnose"]


def diagnose(
    library: LibraryPath,
    seconds: Annotated[float, typer.Option(help="Time that learning may take on this machine, in seconds.")] = 600.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the conditions and the verdict to this file.")
    ] = None,
) -> None:
    """Measure by ten conditions whether meta-learning pays for a library, and advise if it does not.

    Example: metachain diagnose hospitals.db
    """
    evaluation.check_seconds(seconds)
    check_targets(Path(library), json_file)
    with libraries.Library.open(library, create=False) as opened, cli.working() as progress:
        found = evaluation.diagnose(opened, seconds=seconds, progress=progress)
        texts = {name: {one.id: one.input for one in opened.demonstrations(name)} for name in found.changes}
        alike = opened.look_alikes()
    cli.print_diagnosis(found, texts)
    cli.print_look_alikes(libraries.without_password(library), alike)
    if json_file:
        cli.out.print(f"diagnosis: {write_text(json.dumps(asdict(found), indent=1), json_file)}")
