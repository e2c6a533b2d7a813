"""Held-out episodes with the posterior's answers, from which a fusion is learned."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from metachain.data.demonstration import Demonstration
from metachain.learning.policy import Policy
from metachain.selection.fusion import fusible_labels
from metachain.selection.rehearsal import Question, RehearsalSet
from metachain.selection.selection import AnswerProbability, likeliest_answers

__all__ = ["FusionQuestion", "FusionRehearsal"]


@dataclass(frozen=True, slots=True)
class FusionQuestion:
    """One query of a past institution in a held-out episode."""

    asked: Demonstration
    """The query with its right answer."""
    shown: tuple[Demonstration, ...]
    """Demonstrations in prompt order."""
    answers: tuple[AnswerProbability, ...]
    """The posterior's answers, most probable first."""
    labels: tuple[str, ...]
    """Labels that a fusion chooses from."""


class FusionRehearsal(RehearsalSet):
    """Held-out episodes of a library's past institutions, with the posterior's answers to each query."""

    def fusion_questions(self, policy: Policy, number: int) -> Iterator[FusionQuestion]:
        """Yield at most ``number`` queries, institutions in turn, with the demonstrations that the policy shows."""
        for question in islice(self.questions(), number):
            (shown,) = self.shown(question, [policy])
            answers = self.answers(question)
            known = [one.label for one in (*shown, *self._support(question))]
            yield FusionQuestion(self.asked(question), shown, answers, tuple(fusible_labels(known, answers)))

    def answers(self, question: Question) -> tuple[AnswerProbability, ...]:
        """Answers of a question's candidates with their calibrated probabilities, most probable first."""
        candidates, probability = self._plausible(question.episode)
        place = question.place
        return likeliest_answers(self._table.pool.answers, candidates.answer[place], probability[place])

    def _support(self, question: Question) -> Sequence[Demonstration]:
        known = self._table.pool.demonstrations
        return [known[int(row)] for row in self._episodes[question.episode].support]
