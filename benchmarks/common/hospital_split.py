"""Development and test hospitals of the chargemaster file.

    python -m benchmarks.common.hospital_split DATA.jsonl > development.jsonl

Whole groups go to one side: the two smaller systems and every second hospital without a system are for development.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from metachain import Demonstration
from metachain.data import read_demonstrations

__all__ = ["development_hospitals"]


def development_hospitals(demonstrations: Sequence[Demonstration]) -> tuple[str, ...]:
    """Names of the hospitals for tuning constants; all others are test hospitals."""
    group = {one.institution: one.metadata["group"] for one in demonstrations}
    alone = sorted(name for name in set(group.values()) if name.startswith("own-"))
    chosen = {"sys02", "sys03", *alone[::2]}
    return tuple(sorted(name for name, own in group.items() if own in chosen))


def main(place: Path) -> None:
    """Print the lines of the development hospitals."""
    kept = set(development_hospitals(tuple(read_demonstrations(place))))
    for line in place.read_text(encoding="utf-8").splitlines():
        if json.loads(line)["institution"] in kept:
            print(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
