"""Which scored answers count, and that they count in the posterior and in the very next selection."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from oracles import BagOfWords, every_answer, filled, hospitals, note_writers

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.learning.answer_fits import answer_scores
from metachain.learning.artifacts import load_posterior, save_posterior, save_prior
from metachain.learning.gaussian_process import Settings
from metachain.learning.institution_state import load_institution
from metachain.learning.own_labels import MOST_READ, MOST_SCORED, ScoredAnswer, scored_answers
from metachain.learning.posterior import Posterior, adapt, posterior_of
from metachain.learning.prior import Prior, learn
from metachain.learning.reply_profile import reply_profile
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE
from metachain.selection.selector import Selector

MADE = hospitals(5, 16)
PAST, NEW = MADE[:-16], MADE[-16:]
TOLD = [one for one in NEW if one.output in {other.output for other in PAST}]
"""What past institutions say too, so that it can be scored."""
QUERIES = ["mri brain ward b", "blood panel clinic north", NEW[0].input]


def outcome(one: Demonstration, score: float | None, number: int = 0, correction: str | None = None) -> Outcome:
    """A chain's answer to a demonstration's input, as it would be, and what it earned."""
    shown: tuple[tuple[str, str], ...] = ()
    run = f"run {number:03}"
    return Outcome(run, "chain", one.institution, one.input, "m", shown, one.output, "", score, correction)


def outcomes(some: Sequence[Demonstration], score: float) -> list[Outcome]:
    """All with the same score."""
    return [outcome(one, score, number) for number, one in enumerate(some)]


def teach(library: Library) -> Prior:
    """What the library teaches, with settings that let learning in."""
    prior = learn(library)
    lesson = replace(prior.lesson, settings=Settings(0.3, 1.0, 0.05, intercept=0.5), trusts_consensus=True)
    return replace(prior, lesson=lesson)


def fits(library: Library, posterior: Posterior) -> np.ndarray:
    """How well every answer fits some queries."""
    state = load_institution(posterior.prior, library, posterior.institution)
    vectors = hybrid_vectors(library.encoder.encode(QUERIES), lexical_vectors(QUERIES))
    near = state.past.index.nearest(vectors, 8)
    profile = reply_profile(near, state.pool.answer, len(state.pool.answers), state.pool.meaning)
    return answer_scores(posterior.fit, profile, every_answer(profile))


def test_what_says_nothing_is_left_out() -> None:
    """Unscored, corrected and unknown answers, and those to an input that is labelled, don't count."""
    one = NEW[0]
    some = [
        outcome(one, None),
        outcome(one, 0.5, correction="other"),
        outcome(replace(one, output="no such code"), 1.0),
        outcome(replace(one, input=f" {NEW[1].input.upper()}"), 1.0),
        outcome(replace(one, output=f" {one.output}\n"), 0.25),
    ]
    assert scored_answers(some, [NEW[1].input], {one.output}) == (ScoredAnswer(one.input, one.output, 0.25),)


def test_the_same_answer_counts_once() -> None:
    """With the mean of its scores; another answer to the same input counts by itself."""
    first, other = NEW[0], replace(NEW[0], output=NEW[1].output)
    some = [outcome(first, 1.0, 1), outcome(replace(first, input=first.input.upper()), 0.0, 2), outcome(other, 0.0, 3)]
    found = scored_answers(some, [], {first.output, other.output})
    assert {(one.answer, one.score) for one in found} == {(first.output, 0.5), (other.output, 0.0)}
    assert scored_answers(some[::-1], [], {first.output, other.output}) == found


def test_of_very_many_the_latest_count(tmp_path: Path) -> None:
    """At most 400, those scored last; ids say nothing about the time, and a new score is a new time."""
    texts = [f"text {number:03}" for number in range(MOST_SCORED + 5)]
    many = [
        replace(outcome(replace(NEW[0], input=text), 0.0, number), id=str(UUID(int=hash(text) % 2**128)))
        for number, text in enumerate(texts)
    ]
    with Library.open(tmp_path / "library.db") as library:
        for one in many:
            library.outcomes.record([one])
        institution = many[0].institution
        read = list(library.outcomes.latest_scored(institution))
        assert [one.input for one in read] == texts[::-1]
        assert [one.input for one in scored_answers(read, [], None)] == texts[5:]
        library.record_feedback(many[0].id, 1.0)
        again = scored_answers(library.outcomes.latest_scored(institution), [], None)
        assert [one.input for one in again] == [texts[0], *texts[6:]]


