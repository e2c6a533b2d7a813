"""The whole learned selection beside the raw FAISS search in it: latency, opening time and memory.

    python -m benchmarks.selection.latency [--demonstrations 100000] [--institutions 50] [--texts] [--json FILE]
        [--keep FOLDER]

Texts are synthetic; their dense vectors are random, seeded by the text, so only the figures "with embedding" contain an
encoder: each of their queries is a new text, which the built-in encoder embeds for its time and which then gets its
random vector (drawing that takes hundredths of a millisecond more). The prior is drawn too (benchmarks/learning/cost.py
measures learning). The selection is the one that users get: it reads the library's state, searches past institutions,
computes replies, posterior and choice, writes reasons, checks the permission once more, and stores the audit entry. The
raw search finds 8 of the same rows by ``IndexFlatIP.search``, or in a large pool, which is searched at half precision,
by ``IndexScalarQuantizer.search``. Answers are codes, or with ``--texts`` sentences, almost all different.

Three institutions ask, with 16 labels each. All institutions share with the first, a tenth of them with the second and
a hundredth with the third. Everything is measured in fresh processes with one OpenMP thread.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.common.machine import machine
from benchmarks.common.timing import timed, timed_together
from benchmarks.library.opening import DIMENSIONS, WORDS, Stand, made
from metachain.data.demonstration import Demonstration
from metachain.embedding.encoder import MiniLM
from metachain.embedding.similarity import LEXICAL_DIMENSIONS, hybrid_vectors, lexical_vectors, normalise_text
from metachain.learning.artifacts import load_posterior, save_posterior, save_prior
from metachain.learning.gaussian_process import Settings
from metachain.learning.guard import COMMON
from metachain.learning.index import LARGE
from metachain.learning.posterior import adapt
from metachain.learning.prior import GuardResult, Prior
from metachain.library.library import Library
from metachain.library.sharing import Audience, Grant
from metachain.selection.selector import Selector

SHARES = {"all": 1, "tenth": 10, "hundredth": 100}
"""Asking institutions; one of that many past institutions shares with each."""
LABELS, QUERIES, FRESH = 16, 64, 4_000
BATCH, SECONDS = 50_000, 4.0


class Known(Stand):
    """The stand-in with precomputed vectors of the queries, so that their figures exclude embedding.

    The built-in encoder first embeds any other text, so that those figures include its time.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        normalised = [normalise_text(text) for text in texts]
        self._known = dict(zip(normalised, super().encode(normalised), strict=True))
        self.encoder = MiniLM()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, 384)."""
        if all(text in self._known for text in texts):
            return np.array([self._known[text] for text in texts], np.float32).reshape(-1, DIMENSIONS)
        self.encoder.encode(texts)
        return super().encode(texts)


def queries() -> list[str]:
    """Query texts that no institution has."""
    return [f"ct of the {WORDS[number % 12]} {number} views, {number * 7 % 13} slices" for number in range(QUERIES)]


def fresh(start: int) -> list[str]:
    """New query texts of ten words."""
    numbers = range(start, start + FRESH)
    return [f"mri of the {WORDS[n % 12]} {n} views, {n * 7 % 13} slices, left side" for n in numbers]


def fill(place: Path, count: int, institutions: int, *, texts: bool) -> None:
    """Make the library with a drawn prior, and a posterior of each asking institution."""
    names = [f"hospital {number:03}" for number in range(institutions)]
    with Library.open(place, Stand()) as library:
        started = time.perf_counter()
        them = map(noted, made(count, institutions)) if texts else made(count, institutions)
        while some := list(islice(them, BATCH)):
            library.add(some)
        print(f"added {count} in {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)
        library.sharing.state_all(
            {
                name: [
                    Grant(Audience("institution", tuple(asking for asking, n in SHARES.items() if not number % n))),
                    Grant(Audience("everyone"), "statistics"),
                ]
                for number, name in enumerate(names)
            }
        )
        prior = drawn_prior(names, Stand.fingerprint)
        save_prior(library, prior)
        started = time.perf_counter()
        for asking in SHARES:
            own = [Demonstration(asking, f"mri of the {WORDS[n % 12]} {n} views", "0012") for n in range(LABELS)]
            library.add(map(noted, own) if texts else own)
            save_posterior(library, adapt(prior, library, asking))
        print(f"embedded by the stand-in, adapted {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)


def noted(one: Demonstration) -> Demonstration:
    """Replace the answer of a demonstration by a sentence."""
    return replace(one, output=f"after the {one.input} nothing new was found, and {one.output} was noted")


def drawn_prior(names: Sequence[str], fingerprint: str) -> Prior:
    """Draw the transfer matrix of a prior that trusts labels and consensus."""
    drawn = np.random.default_rng(0).uniform(0.2, 0.8, (len(names), len(names)))
    lesson = GuardResult(Settings(0.3, 0.3, 0.05, **COMMON), True, np.full((3, 1), np.nan))
    return Prior(tuple(names), drawn, lesson, fingerprint)


def opened(place: Path, asking: str, *, killed: bool = False) -> dict[str, Any]:
    """Open the library in a fresh process and answer the first query; then measure, or kill this process."""
    process = psutil.Process()
    lexical_vectors(["loads its imports"])
    before, begun = process.memory_info().rss, time.perf_counter()
    known = Known(queries())
    library = Library.open(place, known, create=False)
    selector = Selector(library, load_posterior(library, asking))
    ready = time.perf_counter()
    selector.select(queries()[0])
    first = time.perf_counter() - ready
    found: dict[str, Any] = {"asking": asking, "ready_s": ready - begun, "first_selection_s": first}
    if killed:
        print(json.dumps(found), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    pool = selector.current()[0].past.pool
    rows = len(pool.demonstrations)
    texts = sum(len(one.input.encode()) + len(one.output.encode()) for one in pool.demonstrations)
    held = process.memory_info().rss - before
    vectors = rows * (DIMENSIONS + LEXICAL_DIMENSIONS) * 4
    found |= {"rows": rows, "resident_bytes": held, "bytes_beyond_vector_and_text": (held - vectors - texts) / rows}
    return found | measured(selector, pool.vectors) | embedding_too(selector, known.encoder)


def measured(selector: Selector, vectors: NDArray[np.float32]) -> dict[str, Any]:
    """Time the selection and the search in it, with one caller and with eight."""
    texts = [normalise_text(text) for text in queries()]
    asked = hybrid_vectors(Stand().encode(texts), lexical_vectors(texts))
    search = raw_search(vectors)
    each = [row[None] for row in asked]
    recall = recall_at_50(selector, vectors, asked[:16])
    rounds = [
        (timed(search, each, SECONDS / 2, 20), timed(selector.select, queries(), SECONDS / 2, 20)) for _ in range(2)
    ]
    together = timed_together(search, each, SECONDS), timed_together(selector.select, queries(), SECONDS)
    best = min(rounds, key=lambda pair: pair[0].p50)
    return {
        "recall_at_50": recall,
        "raw": best[0].record(),
        "selection": best[1].record(),
        "raw_together": together[0].record(),
        "selection_together": together[1].record(),
        "bar_ms": 1.5 * best[0].p50 + 3,
    }


def embedding_too(selector: Selector, encoder: MiniLM) -> dict[str, Any]:
    """Time the selection with its query's embedding, and the embedding alone, on new texts."""
    return {
        "embedding": timed(lambda text: encoder.encode([text]), fresh(0), SECONDS / 4, 20).record(),
        "embedded_selection": timed(selector.select, fresh(FRESH), SECONDS / 2, 20).record(),
        "embedded_selection_together": timed_together(selector.select, fresh(2 * FRESH), SECONDS).record(),
    }


