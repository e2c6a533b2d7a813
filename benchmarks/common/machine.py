"""What a benchmark ran on: processor, memory, Python, packages; for its JSON and for the line beside its table.

    python -m benchmarks.common.machine

Figures without this are not comparable, so that every benchmark that writes JSON writes it too.
"""

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

__all__ = ["PACKAGES", "Machine", "machine"]

PACKAGES = ("metachain", "numpy", "faiss-cpu", "langchain-core", "langchain-community", "sentence-transformers", "dspy")
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY")


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, as far as it decides how fast something is."""

    processor: str
    cores: int
    """Those that this process may use."""
    memory: int
    """Bytes."""
    load: float
    """Processes that ran or waited in the minute before; more than none means that somebody else was busy."""
    system: str
    python: str
    threads: Mapping[str, str]
    """The environment's settings of how many threads the arithmetic takes."""
    packages: Mapping[str, str]
    """Version of each package that is installed."""

    def record(self) -> dict[str, Any]:
        """Everything, as JSON holds it."""
        return asdict(self)

    def line(self) -> str:
        """One sentence for beside a table."""
        held = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        set_to = ", ".join(f"{name}={value}" for name, value in self.threads.items())
        return (
            f"{self.processor}, {self.cores} core(s), {self.memory / 2**30:.0f} GiB, load {self.load:.1f} at first; "
            f"Python {self.python}{', ' if set_to else ''}{set_to}; {held}."
        )


def machine(packages: Iterable[str] = PACKAGES) -> Machine:
    """This machine now, with the versions of those of ``packages`` that are installed."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        load=round(os.getloadavg()[0], 2),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        threads={name: os.environ[name] for name in THREAD_SETTINGS if name in os.environ},
        packages={name: found for name in packages if (found := _version(name))},
    )


def _processor() -> str:
    """The model's name; of Linux's, which says more than ``platform`` does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    print(machine().line())
