"""Development and test hospitals of the chargemaster file.

Whole groups go to one side: the two smaller systems and every second hospital without a system are for development.
"""

from collections.abc import Sequence

from metachain import Demonstration

__all__ = ["development_hospitals"]


def development_hospitals(demonstrations: Sequence[Demonstration]) -> tuple[str, ...]:
    """Names of the hospitals for tuning constants; all others are test hospitals."""
    group = {one.institution: one.metadata["group"] for one in demonstrations}
    alone = sorted(name for name in set(group.values()) if name.startswith("own-"))
    chosen = {"sys02", "sys03", *alone[::2]}
    return tuple(sorted(name for name, own in group.items() if own in chosen))
