"""Small hand-made data, a tiny encoder, and the command line as a child process."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import lexical_vectors, unit_rows
from metachain.learning.artifacts import save_posterior, save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

HERE = Path(__file__).parent
Place = TypeVar("Place", str, Path)
WORDS = ("chest", "knee", "brain", "spine", "heart", "liver", "wrist", "skull")


class Letters:
    """An encoder that knows letters only, as the generated world's texts ask for no more."""

    fingerprint = "letters/1"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, 512) rows of unit length."""
        return lexical_vectors(list(texts))


class Tiny:
    """A tiny, deterministic encoder that records every text it embeds."""

    fingerprint = "tiny/1"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, 16) float32 rows of unit length."""
        self.seen += texts
        digests = [list(sha256(text.encode()).digest()[:16]) for text in texts]
        return unit_rows(np.array(digests, np.float32).reshape(-1, 16) - 127.5)


class Product(Tiny):
    """A tiny encoder with last bits that depend on the batch, like those of a matrix product."""

    fingerprint = "product/1"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, 64) float32 rows of unit length."""
        self.seen += texts
        counts = np.array([np.bincount(list(text.encode()), minlength=256) for text in texts], np.float32)
        matrix = np.random.default_rng(0).normal(size=(256, 64)).astype(np.float32)
        # Not by BLAS: its last bits also depend on its threads, and a worker has one.
        return unit_rows(np.einsum("nc,cd->nd", counts, matrix) + np.float32(1e-5 * len(texts)))


def demonstrations(institutions: int = 3, each: int = 8) -> list[Demonstration]:
    """Make institutions that answer the same texts by two conventions, in two groups."""
    return [
        Demonstration(
            f"h{place}",
            f"x-ray of the {WORDS[number % len(WORDS)]} {number // len(WORDS)}",
            f"code {(number + place % 2) % 4}",
            metadata={"group": f"g{place % 2}"},
        )
        for place in range(institutions)
        for number in range(each)
    ]


def learned_library(place: Place, past: Iterable[Demonstration], new: str = "new") -> Place:
    """Make a library that has learned from past institutions and is adapted to a new one without labels."""
    with Library.open(place, Tiny()) as library:
        library.add(past, share=EVERYONE)
        prior = learn(library, minimum=2)
        save_prior(library, prior)
        save_posterior(library, adapt(prior, library, new))
    return place


def record(one: Demonstration) -> dict[str, Any]:
    """Turn a demonstration into its line in a file."""
    return {"institution": one.institution, "input": one.input, "output": one.output, "metadata": dict(one.metadata)}


def jsonl(path: Path, records: Iterable[Demonstration | Mapping[str, Any] | str]) -> Path:
    """Write one line for each record; a string is written unchanged."""
    lines = [
        one if isinstance(one, str) else json.dumps(record(one) if isinstance(one, Demonstration) else one)
        for one in records
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def metachain(
    *arguments: object, stop: str = "", tiny: bool = True, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process, by default with the tiny encoder; ``tiny_cli`` explains ``stop``."""
    program = [str(HERE / "tiny_cli.py")] if tiny else ["-m", "metachain"]
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        env={
            **os.environ,
            "TINY_STOP": stop,
            "OMP_NUM_THREADS": "1",
            "PYTHONIOENCODING": "utf-8",
            **(environment or {}),
        },
        check=False,
        timeout=120,
        text=True,
        encoding="utf-8",
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        **options,
    )


def obey_permissions() -> None:
    """Drop root's right to ignore permissions, before a child starts (prctl PR_CAPBSET_DROP)."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
