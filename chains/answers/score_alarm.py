"""An alarm where nearly all of a model's first answers score 0, before its budget is spent on more of them."""

from dataclasses import dataclass, field

from metachain.errors import AnswerError

__all__ = ["ALARM_CALLS", "ScoreAlarm"]

ALARM_CALLS = 20
"""Number of answers after which the alarm looks at their scores."""
RIGHT = 1
"""Number of answers with a score that still counts as nearly none."""
ZERO = 0.05
"""Scores below it count as 0."""
PAIRS, SHOWN = 3, 60


@dataclass
class ScoreAlarm:
    """Looks at the scores of the first 20 answers, once. With ``anyway`` it stays silent."""

    anyway: bool = False
    _scores: list[float] = field(default_factory=list, init=False)
    _wrong: list[tuple[str, str]] = field(default_factory=list, init=False)

    @property
    def waits_for(self) -> int:
        """Number of answers still to look at; 0 once it has looked."""
        return 0 if self.anyway else max(ALARM_CALLS - len(self._scores), 0)

    def add(self, answer: str, reference: str, score: float) -> None:
        """Take one answer. Raises AnswerError at the last of the first 20, where at most one has a score."""
        if not self.waits_for:
            return
        self._scores.append(score)
        if score < ZERO:
            self._wrong.append((answer, reference))
        if not self.waits_for and sum(one >= ZERO for one in self._scores) <= RIGHT:
            raise AnswerError(self._message())

    def _message(self) -> str:
        pairs = "; ".join(f"{_short(said)} for {_short(right)}" for said, right in self._wrong[:PAIRS])
        return (
            f"{len(self._wrong)} of the first {len(self._scores)} answers score 0, so no more calls are made: {pairs}. "
            "Check the metric, the instructions, and whether answers are cut off; "
            "go on with --anyway (anyway=True). Answers so far are kept"
        )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…")