def test_no_more_are_read_than_may_count() -> None:
    """Reading ends at the latest 400 answers, and after 4,000 outcomes of a few."""
    read: list[int] = []

    def endless(texts: int) -> Iterator[Outcome]:
        for number in count():
            read.append(number)
            yield outcome(replace(NEW[0], input=f"text {number % texts}"), 0.0, number)

    assert len(scored_answers(endless(10**6), [], None)) == MOST_SCORED
    assert len(read) == MOST_SCORED + 1
    read.clear()
    assert len(scored_answers(endless(3), [], None)) == 3
    assert len(read) == MOST_READ


@pytest.mark.parametrize("made", [MADE, note_writers(5, 16)], ids=["labels", "texts"])
def test_a_score_of_one_is_as_good_as_a_label(tmp_path: Path, made: list[Demonstration]) -> None:
    """Answers that earned 1 make the posterior that labels make, with the guard's choice for labels; they are none."""
    past, new = made[:-16], made[-16:]
    known = {one.output for one in past}
    told = [one for one in new if one.output in known] or new[:4]
    with filled(tmp_path / "scored.db", past) as scored, filled(tmp_path / "labelled.db", past) as labelled:
        prior = teach(scored)
        scored.outcomes.record(outcomes(told, 1.0))
        labelled.add(told)
        soft, hard = (adapt(prior, one, "hospital 4") for one in (scored, labelled))
        assert np.allclose(fits(scored, soft), fits(labelled, hard), rtol=1e-9)
    assert (soft.labels, soft.scored, hard.labels, hard.scored) == (0, len(told), len(told), 0)
    assert (soft.evidence, soft.method) == (hard.evidence, hard.method)


def test_scores_move_plausibility_both_ways(tmp_path: Path) -> None:
    """An answer praised becomes more plausible where it was given, and one rejected less."""
    one = replace(NEW[0], output="code 6 of system 1")
    found = []
    for score in (0.0, None, 1.0):
        with filled(tmp_path / f"{score}.db", PAST) as library:
            prior = teach(library)
            library.outcomes.record([outcome(one, score)])
            answers = load_institution(prior, library, "hospital 4").pool.answers
            row = fits(library, adapt(prior, library, "hospital 4"))[2]
            found.append(row[answers.index(one.output)] / row.sum())
    assert found[0] < found[1] < found[2]


def test_a_selector_sees_scores_and_labels_at_once(tmp_path: Path) -> None:
    """The next selection is that of a selector made anew, whoever added; the posterior is that of starting afresh."""
    with filled(tmp_path / "library.db", PAST) as library, Library.open(tmp_path / "library.db", BagOfWords()) as other:
        prior = teach(library)
        selector = Selector(library, adapt(prior, library, "hospital 4"))
        before = selector.select_many(QUERIES)
        for number, one in enumerate(TOLD[:6]):
            other.outcomes.record([outcome(one, number % 2, number)])
            fresh = adapt(prior, library, "hospital 4")
            assert selector.posterior().digest == fresh.digest
            assert np.allclose(selector.posterior().fit.weights, fresh.fit.weights, atol=1e-9)
            assert selector.select_many(QUERIES) == Selector(library, fresh).select_many(QUERIES)
        assert selector.posterior().scored == 6
        assert selector.select_many(QUERIES) != before
        other.add([TOLD[0], Demonstration("hospital 4", QUERIES[0], "an answer never seen")], share=EVERYONE)
        assert (selector.posterior().labels, selector.posterior().scored) == (2, 5)
        fresh = adapt(prior, library, "hospital 4")
        assert selector.select_many(QUERIES) == Selector(library, fresh).select_many(QUERIES)
        assert "an answer never seen" in selector.labels()


