"""Time of a library until its first selection, and its memory then.

    python -m benchmarks.library.opening [DEMONSTRATIONS] [INSTITUTIONS]

The texts are synthetic, and so are their dense vectors (384 random numbers, seeded by the text). Filling therefore
takes seconds, and the figures are of reading, indexing and selecting, not of the encoder. Each measurement runs in a
fresh process.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import LEXICAL_DIMENSIONS, unit_rows
from metachain.learning.artifacts import load_posterior, save_posterior, save_prior
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selector import Selector

DIMENSIONS = 384
WORDS = ("chest", "knee", "brain", "spine", "heart", "liver", "wrist", "skull", "aorta", "retina", "femur", "thyroid")
KINDS = ("x-ray", "mri", "ct", "ultrasound", "biopsy", "panel", "culture", "injection", "supply", "visit")


class Stand:
    """Stand-in for an encoder: random unit vectors, seeded by the text."""

    fingerprint = "stand-in/384"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, 384)."""
        seeds = (int.from_bytes(sha256(text.encode()).digest()[:8]) for text in texts)
        return unit_rows(
            np.array([np.random.default_rng(seed).standard_normal(DIMENSIONS) for seed in seeds], np.float32)
        )


def made(count: int, institutions: int) -> Iterator[Demonstration]:
    """Generate numbered synthetic charges: ten kinds of items for twelve body parts, with codes of each institution."""
    for number in range(count):
        place, item = number % institutions, number // institutions
        what = f"{KINDS[item % 10]} of the {WORDS[item // 10 % 12]} {item % 997} views {place * 7919 % 31}"
        yield Demonstration(f"hospital {place:03}", what, f"{(item * 31 + place % 4) % 240:04}", id=f"d{item}")


def fill(place: Path, count: int, institutions: int) -> None:
    """Make the library, with a prior and a posterior of a new institution."""
    with Library.open(place, Stand()) as library:
        started = time.perf_counter()
        library.add(made(count, institutions), share=EVERYONE)
        print(f"added {count} in {time.perf_counter() - started:.1f} s")
        started = time.perf_counter()
        prior = learn(library)
        print(f"embedded by the stand-in and learned in {time.perf_counter() - started:.1f} s")
        save_prior(library, prior)
        library.add(Demonstration("new", f"mri of the {word} 5 views 3", "0012") for word in WORDS)
        save_posterior(library, adapt(prior, library, "new"))


def measure(place: Path) -> None:
    """Open and select, in a fresh process, and print the duration of each step."""
    process = psutil.Process()
    before = process.memory_info().rss
    started = time.perf_counter()
    with Library.open(place, Stand(), create=False) as library:
        opened = time.perf_counter()
        selector = Selector(library, load_posterior(library, "new"))
        ready = time.perf_counter()
        selector.select("ct of the aorta 12 views 3")
        first = time.perf_counter()
        times = []
        for number in range(50):
            began = time.perf_counter()
            selector.select(f"ct of the aorta {number} views 3")
            times.append(time.perf_counter() - began)
        count = sum(library.counts().values())
    vectors = count * (DIMENSIONS + LEXICAL_DIMENSIONS) * 4
    held = process.memory_info().rss - before
    print(
        f"open {opened - started:.2f} s, selector {ready - opened:.2f} s, first selection {first - ready:.3f} s, "
        f"then {np.median(times) * 1000:.1f} ms (median of 50)"
    )
    print(
        f"memory {held / 1e6:.0f} MB more than after imports, {held / vectors:.2f} of the vectors' own "
        f"{vectors / 1e6:.0f} MB"
    )
    print(f"peak {psutil.Process().memory_info().rss / 1e6:.0f} MB resident at the end")


def main() -> None:
    """Fill in one process, measure in others."""
    if sys.argv[1:2] == ["measure"]:
        measure(Path(sys.argv[2]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    institutions = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "hospitals.db"
        fill(place, count, institutions)
        sizes = {path.name: path.stat().st_size / 1e6 for path in sorted(Path(folder).iterdir())}
        print(", ".join(f"{name} {size:.0f} MB" for name, size in sizes.items()))
        for _ in range(2):
            subprocess.run([sys.executable, "-m", "benchmarks.library.opening", "measure", str(place)], check=True)


if __name__ == "__main__":
    main()
