"""Changes of an institution's answers: noticed, forgotten, told and stored."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from changing import NEWER, OLD, code, labels, past, text
from handmade import Tiny

from metachain.data.demonstration import Demonstration
from metachain.evaluation.diagnosis import diagnose
from metachain.learning.artifacts import load_posterior, noticed_changes, save_posterior, save_prior
from metachain.learning.changes import Change, describe_change, find_changes, label_sequence
from metachain.learning.gaussian_process import NOISE, Settings, local_log_weights, prior_mean
from metachain.learning.institution_state import load_institution
from metachain.learning.posterior import Posterior, adapt
from metachain.learning.prior import Prior, learn
from metachain.learning.reply_profile import attention, consensus
from metachain.learning.transfer import prior_log_weights
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.selector import Selector

NEW = "new"
SETTINGS = Settings(0.3, 1.0, 0.05, lift=0.5, coverage=0.2)


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """A library of four institutions that share, in both engines."""
    with Library.open(place, Tiny()) as opened:
        opened.add(past(), share=EVERYONE)
        yield opened


def taught(library: Library) -> Prior:
    """The library's prior, with settings of our choice."""
    prior = learn(library)
    prior = replace(prior, lesson=replace(prior.lesson, settings=SETTINGS, trusts_consensus=True))
    save_prior(library, prior)
    return prior


def adapted(library: Library, said: list[Demonstration]) -> Posterior:
    """Posterior after some labels."""
    library.add(said)
    return adapt(taught(library), library, NEW)


