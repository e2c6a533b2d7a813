"""Which hospitals of the chargemaster file choices are made on, and which are only ever tested on.

Whole groups go to one side: the two smaller systems and every second hospital that stands alone are for development.
"""

from collections.abc import Sequence

from metachain import Demonstration

__all__ = ["development_hospitals"]


def development_hospitals(demonstrations: Sequence[Demonstration]) -> tuple[str, ...]:
    """Names of the hospitals that constants may be tuned on; all others are test hospitals."""
    group = {one.institution: one.metadata["group"] for one in demonstrations}
    alone = sorted(name for name in set(group.values()) if name.startswith("own-"))
    chosen = {"sys02", "sys03", *alone[::2]}
    return tuple(sorted(name for name, own in group.items() if own in chosen))
