"""Processes that write to a library, or read while others write, and can be killed at any moment.

Run as a program, this file is their parent: it has imported everything they need, so that each starts in milliseconds.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import count
from pathlib import Path

import numpy as np
from handmade import Tiny
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.errors import NotFoundError, NotLearnedError
from metachain.learning.artifacts import load_prior
from metachain.learning.posterior import adapt
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE
from metachain.selection.selector import Selector

__all__ = [
    "COUNTY",
    "FORGOTTEN",
    "KINDS",
    "Children",
    "batch",
    "children",
    "doing",
    "note",
    "perform",
    "present",
    "told",
    "wait_for",
    "withdrawn",
]

PATIENCE = 60
IMPORTED_LATE = ("psycopg", "pgvector.psycopg", "pgvector.sqlalchemy", "sqlalchemy.dialects.postgresql.psycopg")
KINDS = ("add", "record", "feedback", "save")
"""Calls of a writer, in turn."""
COUNTY = "county"
"""Institution that every add also adds to."""
FORGOTTEN = 3
"""Number of demonstrations forgotten while others read."""
LARGE = 225
"""Demonstrations of an institution; twice as many don't fit into one INSERT."""


def batch(writer: int, step: int) -> list[Demonstration]:
    """Demonstrations that a writer adds at a step, in one call: two new institutions, and two of the county's."""
    each = LARGE if step % 3 == 1 else 1 + (7 * writer + 3 * step) % 12
    sizes = {f"writer {writer} step {step} a": each, f"writer {writer} step {step} b": each, COUNTY: 2}
    # Long texts, so that SQLite writes some of a large batch to disk before the transaction ends.
    return [
        Demonstration(
            name, f"{writer} {step} {number} {'long ' * 900}", f"code {number % 4}", f"{writer} {step} {number}"
        )
        for name, size in sizes.items()
        for number in range(size)
    ]


def perform(library: Library, writer: int, number: int) -> None:
    """Make the writer's call of that number."""
    step, kind = divmod(number, len(KINDS))
    if KINDS[kind] == "add":
        library.add(batch(writer, step), share=EVERYONE)
    elif KINDS[kind] == "record":
        library.outcomes.record(_outcomes(writer, step))
    elif KINDS[kind] == "feedback":
        library.record_feedback(_outcomes(writer, step)[0].id, 0.25, correction=f"corrected {writer} {step}")
    else:
        library.save("work", {"writer": writer, "step": step}, {"work": np.full(5000, step)}, [COUNTY])


def present(library: Library, writer: int, number: int) -> bool:
    """Tell whether the call of that number is stored, wholly or not at all; AssertionError for a part of it."""
    step, kind = divmod(number, len(KINDS))
    if KINDS[kind] == "add":
        added = batch(writer, step)
        institutions = {one.institution for one in added}
        named = institutions & set(library.counts())
        found = set(library.demonstrations(*named)) & set(added) if named else set()
        ruled = set(library.sharing.grants()) & institutions - {COUNTY}
        return _all_or_none(len(found) + len(ruled), len(added) + len(institutions - {COUNTY}))
    outcomes = _outcomes(writer, step)
    known = library.outcomes.by_id([one.id for one in outcomes])
    if KINDS[kind] == "record":
        return _all_or_none(len(known), len(outcomes))
    if KINDS[kind] == "feedback":
        one = known.get(outcomes[0].id)
        corrected = one is not None and (one.score, one.correction) == (0.25, f"corrected {writer} {step}")
        taught = [held.output for held in library.demonstrations(COUNTY) if held.id == f"feedback {outcomes[0].id}"]
        assert taught in ([], [f"corrected {writer} {step}"])
        return _all_or_none(corrected + len(taught), 2)
    try:
        header, arrays = library.load("work")
    except NotFoundError:
        return False
    np.testing.assert_array_equal(arrays["work"], np.full(5000, header["step"]))
    return bool((header["writer"], header["step"]) >= (writer, step))


def _outcomes(writer: int, step: int) -> list[Outcome]:
    shown = ((COUNTY, f"{writer} {step} 0"),)
    return [
        Outcome(f"{writer} {step} {one}", "chain", COUNTY, f"{one} of {writer}", "model", shown, "code 1")
        for one in range(3)
    ]


def _all_or_none(found: int, of: int) -> bool:
    assert found in (0, of), f"{found} of {of} are there"
    return found == of


def note(number: int) -> Demonstration:
    """Make a note for the new hospital: a demonstration with a unique text and a unique answer."""
    return Demonstration("new", f"x-ray of the finding number {number}", f"answer {number}", f"note {number}")


def told(path: str | Path) -> NDArray[np.int64]:
    """Array shared among processes: number of acknowledged steps, and 1 once readers must end."""
    return np.memmap(path, np.int64, "r+", shape=(2,))