def raw_search(vectors: NDArray[np.float32]) -> Any:
    """Make a search of the same rows by FAISS alone."""
    d = vectors.shape[1]
    if len(vectors) < LARGE:
        exact = faiss.IndexFlatIP(d)
        exact.add(vectors)
        return lambda vector: exact.search(vector, 8)
    scan = faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    for start in range(0, len(vectors), BATCH):
        scan.add(np.ascontiguousarray(vectors[start : start + BATCH]))
    return lambda vector: scan.search(vector, 8)


def recall_at_50(selector: Selector, vectors: NDArray[np.float32], asked: NDArray[np.float32]) -> float:
    """Share of the 50 nearest of all that are among the candidates, of those that an institution's 8 may hold."""
    past = selector.current()[0].past
    candidates = past.index.near(asked, 8).flat()[0]
    found = []
    for vector, among in zip(asked, candidates, strict=True):
        exact = top_of_each(np.round(vectors @ vector, 5), past.pool.owner)
        found.append(np.isin(exact, among).mean())
    return float(np.mean(found))


def top_of_each(similarity: NDArray[np.float32], owner: NDArray[np.int64]) -> NDArray[np.intp]:
    """The 50 most similar rows, at most 8 of an institution."""
    order = np.lexsort((np.arange(len(owner)), -similarity))[: 50 * 64]
    seen: dict[int, int] = {}
    chosen = []
    for row in order.tolist():
        seen[owner[row]] = seen.get(owner[row], 0) + 1
        if seen[owner[row]] <= 8:
            chosen.append(row)
    return np.array(chosen[:50])


