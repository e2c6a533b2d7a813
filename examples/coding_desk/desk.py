"""The queue of proposals that coders confirm or correct."""

from collections.abc import Callable
from dataclasses import dataclass, field

from chains.coding import Proposal
from langchain_core.runnables import Runnable

from metachain import Library
from metachain.errors import DataError, ModelError

__all__ = ["Desk", "Line"]


@dataclass(frozen=True)
class Line:
    """One charge line with its proposal, waiting for a coder."""

    text: str
    proposal: Proposal


@dataclass
class Desk:
    """The desk of one hospital."""

    hospital: str
    library: Library
    chain: Runnable
    waiting: list[Line] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Lines without a proposal, each with the reason, for a person to check."""

    def take_in(self, text: str) -> None:
        """Propose a code for a line, and put it on the desk."""
        try:
            proposal = self.chain.invoke({"line": text, "hospital": self.hospital})
        except (DataError, ModelError) as error:
            self.refused.append(f"{text!r}: {error}")
            return
        self.waiting.append(Line(text, proposal))

    def work(self, coder: Callable[[Line], str]) -> tuple[int, int]:
        """Let a coder settle all waiting lines; return the number of right proposals, and of all proposals."""
        right = settled = 0
        while self.waiting:
            line = self.waiting[0]
            code = coder(line)
            if line.proposal.code == code:
                right += 1
                self.library.record_feedback(line.proposal.run, 1.0)
            else:
                self.library.record_feedback(line.proposal.run, 0.0, correction=code)
            settled += 1
            self.waiting.pop(0)
        return right, settled
