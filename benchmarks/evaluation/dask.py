"""Cost of an evaluation in one process, and on a Dask cluster of this machine; both must give the same result.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation.dask [DATA.jsonl] [WORKERS]

The default data are a generated, synthetic world of twenty institutions. Processor seconds are those of the client,
and of each worker from its start, including its imports. Run it on an otherwise idle machine: other load affects wall
time and processor seconds.
"""

import json
import sys
import time
from pathlib import Path

import psutil

from metachain.data.jsonl import read_demonstrations
from metachain.data.synthetic import WorldSettings, generate_world
from metachain.evaluation.leave_one_out import Plan, evaluate
from metachain.library.embedding_cache import cached_vectors
from metachain.workers import HERE, workers_at

PLAN = Plan(labels=(0, 4, 16), seeds=(0,))


def processor_seconds() -> list[float]:
    """Processor seconds of this process, then of its children, the largest first."""
    one = psutil.Process()
    used = [sum(each.cpu_times()[:2]) for each in (one, *one.children(recursive=True))]
    return [used[0], *sorted(used[1:], reverse=True)]


def measured(demonstrations, vectors, workers) -> tuple[str, float, float]:
    """Result without its costs as JSON, wall seconds, and processor seconds of this process."""
    wall, used = time.perf_counter(), processor_seconds()[0]
    found = evaluate(demonstrations, vectors, PLAN, workers=workers).to_json()
    del found["cost"]
    return json.dumps(found), time.perf_counter() - wall, processor_seconds()[0] - used


def main(data: Path | None, number: int) -> None:
    """Evaluate twice and print the costs."""
    given = read_demonstrations(data) if data else generate_world(WorldSettings(institutions=20, demonstrations=200))
    vectors = cached_vectors([one.input for one in given], None)
    with workers_at(f"local:{number}") as workers:
        list(workers.map(str, range(4 * number)))
        there, wall, client = measured(given, vectors, workers)
        _, *others = processor_seconds()
    here, alone, all_of_it = measured(given, vectors, HERE)
    if here != there:
        sys.exit("the cluster gave another result than one process")
    print(f"{len(given)} demonstrations, load {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores")
    print(f"one process: {alone:.1f} s, {all_of_it:.1f} processor seconds")
    workers_used = ", ".join(f"{one:.1f}" for one in others[:number])
    print(f"{number} workers: {wall:.1f} s, processor seconds: client {client:.1f}, workers {workers_used}")
    print(f"speed-up: {alone / wall:.2f} by the clock, {all_of_it / (client + others[0]):.2f} by processor seconds")


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:] if one.isdecimal()]
    files = [Path(one) for one in sys.argv[1:] if not one.isdecimal()]
    main(files[0] if files else None, numbers[0] if numbers else 2)
