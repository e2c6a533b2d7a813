"""A past institution plays the new one: fairly, evenly, and shown nothing of itself but its labels."""

from collections import Counter
from itertools import islice

import pytest
from stage import studied

from metachain.embedding.similarity import normalise_text
from metachain.learning.episodes import LABELS
from metachain.learning.policy import CANDIDATES, DEFAULT, Policy
from metachain.selection.rehearsal import RehearsalSet


@pytest.fixture(scope="module")
def stage() -> RehearsalSet:
    """Sixteen generated institutions."""
    return RehearsalSet(*studied())


def test_every_prefix_of_the_questions_is_even(stage: RehearsalSet) -> None:
    """Each institution is asked as often as any other, give or take one."""
    for size in (16, 100, 500):
        counts = Counter(stage.asked(one).institution for one in islice(stage.questions(), size))
        assert max(counts.values()) - min(counts.values()) <= 1
        assert len(counts) == 16


def test_no_question_comes_twice(stage: RehearsalSet) -> None:
    """Within one order; another seed orders them differently, and holds the same."""
    asked, others = list(stage.questions()), list(RehearsalSet(*studied(), seed=5).questions())
    assert len(asked) == len(set(asked))
    assert asked != others
    assert set(asked) == set(others)


def test_nothing_of_the_institution_is_shown_but_its_labels(stage: RehearsalSet) -> None:
    """At most 16 of them, never the query's own text from itself."""
    own: dict[int, set[str]] = {}
    for question in islice(stage.questions(), 400):
        asked = stage.asked(question)
        for shown in stage.shown(question, CANDIDATES):
            mine = [one for one in shown if one.institution == asked.institution]
            assert normalise_text(asked.input) not in {normalise_text(one.input) for one in mine}
            own.setdefault(question.episode, set()).update(one.id for one in mine)
    assert max(map(len, own.values())) <= max(LABELS)
    assert any(own.values())


def test_policies_order_what_they_show(stage: RehearsalSet) -> None:
    """The best last, or first; fewer are the best of more; what is demoted is passed over."""
    for question in islice(stage.questions(), 50):
        usual, turned, one = stage.shown(question, [DEFAULT, Policy(best_first=True), Policy(1)])
        assert turned == usual[::-1]
        assert one == usual[-1:]
        best = usual[-1]
        (without,) = stage.shown(question, [Policy(demoted=frozenset([(best.institution, best.id)]))])
        assert best not in without
        assert without


def test_what_was_remembered_is_what_would_be_reckoned_anew(stage: RehearsalSet) -> None:
    """Asking again, or another stage of the same seed, gives the same."""
    questions = list(islice(stage.questions(), 40))
    first = [stage.shown(one, CANDIDATES) for one in questions]
    assert first == [stage.shown(one, CANDIDATES) for one in questions]
    assert first == [RehearsalSet(*studied()).shown(one, CANDIDATES) for one in questions]
