"""The command line with the tiny encoder, which a signal can stop at an exact moment; a program for child processes.

``TINY_STOP="SIGINT embedding:1024"`` sends the signal to this process when the stage ``embedding`` reports 1024;
``"SIGKILL insert:2"`` when the second INSERT has been executed; ``"SIGKILL commit:1"`` right before the first commit
that follows an INSERT. ``"SIGINT+ …"`` sends it to all processes of its group, as a terminal does.
"""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from handmade import Tiny
from sqlalchemy import Engine, event

import metachain.embedding.encoder
import metachain.library.embedding_cache
import metachain.library.library
from metachain.cli.app import main
from metachain.cli.shared import console
from metachain.progress import Progress

name, _, moment = os.environ.get("TINY_STOP", "").partition(" ")
passed: Counter[str] = Counter()
original = console.working


def stop_at(reached: str) -> None:
    """Send the signal if this is the moment."""
    if reached == moment:
        (os.killpg if name.endswith("+") else os.kill)(os.getpid(), signal.Signals[name.rstrip("+")])


def after_statement(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
    """Count INSERTs."""
    if statement.startswith("INSERT"):
        passed["insert"] += 1
        stop_at(f"insert:{passed['insert']}")


def before_commit(_connection: Any) -> None:
    """Count commits of INSERTs."""
    if passed["insert"]:
        passed["commit"] += 1
        stop_at(f"commit:{passed['commit']}")


@contextmanager
def working() -> Iterator[Progress]:
    """Show progress as the command line does, and stop at the chosen moment."""
    with original() as show:

        def show_and_stop(stage: str, done: int, total: int) -> None:
            show(stage, done, total)
            stop_at(f"{stage}:{done}")

        yield show_and_stop


# A server's workers are fresh interpreters that import this program.
for module in (metachain.embedding.encoder, metachain.library.library, metachain.library.embedding_cache):
    module.MiniLM = Tiny  # type: ignore[attr-defined]

if __name__ == "__main__":
    console.working = working
    event.listen(Engine, "after_cursor_execute", after_statement)
    event.listen(Engine, "commit", before_commit)
    main()
