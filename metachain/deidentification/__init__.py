"""De-identification: patient identifiers are flagged, redacted or refused before anything is stored."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.deidentification.gate import Gate, gate_named

__all__ = ["Gate", "gate_named"]
_HOMES = {"Gate": "gate", "gate_named": "gate"}
__getattr__ = lazily(__name__, _HOMES)
