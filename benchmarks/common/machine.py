"""The machine of a benchmark: processor, memory, Python, packages; for its JSON and for the line beside its table.

    python -m benchmarks.common.machine

Figures of unknown machines are not comparable, so every benchmark that writes JSON writes this too.
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
    """The properties of a machine that affect speed."""

    processor: str
    cores: int
    """Number of cores that this process may use."""
    memory: int
    """Bytes."""
    load: float
    """Mean number of running or waiting processes in the last minute; above 0 means other work on the machine."""
    system: str
    python: str
    threads: Mapping[str, str]
    """Environment variables that set the number of threads of the arithmetic."""
    packages: Mapping[str, str]
    """Versions of the installed packages."""

    def record(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return asdict(self)

    def line(self) -> str:
        """One sentence to print beside a table."""
        held = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        set_to = ", ".join(f"{name}={value}" for name, value in self.threads.items())
        return (
            f"{self.processor}, {self.cores} core(s), {self.memory / 2**30:.0f} GiB, load {self.load:.1f} at first; "
            f"Python {self.python}{', ' if set_to else ''}{set_to}; {held}."
        )


def machine(packages: Iterable[str] = PACKAGES) -> Machine:
    """Describe this machine now, with the versions of the installed ones of ``packages``."""
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
    """Name of the processor, from ``/proc/cpuinfo`` if possible, as ``platform`` says less."""
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
