"""Proposes a billing code for a charge line: clean-up, metachain's classification chain, and the desk's rules."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from metachain import Library
from metachain.chains import Classification, classification_chain, recorded
from metachain.retrievers import LibraryExampleSelector
from metachain.selection import load_policy

__all__ = ["Proposal", "coding_chain"]

INSTRUCTIONS = "Answer with the billing code under which the hospital books this charge, and nothing else."
CODE = re.compile(r"\d{4}")


@dataclass(frozen=True)
class Proposal:
    """A proposed code, or None, with a note for the coder."""

    code: str | None
    note: str
    run: UUID
    """Id of the recorded answer, for feedback."""


def coding_chain(model: BaseChatModel, library: Library) -> Runnable[dict[str, Any], Proposal]:
    """Make a chain that proposes a code for ``{"line": text, "hospital": name}``, and records it for feedback."""
    selector = LibraryExampleSelector(library, policy=load_policy(library, "offline"))
    classify = recorded(classification_chain(model, selector, instructions=INSTRUCTIONS), library)

    def propose(asked: dict[str, Any], config: RunnableConfig) -> Proposal:
        run = uuid4()
        return proposed(classify.invoke(cleaned(asked), {**config, "run_id": run}), run)

    return RunnableLambda(propose)


def cleaned(asked: dict[str, str]) -> dict[str, str]:
    """Remove the price and the quantity that some systems write at the end of a line."""
    line = re.sub(r"\s+(\$\s?[\d.,]+|QTY\s*\d+)\s*$", "", asked["line"], flags=re.IGNORECASE)
    return {"input": " ".join(line.split()), "institution": asked["hospital"]}


def proposed(found: Classification, run: UUID) -> Proposal:
    """Make a proposal of a valid code, or else a note for the coder."""
    if found.label is None:
        return Proposal(None, found.reason, run)
    if not CODE.fullmatch(found.label):
        return Proposal(None, f"{found.label!r} is not a code of four digits", run)
    return Proposal(found.label, "", run)