def test_another_process_sees_it(tmp_path: Path) -> None:
    """What a process that was killed right after had recorded is there, and counts in the next selection."""
    path = tmp_path / "library.db"
    with filled(path, PAST) as library:
        selector = Selector(library, adapt(teach(library), library, "hospital 4"))
        assert selector.posterior().scored == 0
        program = (
            "import os, sys\n"
            "from metachain.library.library import Library\n"
            "from metachain.library.outcomes import Outcome\n"
            "library = Library.open(sys.argv[1])\n"
            "library.outcomes.record([Outcome('run', 'chain', 'hospital 4', sys.argv[2], 'm', (), sys.argv[3])])\n"
            "library.outcomes.score('run', 1.0)\n"
            "os.kill(os.getpid(), 9)\n"
        )
        done = subprocess.run([sys.executable, "-c", program, path, NEW[0].input, PAST[0].output], check=False)
        assert done.returncode == -9
        assert selector.posterior().scored == 1


def test_scored_answers_are_never_shown(tmp_path: Path) -> None:
    """What earned a score is no demonstration."""
    with filled(tmp_path / "library.db", PAST) as library:
        selector = Selector(library, adapt(teach(library), library, "hospital 4"), k=100)
        library.outcomes.record(outcomes(TOLD, 1.0))
        shown = [one for each in selector.select_many(QUERIES) for one in each.demonstrations]
    assert shown
    assert {one.institution for one in shown} <= {f"hospital {number}" for number in range(4)}
    assert "your label" not in " ".join(one.reason for one in selector.select(QUERIES[0]).chosen)


def test_scores_of_other_institutions_say_nothing(tmp_path: Path) -> None:
    """Feedback counts for the institution that it was given at, and collected outcomes for nobody."""
    with filled(tmp_path / "library.db", PAST) as library:
        prior = teach(library)
        before = adapt(prior, library, "hospital 4")
        library.outcomes.record([replace(one, institution="hospital 0") for one in outcomes(NEW, 0.0)])
        library.outcomes.record([replace(one, id=f"c{one.id}", origin="collected") for one in outcomes(NEW, 0.0)])
        assert adapt(prior, library, "hospital 4").digest == before.digest


def test_threads_select_while_others_record(tmp_path: Path) -> None:
    """Every selection works on one consistent side, and once all is recorded all of it counts."""
    with filled(tmp_path / "library.db", PAST) as library:
        prior = teach(library)
        selector = Selector(library, adapt(prior, library, "hospital 4"))
        with ThreadPoolExecutor(6) as pool:
            recording = [pool.submit(library.outcomes.record, [one]) for one in outcomes(TOLD, 0.0)]
            recording += [pool.submit(library.add, [one]) for one in NEW[:4]]
            selecting = [pool.submit(selector.select_many, QUERIES) for _ in range(30)]
            for one in [*recording, *selecting]:
                one.result()
        fresh = Selector(library, adapt(prior, library, "hospital 4"))
        assert selector.select_many(QUERIES) == fresh.select_many(QUERIES)
        assert selector.posterior().labels == 4


def test_a_scored_posterior_comes_back(tmp_path: Path) -> None:
    """Saved and loaded it is the same, and it is stale once a score changes."""
    with filled(tmp_path / "library.db", PAST) as library:
        prior = teach(library)
        save_prior(library, prior)
        library.outcomes.record(outcomes(TOLD[:3], 0.0))
        save_posterior(library, adapt(prior, library, "hospital 4"))
        loaded = load_posterior(library, "hospital 4")
        state = load_institution(prior, library, "hospital 4")
        assert (loaded.scored, loaded.digest) == (len(state.scored), state.digest)
        assert np.array_equal(loaded.fit.weights, posterior_of(prior, state).fit.weights)
        library.outcomes.score("run 000", 1.0)
        assert load_institution(prior, library, "hospital 4").digest != loaded.digest


def test_a_text_changed_under_the_same_id_makes_a_posterior_stale(tmp_path: Path) -> None:
    """The digest is of what demonstrations say, not of their ids alone."""
    changed = replace(PAST[0], output="another code")
    with filled(tmp_path / "one.db", PAST) as one, filled(tmp_path / "other.db", [changed, *PAST[1:]]) as other:
        prior = teach(one)
        assert load_institution(prior, one, "hospital 4").digest != load_institution(prior, other, "hospital 4").digest
