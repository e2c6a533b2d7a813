"""A fusion learned from a model's answers in held-out episodes: it is stored, and nothing is paid for twice."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import BaseMessage
from numpy.typing import NDArray
from oracles import filled, hospitals
from scoring import RuleScores

from metachain.chains import CallBudget, ModelCaller, collect_fusion
from metachain.errors import DataError, ModelError
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.policy import DEFAULT
from metachain.learning.prior import Prior, learn, rows_to_look_up
from metachain.learning.shared_past import pool_of
from metachain.library.library import Library
from metachain.scoring.metrics import exact_match
from metachain.selection.fusion import Fusion
from metachain.selection.fusion_rehearsal import FusionRehearsal
from metachain.selection.learned_fusions import load_fusion

QUESTIONS = 60


class Knowing(RuleScores):
    """A model that knows the answers to each text, and scores them as far above all others as it is ``sure``."""

    right: dict[str, set[str]]
    sure: float

    def label_log_probabilities(
        self, prompts: Sequence[Sequence[BaseMessage]], labels: Sequence[Sequence[str]]
    ) -> list[NDArray[np.float64]]:
        """Give 0 for the answers that some institution gives."""
        right = [self.right[str(prompt[-1].text)] for prompt in prompts]
        return [
            np.array([-self.sure * (one not in known) for one in some])
            for known, some in zip(right, labels, strict=True)
        ]


class Refusing(RuleScores):
    """A model that may not be asked."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        raise PermissionError("no such key")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Five small hospitals of two systems."""
    with filled(tmp_path / "library.db", hospitals(5, 30)) as opened:
        yield opened


@pytest.fixture
def prior(library: Library) -> Prior:
    """Their prior."""
    return learn(library)


def learned(library: Library, prior: Prior, asked: Any, calls: int = QUESTIONS, **settings: Any) -> Fusion:
    """Learn from that many calls."""
    with ModelCaller(asked, budget=CallBudget(calls=calls), retries=0) as caller:
        return collect_fusion(library, prior, caller, model="rule", questions=QUESTIONS, **settings)


def test_a_model_that_writes_nonsense_gives_way(library: Library, prior: Prior) -> None:
    """Its words are never right, so the posterior is preferred at once; without scores the weights stay."""
    found = learned(library, prior, RuleScores())
    assert found.margin is not None
    assert (found.posterior, found.model) == (1.0, 1.0)
    assert load_fusion(library, "rule") == found


def test_scores_that_know_more_weigh_more(library: Library, prior: Prior) -> None:
    """A knowing model gets weight; one that only misleads gets none."""
    right: dict[str, set[str]] = {}
    for one in library.demonstrations():
        right.setdefault(one.input, set()).add(one.output)
    weights = [
        learned(library, prior, RuleScores(), scorer=Knowing(right=right, sure=sure)).model for sure in (3.0, -3.0)
    ]
    assert weights[0] > 0.1
    assert weights[1] == 0


def test_answers_are_paid_for_once(library: Library, prior: Prior) -> None:
    """They are outcomes of the library; with too few calls the rest is left out."""
    few = learned(library, prior, RuleScores(), calls=20)
    assert learned(library, prior, Refusing(), calls=20) == few
    with pytest.raises(ModelError, match="no such key"):
        learned(library, prior, Refusing())
    first = learned(library, prior, RuleScores())
    assert learned(library, prior, Refusing()) == first


def test_the_posterior_s_answers_are_probable_ones(library: Library, prior: Prior) -> None:
    """Its first answer is right more often than not, and probabilities fall."""
    pool = pool_of(library, library.demonstrations())
    rehearsal = FusionRehearsal(NeighbourTable.of(pool, rows_to_look_up(pool)), prior)
    asked = list(rehearsal.fusion_questions(DEFAULT, 100))
    first = [exact_match(one.answers[0].answer, one.asked.output) for one in asked]
    assert np.mean(first) > 0.5
    for one in asked:
        values = [answer.probability for answer in one.answers]
        assert values == sorted(values, reverse=True)
        assert {output.output for output in one.shown} <= set(one.labels)


def test_a_prior_of_other_institutions_is_refused(library: Library, prior: Prior) -> None:
    """As for policies."""
    library.sharing.state("hospital 0")
    with pytest.raises(DataError, match="not those of the prior"):
        learned(library, prior, RuleScores())
