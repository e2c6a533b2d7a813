"""The verdict of an evaluation in words, as ``metachain evaluate`` and ``metachain demo`` print it."""

from collections.abc import Mapping
from typing import Any

from metachain.cli.console import out
from metachain.reporting.verdict import verdict

__all__ = ["print_verdict"]


def print_verdict(result: Mapping[str, Any]) -> None:
    """Print in two to four sentences whether metachain beats plain nearest neighbours, and for whom."""
    out.print(verdict(result))
