"""Demonstrations, and the files and tables that hold them."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.data.columns import named_columns
    from metachain.data.demonstration import Demonstration
    from metachain.data.jsonl import read_answers, read_demonstrations, read_inputs
    from metachain.data.reading import Findings, Reading
    from metachain.data.synthetic import WorldSettings, generate_world

__all__ = ["Demonstration", "WorldSettings", "generate_world", "named_columns", "read_answers", "read_demonstrations"]
__all__ += ["Findings", "Reading", "read_inputs"]
__getattr__, __dir__ = lazily(
    __name__,
    columns="named_columns",
    demonstration="Demonstration",
    jsonl="read_answers read_demonstrations read_inputs",
    reading="Findings Reading",
    synthetic="WorldSettings generate_world",
)