def write(said: str, place: str, writer: int) -> None:
    """Make call after call, and acknowledge each with a byte when it has returned."""
    with Library.open(place, Tiny()) as library, open(said, "ab", buffering=0) as acknowledgements:
        for number in count():
            perform(library, writer, number)
            acknowledgements.write(b".")
            if KINDS[number % len(KINDS)] == "add":
                library.vectors([*batch(writer, number // len(KINDS))[:50], *map(note, range(50))])


def read(said: str, place: str, path: str) -> None:
    """Read repeatedly, and find in each read all notes acknowledged before it, two at a time."""
    acknowledged = told(path)
    with Library.open(place, Tiny(), create=False) as library, open(said, "ab", buffering=0) as rounds:
        selector = Selector(library, adapt(load_prior(library), library, "new"))
        revision = library.revision("new")
        rounds.write(b".")
        while not acknowledged[1]:
            sure = int(acknowledged[0])
            assert library.counts().get("new", 0) >= 2 * sure, f"stale counts, {sure} acknowledged"
            sure = int(acknowledged[0])
            held = set(library.demonstrations()) & {note(one) for one in range(2 * sure + 2)}
            assert len(held) in (2 * sure, 2 * sure + 2), f"{len(held)} demonstrations, {sure} acknowledged"
            sure, before, revision = int(acknowledged[0]), revision, library.revision("new")
            assert revision >= max(sure, before), f"stale revision {revision}, {sure} acknowledged"
            sure = int(acknowledged[0])
            selection = selector.select(note(2 * sure).input)
            assert {note(one).output for one in range(2 * sure)} <= set(selector.labels()), f"stale labels, {sure}"
            assert len(selection.demonstrations) == len(set(selection.demonstrations)) <= selector.k
            rounds.write(b".")


def withdrawn(library: Library) -> list[Demonstration]:
    """Demonstrations withdrawn in turn: some of one institution, then all of another."""
    return [*library.demonstrations("h0")[:FORGOTTEN], *library.demonstrations("h1")]


def avoid(said: str, place: str, path: str) -> None:
    """Read repeatedly, and find in no read a demonstration that was forgotten or withdrawn before it."""
    acknowledged = told(path)
    with Library.open(place, Tiny(), create=False) as library, open(said, "ab", buffering=0) as rounds:
        selector = Selector(library, adapt(load_prior(library), library, "new"))
        taken = withdrawn(library)
        rounds.write(b".")
        while not acknowledged[1]:
            sure = int(acknowledged[0])
            assert not set(taken[: min(sure, FORGOTTEN)]) & set(library.demonstrations()), f"{sure} withdrawn, held"
            for query in taken[:: len(taken) // 4]:
                sure = int(acknowledged[0])
                gone = set(taken if sure > FORGOTTEN else taken[:sure])
                with suppress(NotLearnedError):  # after an erasure, before the library has learned again
                    shown = selector.select(f"{query.input} again").demonstrations
                    assert not gone & set(shown), f"{sure} withdrawn, shown"
            rounds.write(b".")


class Children:
    """Starts and ends these processes."""

    def __init__(self, server: "subprocess.Popen[str]") -> None:
        self._server = server

    def start(self, program: str, said: Path, *arguments: str | int) -> int:
        """Start a process and return its id. It writes a byte to the file ``said`` an action, or its traceback."""
        said.touch()
        return self._ask(program, str(said), *arguments)

    def kill(self, pid: int) -> None:
        """End a process with SIGKILL, and wait until it is gone."""
        os.kill(pid, signal.SIGKILL)
        self.wait(pid)

    def wait(self, pid: int) -> int:
        """Wait until a process has ended, and return its exit status."""
        return self._ask("wait", pid)

    def _ask(self, *words: str | int) -> int:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(words) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())


def wait_for(said: Path, done: int) -> None:
    """Return after so many actions of a process. Raises AssertionError with its traceback if it has failed."""
    deadline = time.monotonic() + PATIENCE
    while len(doing(said)) < done:
        assert time.monotonic() < deadline, f"{said}: {len(doing(said))} of {done} after {PATIENCE} seconds"
        time.sleep(0.0005)


def doing(said: Path) -> str:
    """Actions of a process, one full stop each. Raises AssertionError with its traceback if it has failed."""
    text = said.read_text()
    assert not text.strip("."), text
    return text


@contextmanager
def children() -> Iterator[Children]:
    """Start the program with all imports; at the end it and all its processes are gone."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as server:
        try:
            yield Children(server)
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def serve(requests: Iterator[str]) -> None:
    """Start a process for each request and print its id, or print the exit status of one."""
    for name in IMPORTED_LATE:
        with suppress(ImportError):
            import_module(name)
    for request in requests:
        program, *arguments = json.loads(request)
        if program == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(*arguments, 0)[1]), flush=True)  # noqa: T201
        elif (pid := os.fork()) == 0:
            _run(program, arguments)
        else:
            print(pid, flush=True)  # noqa: T201


def _run(program: str, arguments: Sequence[str]) -> None:
    try:
        {"write": write, "read": read, "avoid": avoid}[program](*arguments)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the waiting process reads the traceback
        with open(arguments[0], "a") as said:
            traceback.print_exc(file=said)
        os._exit(1)


if __name__ == "__main__":
    serve(iter(sys.stdin))
    os.killpg(0, signal.SIGKILL)  # also if the asking process has died
