"""Demonstrations, and the files and tables that hold them."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.data.columns import named_columns
    from metachain.data.demonstration import Demonstration
    from metachain.data.jsonl import read_answers, read_demonstrations, read_inputs
    from metachain.data.synthetic import WorldSettings, generate_world

__all__ = [
    "Demonstration",
    "WorldSettings",
    "generate_world",
    "named_columns",
    "read_answers",
    "read_demonstrations",
    "read_inputs",
]
_HOMES = {
    "named_columns": "columns",
    "Demonstration": "demonstration",
    "read_answers": "jsonl",
    "read_demonstrations": "jsonl",
    "read_inputs": "jsonl",
    "WorldSettings": "synthetic",
    "generate_world": "synthetic",
}
__getattr__ = lazily(__name__, _HOMES)
