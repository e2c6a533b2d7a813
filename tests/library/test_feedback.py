"""Feedback given to a library: it counts at once and everywhere, and none is lost."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from oracles import BagOfWords, filled, hospitals

from metachain.chains import few_shot_chain, recorded
from metachain.data.demonstration import Demonstration
from metachain.errors import DataError, NotFoundError
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE
from metachain.retrievers import MetaExampleSelector
from metachain.selection.selector import Selector

PAST = hospitals(5, 16)[:-16]
NEW = "hospital 4"
ONE = Outcome("run 1", "chain", NEW, "mri brain ward b", "m", (), PAST[0].output)
QUERIES = ["mri brain ward a", "blood panel clinic north"]
KILLED = """
import os, signal, sys
from sqlalchemy import event
from metachain.library import Library
library = Library.open(sys.argv[1])
passed = 0

def after(_connection, _cursor, statement, *_rest):
    global passed
    passed += statement.startswith(("INSERT", "UPDATE"))
    if passed == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(library._engine, "after_cursor_execute", after)
library.record_feedback("run 1", 0.25, correction="code 9")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """Four past hospitals, and an answer given for the fifth."""
    with filled(place, PAST) as opened:
        opened.outcomes.record([ONE])
        yield opened


def labels(library: Library) -> list[tuple[str, str, str]]:
    """Labels of the fifth hospital."""
    held = library.demonstrations(NEW) if NEW in library.institutions() else ()
    return [(one.id, one.input, one.output) for one in held]


def test_a_bare_score(library: Library) -> None:
    """A score alone is stored without a label, and the stored outcome is returned."""
    scored = library.record_feedback("run 1", 0.25)
    assert scored == library.outcomes.get("run 1")
    assert (scored.score, scored.correction, scored.metric) == (0.25, None, "")
    assert labels(library) == []
    assert library.record_feedback("run 1", True).score == 1.0


def test_a_correction(library: Library) -> None:
    """A correction becomes a label of the institution for that query, marked with its origin."""
    corrected = library.record_feedback("run 1", correction="code 9")
    assert corrected == library.outcomes.get("run 1")
    assert (corrected.score, corrected.correction) == (None, "code 9")
    assert labels(library) == [("feedback run 1", ONE.input, "code 9")]
    assert library.demonstrations(NEW)[0].metadata == {"feedback": "run 1"}


def test_a_correction_that_agrees(library: Library) -> None:
    """A correction that equals the answer becomes a label too."""
    library.record_feedback("run 1", 1.0, correction=ONE.answer)
    assert labels(library) == [("feedback run 1", ONE.input, ONE.answer)]


def test_feedback_given_again(library: Library) -> None:
    """New feedback replaces old feedback of its kind; the same feedback again changes nothing."""
    library.outcomes.score("run 1", 0.5, metric="rouge_l")
    library.record_feedback("run 1", correction="code 9")
    assert library.outcomes.get("run 1").metric == "rouge_l"
    library.record_feedback("run 1", correction="code 8")
    library.record_feedback("run 1", 0.25)
    last = library.record_feedback("run 1", 0.25, correction="code 8")
    assert (last.score, last.correction, last.metric) == (0.25, "code 8", "")
    assert labels(library) == [("feedback run 1", ONE.input, "code 8")]
    revision = library.revision(NEW)
    library.record_feedback("run 1", 0.25, correction="code 8")
    assert library.revision(NEW) == revision


@pytest.mark.parametrize("score", [7, -0.1, float("nan"), float("inf"), "good", [1]])
def test_a_score_that_is_none(library: Library, score: Any) -> None:
    """An invalid score is refused, also beside a good correction, and nothing changes."""
    for extra in ({}, {"correction": "code 9"}):
        with pytest.raises(DataError, match="from 0 to 1"):
            library.record_feedback("run 1", score, **extra)
    assert (library.outcomes.get("run 1"), labels(library)) == (ONE, [])


@pytest.mark.parametrize("correction", ["", " \n", "a\0b", "a\ud800b", 7])
def test_a_correction_that_is_none(library: Library, correction: Any) -> None:
    """An invalid correction is refused, also beside a good score, and nothing changes."""
    with pytest.raises(DataError, match="'correction'"):
        library.record_feedback("run 1", 1.0, correction=correction)
    assert (library.outcomes.get("run 1"), labels(library)) == (ONE, [])