def in_a_fresh_process(place: Path, asking: str, how: str) -> dict[str, Any]:
    """Result of ``opened`` in a fresh process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", "benchmarks.selection.latency"]
    command = [*program, "--open", str(place), "--asking", asking, "--how", how]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
    if done.returncode not in {0, -signal.SIGKILL}:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    return dict(json.loads(done.stdout))


def table(results: Sequence[dict[str, Any]]) -> str:
    """Format the table of docs/benchmarks.md."""
    lines = [
        "| rows | shared by | raw p50 / p99 ms | selection p50 / p99 ms | bar ms | 8 raw | 8 selection | recall@50 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        raw, ours, raw8, ours8 = (
            f"{one[name]['p50']:.1f} / {one[name]['p99']:.1f}"
            for name in ("raw", "selection", "raw_together", "selection_together")
        )
        bar = f"{one['bar_ms']:.1f}: {'held' if one['selection']['p50'] <= one['bar_ms'] else 'missed'}"
        cells = [f"{one['rows']:,}", one["asking"], raw, ours, bar, raw8, ours8, f"{one['recall_at_50']:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def embedding_table(results: Sequence[dict[str, Any]]) -> str:
    """Format the table of docs/benchmarks.md with the query's embedding."""
    names = ("selection", "embedded_selection", "embedding", "embedded_selection_together")
    lines = [
        "| rows | shared by | selection p50 / p99 ms | with embedding | embedding alone | 8 with embedding |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        figures = (f"{one[name]['p50']:.1f} / {one[name]['p99']:.1f}" for name in names)
        lines.append(f"| {one['rows']:,} | {one['asking']} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> None:
    """Fill in one process, measure in others."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--demonstrations", type=int, default=100_000)
    given.add_argument("--institutions", type=int, default=50)
    given.add_argument("--json", type=Path)
    given.add_argument("--texts", action="store_true", help="use sentences as answers, not codes")
    given.add_argument("--keep", type=Path, help="folder that keeps the library for the next run")
    for hidden in ("--open", "--asking", "--how"):
        given.add_argument(hidden, help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.open:
        faiss.omp_set_num_threads(1)
        print(json.dumps(opened(Path(asked.open), asked.asking, killed=asked.how == "killed")))
        return
    kind, on = "texts" if asked.texts else "codes", machine()
    with tempfile.TemporaryDirectory(dir=asked.keep) as folder:
        place = (asked.keep or Path(folder)) / f"{asked.demonstrations}-{asked.institutions}-{kind}.db"
        if not place.exists():
            fill(place, asked.demonstrations, asked.institutions, texts=asked.texts)
        killed = in_a_fresh_process(place, "all", "killed")
        results = [in_a_fresh_process(place, name, "measured") for name in SHARES]
        files = {path.name: path.stat().st_size for path in sorted(place.parent.glob(f"{place.name}*"))}
    print(f"{table(results)}\n\n{embedding_table(results)}\n")
    for one in (killed, *results):
        rest = " (then killed)"
        if "rows" in one:
            rest = (
                f", {one['resident_bytes'] / 1e9:.2f} GB resident, {one['bytes_beyond_vector_and_text']:.0f} bytes a "
            )
            rest += "demonstration beyond its vector and text"
        first = f"ready in {one['ready_s']:.1f} s, first selection {one['first_selection_s']:.2f} s"
        print(f"{one['asking']}: {first}{rest}")
    print(on.line())
    if asked.json:
        told = {"machine": on.record(), "arguments": vars(asked), "killed": killed, "files": files, "results": results}
        asked.json.write_text(json.dumps(told, indent=1, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
