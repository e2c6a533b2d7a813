"""Reads answers that are to be like known outputs: labels, JSON or texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from metachain.chains.answers.cleaning import Cleaning, Kind, kind_of
from metachain.chains.answers.label_reader import LabelReader

__all__ = ["UNREAD", "AnswerReader"]


@dataclass(frozen=True)
class AnswerReader:
    """Cleans answers; the outputs known tell their kind, and for labels which there are."""

    cleaning: Cleaning
    kind: Kind
    labels: LabelReader

    @classmethod
    def of(cls, cleaning: Cleaning, outputs: Sequence[str], *, sets: bool = False) -> Self:
        """Make the reader of answers like the outputs; without any, answers are texts.

        Where outputs are ``sets`` of labels, no known set is looked for in an answer: another one may be meant.
        """
        kind = "label" if sets else kind_of(outputs) if outputs else "text"
        return cls(cleaning, kind, LabelReader.of(outputs if kind == "label" and not sets else ()))

    def text(self, answer: str) -> str:
        """Text of the cleaned answer."""
        return self.cleaning.text(answer, self.labels, self.kind)


UNREAD = AnswerReader(Cleaning.none(), "text", LabelReader(()))
"""Leaves answers as they are."""
