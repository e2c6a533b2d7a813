"""Fusion of the posterior with a model: its extremes, and weights that are learned from trials."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import briefly
from scipy.special import log_softmax

from metachain.errors import DataError
from metachain.selection.fusion import RIDGE, Fusion, FusionTrial, WordTrial, learn_fusion, log_posterior
from metachain.selection.selection import AnswerProbability

LABELS = tuple("abcdef")
SEEDS = st.integers(0, 2**32 - 1)


def simulated(
    rng: np.random.Generator, posterior: float, model: float, count: int, labels: int = 6
) -> list[FusionTrial]:
    """Trials whose truth is drawn from the pooled opinions with these weights."""
    trials = []
    for _ in range(count):
        opinions = log_softmax(rng.normal(scale=2, size=(2, labels)), axis=1)
        pooled = np.exp(log_softmax(posterior * opinions[0] + model * opinions[1]))
        truth = LABELS[rng.choice(labels, p=pooled)]
        trials.append(FusionTrial(LABELS[:labels], tuple(opinions[0]), tuple(opinions[1]), truth))
    return trials


def surprise(trials: list[FusionTrial], posterior: float, model: float) -> float:
    """Mean negative log-likelihood of the truths, trial by trial."""
    found = []
    for one in trials:
        pooled = posterior * np.array(one.log_posterior) + model * np.array(one.log_model)
        found.append(np.log(np.exp(pooled).sum()) - pooled[one.labels.index(one.truth)])
    return float(np.mean(found))


def answers(*pairs: tuple[str, float]) -> tuple[AnswerProbability, ...]:
    """Answers with their probabilities."""
    return tuple(AnswerProbability(*pair) for pair in pairs)


@pytest.mark.parametrize(("posterior", "model"), [(1.0, 0.5), (0.6, 1.2), (1.0, 0.0), (0.0, 1.0)])
def test_known_weights_are_recovered(posterior: float, model: float) -> None:
    """Weights of simulated trials come back, also where one opinion is worth nothing."""
    found = learn_fusion(simulated(np.random.default_rng(0), posterior, model, 4000))
    assert (found.posterior, found.model) == pytest.approx((posterior, model), abs=0.08)


@given(SEEDS, st.floats(0, 2), st.floats(0, 2), st.integers(1, 40))
@briefly
def test_it_is_never_worse_than_either_part_alone(seed: int, posterior: float, model: float, count: int) -> None:
    """On its own trials, penalties included, the fusion is as likely as each opinion alone at any scale."""
    rng = np.random.default_rng(seed)
    trials = [one for n in (2, 6) for one in simulated(rng, posterior, model, count, n)]
    found = learn_fusion(trials)
    loss = surprise(trials, found.posterior, found.model) + RIDGE * (found.posterior**2 + found.model**2)
    for alone in (0.3, 1.0, 2.0):
        assert loss <= surprise(trials, alone, 0) + RIDGE * alone**2 + 1e-6
        assert loss <= surprise(trials, 0, alone) + RIDGE * alone**2 + 1e-6


@given(st.lists(st.tuples(st.floats(-9, 0), st.floats(-9, 0)), min_size=1, max_size=6), st.floats(-5, 5))
@briefly
def test_each_opinion_alone_can_be_reached(pairs: list[tuple[float, float]], offset: float) -> None:
    """A weight of 0 leaves the other opinion; an offset of the model's log-probabilities changes nothing."""
    log_p, log_q = log_softmax(np.array(pairs).T, axis=1)
    assert Fusion(model=0).probabilities(log_p, log_q) == pytest.approx(np.exp(log_p))
    assert Fusion(posterior=0).probabilities(log_p, log_q) == pytest.approx(np.exp(log_q))
    both = Fusion(0.7, 1.3)
    assert both.probabilities(log_p, log_q + offset) == pytest.approx(both.probabilities(log_p, log_q))


def test_words_give_way_where_the_posterior_is_far_surer() -> None:
    """The margin decides; None keeps any answer, 0 always takes the posterior's, and a tie keeps the model's."""
    known = answers(("0450", 0.6), ("0320", 0.2), ("0610", 0.05))
    assert [Fusion(margin=margin).worded("0320", known) for margin in (None, 2.0, 1.0, 0.0)] == [
        "0320",
        "0320",
        "0450",
        "0450",
    ]
    assert Fusion(margin=2.4).worded("I can't say", known) == "0450"
    assert Fusion(margin=2.5).worded("I can't say", known) == "I can't say"
    assert Fusion(margin=0).worded("0320", answers(("0450", 0.3), ("0320", 0.3))) == "0320"
    assert Fusion(margin=0).worded("anything", ()) == "anything"


def test_labels_that_the_posterior_does_not_know_get_the_smallest_probability() -> None:
    """Not nothing: the model may still prefer them. Without answers all are alike."""
    known = answers(("a", 0.5), ("b", 0.1))
    found: NDArray[np.float64] = log_posterior(["b", "x", "a"], known)
    assert np.exp(found) == pytest.approx([0.1, 0.1, 0.5])
    assert log_posterior(["x", "y"], ()) == pytest.approx([0, 0])
    assert np.isfinite(log_posterior(["a"], answers(("a", 0.0)))).all()


def test_the_margin_prefers_the_model_unless_the_posterior_clearly_does_better() -> None:
    """A model that is as good is always kept; a poor one gives way, at the largest margin that does as well."""
    sure = answers(("a", 0.9), ("b", 0.05))
    unsure = answers(("a", 0.5), ("b", 0.4))
    alike = [WordTrial(sure, "b", truth) for truth in "ab" * 50]
    assert learn_fusion(worded=alike).margin is None
    assert learn_fusion(worded=[*alike, WordTrial(sure, "b", "a")]).margin is None
    poor = [WordTrial(sure, "b", "a")] * 80 + [WordTrial(unsure, "b", "b")] * 80
    margin = learn_fusion(worded=poor).margin
    assert margin is not None
    assert np.log(0.5 / 0.4) < margin < np.log(0.9 / 0.05)
    assert [Fusion(margin=margin).worded(one.answer, one.answers) for one in poor] == [one.truth for one in poor]


def test_trials_that_teach_nothing_leave_the_weights_alone() -> None:
    """No trials, or none whose truth was scored."""
    lost = FusionTrial(("a", "b"), (-1.0, -0.5), (-1.0, -0.5), "c")
    assert learn_fusion() == learn_fusion([lost]) == Fusion()


@pytest.mark.parametrize("wrong", [{"posterior": -1.0}, {"model": float("nan")}, {"margin": -0.1}])
def test_wrong_numbers_are_refused(wrong: dict[str, float]) -> None:
    """Each by its name."""
    with pytest.raises(DataError, match=f"'{next(iter(wrong))}' of a fusion must be a finite number"):
        Fusion(**wrong)
    with pytest.raises(DataError, match="one of the two weights"):
        Fusion(0, 0)
