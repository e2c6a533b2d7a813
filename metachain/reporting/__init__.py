"""Result of an evaluation as curves, a verdict in words, and one HTML page."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.reporting.report import write_report

__all__ = ["write_report"]
_HOMES = {"write_report": "report"}
__getattr__ = lazily(__name__, _HOMES)
