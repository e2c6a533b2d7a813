"""Damaged files of every format: each gives rows, or an error in words.

    python -m benchmarks.data.fuzz_reader [FILES] [SEED]

Changes small files at random (bytes flipped, cut, repeated, inserted, or taken from another file; of packed files also
their content), and lets the reader read and ``metachain inspect`` look at each. Prints, for each format, how many gave
rows and how many an error, the tracebacks (there should be none), the slowest file and the peak memory.
"""

import random
import resource
import sys
import traceback
from collections import Counter, defaultdict
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.data.samples import PACKED, samples, unpacked, zipped
from metachain.data.inspection import inspected
from metachain.data.reader import rows_of_file
from metachain.data.rows import Rejected, from_record
from metachain.errors import MetachainError

FILES, SEED = 10_000, 22
MOST = 4 * 2**30
"""Bytes of addresses of the process; some gigabytes of addresses are reserved and not used."""
TOKENS = [
    b'"',
    b"'",
    b"\0",
    b"{",
    b"[",
    b"]",
    b"}",
    b"\n",
    b"\r",
    b",",
    b";",
    b"\t",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"sep=;\n",
]
TOKENS += [
    b"9" * 400,
    b"1e999",
    b"NaN",
    b"\\ud800",
    b"[" * 3000,
    b'"' * 99,
    b"\x80",
    b"<",
    b"&#x0;",
    b"PK\x03\x04",
    b"\x1f\x8b",
]
OUTCOMES = ("rows", "some rejected", "error", "TRACEBACK")


def changed(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """The content with one to four changes."""
    made = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(made) + 1)
        end = min(len(made), place + rng.choice((1, 4, 30, 400)))
        kind = rng.randrange(7)
        if kind == 0 and place < len(made):
            made[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del made[place:end]
        elif kind == 2:
            made[place:place] = made[place:end] * rng.choice((1, 2, 50))
        elif kind == 3:
            del made[place:]
        elif kind == 4:
            made[place:place] = rng.choice(TOKENS)
        elif kind == 5:
            made[place:end] = rng.randbytes(end - place)
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            made[place:end] = other[start : start + rng.choice((4, 60, 900))]
    return bytes(made)


def damaged(kind: str, content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A damaged file: of a packed one, in half of the cases its content and not the package."""
    if kind in PACKED and rng.random() < 0.5:
        members = unpacked(kind, content)
        name = rng.choice(sorted(members))
        return zipped({**members, name: changed(members[name], rng, others)})
    return changed(content, rng, others)


def outcome(path: Path) -> str:
    """One of OUTCOMES for a file that is inspected and read; tracebacks are printed."""
    try:
        with suppress(MetachainError):
            inspected(path)
        kinds = {type(from_record(row)) for row in rows_of_file(path)}
    except MetachainError:
        return "error"
    except BaseException as error:  # a library's panic is no Exception
        if isinstance(error, KeyboardInterrupt):
            raise
        traceback.print_exc()
        return "TRACEBACK"
    return "some rejected" if Rejected in kinds else "rows"


def main(files: int = FILES, seed: int = SEED) -> None:
    """Print the table. Memory is limited to MOST, so that a file that takes more ends as a traceback."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
    rng, made = random.Random(seed), samples()  # noqa: S311
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    slowest: dict[str, float] = {}
    others = list(made.values())
    with TemporaryDirectory() as folder:
        for number in range(files):
            kind = sorted(made)[number % len(made)]
            path = Path(folder) / "file"
            path.write_bytes(damaged(kind, made[kind], rng, others))
            start = perf_counter()
            found = outcome(path)
            slowest[kind] = max(slowest.get(kind, 0.0), perf_counter() - start)
            counts[kind][found] += 1
            if found == "TRACEBACK":
                print(f"file {number} of seed {seed}, {kind}", file=sys.stderr, flush=True)
    print(f"| format | {' | '.join(OUTCOMES)} | slowest, s |\n|---|{'---|' * (len(OUTCOMES) + 1)}")
    for kind in sorted(made):
        print(f"| {kind} | {' | '.join(str(counts[kind][one]) for one in OUTCOMES)} | {slowest[kind]:.2f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{files} files, {sum(one['TRACEBACK'] for one in counts.values())} tracebacks, peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