def test_a_replaced_answer_is_noticed(library: Library) -> None:
    """With its date, both answers and what to label again; the old labels no longer count."""
    found = adapted(library, labels())
    (change,) = found.changes
    assert (change.answer, change.replacement, change.sure) == ("code 1", "code 9", True)
    assert change.since == "2026-10-01"
    assert (change.labels, change.forgotten) == (NEWER, OLD // 4)
    outputs = {one.id: one.output for one in library.demonstrations(NEW)}
    assert [outputs[one] for one in change.to_settle] == ["code 1"] * 4
    told = "since about 1 October 2026 you answer 'code 9' where your older labels say 'code 1'"
    assert describe_change(change) == f"{told}: 8 of these count no more"


def share_right(library: Library, found: Posterior, answers: Callable[[int], str]) -> float:
    """Share of 64 other texts with the right answer as the likeliest."""
    selections = Selector(library, found).select_many([text(400 + number) for number in range(64)])
    right = [one.answers[0].answer == answers(number) for number, one in enumerate(selections)]
    return float(np.mean(right))


@pytest.mark.parametrize(
    ("replaced", "answers"),
    [
        ("code 1", lambda number: "code 9" if number % 4 == 1 else code(number)),
        ("all", lambda number: f"code {(number + 1) % 4}"),
    ],
)
def test_newer_answers_become_likelier(library: Library, replaced: str, answers: Callable[[int], str]) -> None:
    """More often than with the same labels without an order in time."""
    prior = taught(library)
    library.add(labels(replaced, dated=False, name="unordered"))
    library.add(labels(replaced))
    before, after = (share_right(library, adapt(prior, library, name), answers) for name in ("unordered", NEW))
    assert after > before


def test_a_change_of_everything_is_noticed(library: Library) -> None:
    """Each code by another one: no older label counts."""
    found = adapted(library, labels("all"))
    assert any(one.sure for one in found.changes)
    assert sum(one.forgotten for one in found.changes) >= OLD - 2


def test_without_a_change_nothing_is_forgotten(library: Library) -> None:
    """Labels that agree with the older ones."""
    assert adapted(library, labels("none")).changes == ()


@pytest.mark.parametrize("dated", [True, False])
def test_order_is_that_of_dates_or_of_arrival(library: Library, *, dated: bool) -> None:
    """Dates count in whatever order labels come in; without dates, labels that came in together have no order."""
    said = labels(dated=dated)
    assert bool(adapted(library, said[::-1]).changes) == dated


def test_labels_without_dates_are_ordered_by_their_arrival(library: Library) -> None:
    """Those of one call are of one age, and the change is told by their number."""
    said = labels(dated=False)
    for part in (said[:OLD], said[OLD : OLD + 8], said[OLD + 8 :]):
        library.add(part)
    (change,) = adapted(library, []).changes
    assert (change.since, change.answer, change.forgotten) == ("", "code 1", OLD // 4)
    assert describe_change(change).startswith(f"in your last {change.labels} labels you answer 'code 9'")


def test_a_posterior_keeps_its_changes(library: Library) -> None:
    """Stored and read back, for one institution and for all; ``diagnose`` tells them."""
    found = adapted(library, labels())
    save_posterior(library, found)
    read = load_posterior(library, NEW)
    assert read.changes == found.changes
    np.testing.assert_array_equal(read.fit.weights, found.fit.weights)
    assert noticed_changes(library) == diagnose(library).changes == {NEW: found.changes}


def test_forgotten_rows_are_zero(library: Library) -> None:
    """They stay in their place, so that every row still belongs to its label."""
    found = adapted(library, labels())
    said = load_institution(found.prior, library, NEW).support.demonstrations
    empty = [abs(row).sum() == 0 for row in found.fit.evidence]
    assert empty == [one.output == "code 1" and (one.date is None or one.date.month < 10) for one in said]
    assert found.labels == len(said)
    assert not found.fit.weights[empty].any()


def sequence(library: Library) -> Any:
    """The sequence of the new institution's labels, and the profile it was made of."""
    library.add(labels())
    prior = taught(library)
    state = load_institution(prior, library, NEW)
    order = np.argsort(state.time, kind="stable")
    profile = state.lifted(state.profile(state.near), state.vectors, SETTINGS).take(order)
    standing = prior_log_weights(prior.transfer, range(len(prior.institutions)))
    made = label_sequence(profile, state.support.answer[order], state.time[order], standing, SETTINGS)
    return made, profile, standing


def test_predictions_against_a_slow_computation(library: Library) -> None:
    """Label by label, with a solve of its own for each."""
    made, profile, standing = sequence(library)
    rows, expected, residual = np.arange(12), [], []
    for t in rows:
        before = rows[:t]
        kernel, text = made.kernel[[t]][:, before], profile.take([t])
        log_weights = local_log_weights(standing, kernel, made.evidence[before], SETTINGS.belief)
        mean = prior_mean(text, log_weights, 0.2)[0, made.answers]
        value = mean.copy()
        if t:
            covariance = SETTINGS.scale * made.kernel[np.ix_(before, before)] + NOISE * np.eye(t)
            value += SETTINGS.scale * kernel[0] @ np.linalg.solve(covariance, np.array(residual))
        own = np.eye(len(made.answers))[made.place[t]]
        residual.append(own - mean)
        counted = np.bincount(made.place[before], minlength=len(made.answers))
        plain = consensus(profile.take(before), attention(profile.take(before), standing))[:, made.answers].sum(axis=0)
        usage = ((counted + 0.5) / (plain + 0.5)) ** SETTINGS.usage
        fit = np.maximum(value, 0.001) * usage * (text.vote[0, made.answers] + 0.02) ** SETTINGS.vote
        assert text.lift is not None
        fit = fit * text.lift[0, made.answers] ** SETTINGS.lift
        expected.append(fit / fit.sum())
    np.testing.assert_allclose(made.predictions(rows), np.array(expected), atol=1e-12)


def test_a_change_needs_labels_on_both_sides(library: Library) -> None:
    """Eight of each; the newest alone are no change, and neither are labels of one age."""
    made, _, _ = sequence(library)
    assert [one.sure for one in find_changes(made)] == [True]
    assert find_changes(replace(made, age=np.zeros_like(made.age))) == ()


def test_a_change_is_described_without_a_date() -> None:
    """By the number of labels since then."""
    change = Change("", 12, None, None, 40, 11.0, True, ())
    told = "in your last 12 labels your answers differ from what your older labels say: 40 of these count no more"
    assert describe_change(change) == told