def test_nothing_said(library: Library) -> None:
    """Feedback without score and correction is refused."""
    with pytest.raises(DataError, match="got neither"):
        library.record_feedback("run 1")


def test_unknown_runs(library: Library) -> None:
    """Feedback on unrecorded runs and on collected outcomes is refused."""
    library.outcomes.record([Outcome("call 1", "collected", NEW, "a", "m", (), "x")])
    for id in (uuid4(), "call 1"):
        with pytest.raises(NotFoundError, match=f"{id}.*the run was recorded"):
            library.record_feedback(id, 1.0)


def test_the_next_selection_sees_it(library: Library, place: str) -> None:
    """A correction of a chain's answer is shown for the next similar text, in every process with the library open."""
    prior = learn(library)
    with Library.open(place, BagOfWords()) as other:
        chain = recorded(
            few_shot_chain("offline", MetaExampleSelector(library, adapt(prior, library, NEW), k=4)), library
        )
        elsewhere = Selector(other, adapt(prior, other, NEW), k=4)
        before = elsewhere.select_many(QUERIES)
        run = uuid4()
        assert chain.invoke({"input": QUERIES[0]}, {"run_id": run}) != "code 9"
        library.record_feedback(run, 0.0)
        assert elsewhere.posterior().scored == 1
        scored = elsewhere.select_many(QUERIES)
        assert [[one.plausibility for one in each.chosen] for each in scored] != [
            [one.plausibility for one in each.chosen] for each in before
        ]
        library.record_feedback(run, correction="code 9")
        again = f"{QUERIES[0]} again"
        assert ("code 9", NEW) in {(one.output, one.institution) for one in elsewhere.select(again).demonstrations}
        assert (elsewhere.posterior().labels, elsewhere.posterior().scored) == (1, 0)
        library.record_feedback(run, correction="code 8")
        outputs = {one.output for one in elsewhere.select(again).demonstrations}
        assert "code 8" in outputs
        assert "code 9" not in outputs
        assert elsewhere.select_many(QUERIES) == Selector(other, adapt(prior, other, NEW), k=4).select_many(QUERIES)


def test_threads_record_while_others_select(library: Library) -> None:
    """After all feedback is recorded, a running selector selects like a new one."""
    prior = learn(library)
    selector = Selector(library, adapt(prior, library, NEW))
    chain = recorded(few_shot_chain("offline", MetaExampleSelector(library, selector.posterior())), library)
    asked: list[dict[str, Any]] = [
        {"input": f"{item} ward {letter}"} for item in ("mri", "xray") for letter in "abcdefgh"
    ]
    runs = [uuid4() for _ in asked]
    chain.batch(asked, [{"run_id": run} for run in runs])
    with ThreadPoolExecutor(6) as pool:
        recording = [pool.submit(library.record_feedback, run, 0.0) for run in runs]
        recording += [pool.submit(library.record_feedback, run, correction="code 9") for run in runs[:8]]
        selecting = [pool.submit(selector.select_many, QUERIES) for _ in range(20)]
        for one in [*recording, *selecting]:
            one.result()
    assert (selector.posterior().labels, selector.posterior().scored) == (8, 8)
    assert selector.select_many(QUERIES) == Selector(library, adapt(prior, library, NEW)).select_many(QUERIES)


@pytest.mark.parametrize(("moment", "kept"), [(1, False), (2, False), (3, False), (9, True)])
def test_sudden_death(library: Library, place: str, moment: int, kept: bool) -> None:
    """After a kill within the transaction neither outcome nor label has changed; after it both have."""
    done = subprocess.run([sys.executable, "-c", KILLED, place, str(moment)], check=False)
    assert done.returncode == -signal.SIGKILL
    found = library.outcomes.get("run 1")
    assert (found.score, found.correction) == ((0.25, "code 9") if kept else (None, None))
    assert labels(library) == ([("feedback run 1", ONE.input, "code 9")] if kept else [])
    assert library.revision(NEW) == int(kept)


def test_a_label_of_the_same_text_stays(library: Library) -> None:
    """A correction replaces only the label of its own selection."""
    library.add([Demonstration(NEW, ONE.input, "code 7", id="own")], share=EVERYONE)
    library.record_feedback("run 1", correction="code 9")
    assert [one[0] for one in labels(library)] == ["feedback run 1", "own"]
