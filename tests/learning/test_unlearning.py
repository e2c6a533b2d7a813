"""What is forgotten is gone: from the database, its files, and everything that was learned."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from handmade import HERE, Tiny, demonstrations, learned_library
from traces import files_with

from metachain.data.demonstration import Demonstration
from metachain.errors import DataError, NotFoundError
from metachain.learning.artifacts import load_posterior, load_prior, save_posterior, save_prior
from metachain.learning.policy import DEFAULT
from metachain.learning.posterior import Posterior, adapt
from metachain.learning.prior import Prior, learn
from metachain.learning.unlearning import Receipt, forget
from metachain.library.erasure import records_sha256
from metachain.library.library import Library
from metachain.library.outcomes import Outcome
from metachain.library.sharing import EVERYONE, Audience, Grant
from metachain.selection.learned_policies import LearnedPolicy, save_policy
from metachain.selection.selector import Selector

if TYPE_CHECKING:
    from benchmarks.common.postgres import PostgresServer

RARE = "zebrafish quandary of the left patella"
ANSWER = "code xylophone"
PATIENT = "patient-8871"
PAST = demonstrations(4, 12)
RARES = [
    Demonstration("h1", f"{RARE} {number}", f"{ANSWER} {number}", id=f"s{number}", metadata={"patient": PATIENT})
    for number in range(3)
]
NEW = [
    Demonstration("new", f"x-ray of the {word} 1", "code 2", id=word) for word in ("knee", "brain", "spine", "wrist")
]


@pytest.fixture
def library(place: str) -> Iterator[Library]:
    """A library that knows the secrets: as demonstrations, in outcomes, in what it has learned."""
    with Library.open(place, Tiny()) as opened:
        opened.add([*PAST, *RARES], share=EVERYONE)
        opened.add(NEW)
        opened.vectors(opened.demonstrations())
        save_prior(opened, learn(opened))
        save_posterior(opened, adapt(load_prior(opened), opened, "new"))
        opened.list_answers("h1", [one.output for one in RARES])
        told = Outcome("run-1", "chain", "new", "x-ray of the knee 1", "model-a", (("h1", "s1"),), f"as in {RARE} 1")
        asked = Outcome("call-1", "collected", "h1", f"{RARE} 2", "model-a", (("h2", "x"),), "code 3", score=1.0)
        other = Outcome("run-2", "chain", "new", "x-ray of the brain 1", "model-b", (("h2", "y"),), "code 1", score=1.0)
        opened.outcomes.record([told, asked, other])
        for model in ("model-a", "model-b", "model-c"):
            policy = replace(DEFAULT, demoted=frozenset({("h1", "s0")} if model == "model-c" else ()))
            save_policy(opened, LearnedPolicy(model, policy, "exact_match", 5, 5, 0.1, (0.0, 0.2)))
        yield opened


def without(place: Path, kept: list[Demonstration], labels: list[Demonstration]) -> tuple[Prior, Posterior]:
    """What a library learns that never had the rest."""
    with Library.open(place, Tiny()) as library:
        library.add(kept, share=EVERYONE)
        library.add(labels)
        other = Outcome("run-2", "chain", "new", "x-ray of the brain 1", "model-b", (("h2", "y"),), "code 1", score=1.0)
        library.outcomes.record([other])
        prior = learn(library)
        return prior, adapt(prior, library, "new")


def same(one: Prior, other: Prior) -> bool:
    """Whether two priors are equal, to 1e-9."""
    arrays = [(one.transfer, other.transfer), (one.lesson.scores, other.lesson.scores)]
    named = [
        (
            prior.institutions,
            prior.contributors,
            prior.lesson.settings,
            prior.lesson.trusts_consensus,
            prior.fingerprint,
        )
        for prior in (one, other)
    ]
    calibrations = [
        (lesson.unlabelled.intercept, lesson.unlabelled.slope, lesson.labelled.intercept, lesson.labelled.slope)
        for lesson in (one.lesson, other.lesson)
    ]
    close = all(np.allclose(a, b, rtol=0, atol=1e-9, equal_nan=True) for a, b in arrays)
    return close and named[0] == named[1] and np.allclose(*calibrations, rtol=0, atol=1e-9)


def test_the_prior_is_the_one_learned_without_it(library: Library, tmp_path: Path) -> None:
    """After forgetting a patient, prior and posterior equal those of a library that never had the demonstrations."""
    before = load_prior(library)
    receipt = forget(library, patient=PATIENT)
    prior, posterior = without(tmp_path / "never.db", PAST, NEW)
    assert same(load_prior(library), prior)
    assert not same(before, prior)
    again = load_posterior(library, "new")
    assert np.allclose(again.fit.weights, posterior.fit.weights, rtol=0, atol=1e-9)
    assert np.allclose(again.fit.evidence, posterior.fit.evidence, rtol=0, atol=1e-9)
    assert again.digest == posterior.digest
    assert receipt.learned_again == ("posterior of new", "prior")


def test_an_institution_is_forgotten_wholly(library: Library, tmp_path: Path) -> None:
    """Rows, lists, rules and memberships of an institution go, and what others learned is learned without it."""
    library.sharing.group("north", ["h1", "h2"])
    library.sharing.state("h3", EVERYONE, Grant(Audience("institution", ("h1",)), "statistics"))
    receipt = forget(library, institution="h1")
    assert receipt.erased.demonstrations == {"h1": 15}
    assert "h1" not in library.institutions()
    assert "h1" not in library.sharing.grants()
    assert library.sharing.groups() == {"north": ("h2",)}
    assert library.listed_answers("h1") == ()
    kept = [one for one in PAST if one.institution != "h1"]
    assert same(load_prior(library), without(tmp_path / "never.db", kept, NEW)[0])


def test_one_demonstration_is_forgotten_by_its_id(library: Library) -> None:
    """One demonstration goes and the others stay; a policy goes where it demoted it, or its model was shown it."""
    receipt = forget(library, demonstration="s1")
    assert receipt.erased.demonstrations == {"h1": 1}
    assert receipt.lost == ("policy of model-a",)
    assert [one.id for one in library.demonstrations("h1") if one.id.startswith("s")] == ["s0", "s2"]
    assert set(library.outcomes.by_id(["run-1", "call-1", "run-2"])) == {"call-1", "run-2"}
    assert forget(library, institution="h1", demonstration="s0").lost == ("policy of model-c",)


def test_the_receipt_can_be_checked_and_is_kept(library: Library) -> None:
    """The receipt says how many of what, and its hash is that of the records; it holds none of their words."""
    receipt = forget(library, patient=PATIENT)
    erased = receipt.erased
    assert (erased.what, erased.demonstrations, erased.outcomes, erased.embeddings) == ("patient", {"h1": 3}, 2, 3)
    records = [(one.institution, one.id, one.input, one.output) for one in reversed(RARES)]
    assert erased.sha256 == records_sha256(records)
    assert library.receipts() == [erased]
    assert receipt.lost == ("policy of model-a", "policy of model-c")
    written = json.dumps(asdict(receipt))
    assert RARE not in written
    assert PATIENT not in written


def test_a_vector_stays_as_long_as_another_has_the_text(library: Library) -> None:
    """The vector of a text goes with the last demonstration that has it."""
    library.add([Demonstration("h2", RARES[0].input.upper(), "code 1")], share=EVERYONE)
    assert forget(library, patient=PATIENT).erased.embeddings == 2
    seen = library.encoder.seen  # type: ignore[attr-defined]  # it is a Tiny
    seen.clear()
    library.vectors(library.demonstrations("h2"))
    assert seen == []


def test_what_a_correction_made_can_be_withdrawn(library: Library) -> None:
    """A demonstration that feedback made is forgotten together with the answer that it corrected."""
    library.record_feedback("run-2", correction="code 9")
    receipt = forget(library, institution="new", demonstration="feedback run-2")
    assert receipt.erased.outcomes == 1
    assert library.outcomes.by_id(["run-2"]) == {}


def test_an_answer_is_forgotten_with_its_query(library: Library) -> None:
    """One recorded answer goes, its correction too; only what it had a part in is learned again."""
    asked = Outcome("run-3", "chain", "new", f"{RARE} of the newcomer", "model-b", (("h2", "y"),), ANSWER, score=0.5)
    library.outcomes.record([asked])
    library.record_feedback("run-3", correction="code 9")
    library.vectors(library.demonstrations("new"))
    prior = library.load("prior")[0]
    receipt = forget(library, answer="run-2")
    assert (receipt.erased.what, receipt.erased.demonstrations, receipt.erased.outcomes) == ("answer", {}, 1)
    assert (receipt.learned_again, receipt.lost) == (("posterior of new",), ("policy of model-b",))
    assert library.load("prior")[0] == prior
    receipt = forget(library, answer="run-3")
    assert (receipt.erased.demonstrations, receipt.erased.outcomes, receipt.erased.embeddings) == ({"new": 1}, 1, 1)
    assert library.outcomes.by_id(["run-2", "run-3"]) == {}
    assert [one.id for one in library.demonstrations("new")] == sorted(one.id for one in NEW)
    with pytest.raises(NotFoundError, match="holds nothing of that answer"):
        forget(library, answer="run-3")


def test_open_selectors_forget_at_once(library: Library) -> None:
    """A selector that was made before, in this process or another, never shows again what was forgotten."""
    selector = Selector(library, load_posterior(library, "new"), k=3)
    assert RARE in selector.select(f"{RARE} 1").chosen[-1].demonstration.input
    forget(library, patient=PATIENT)
    shown = selector.select(f"{RARE} 1").demonstrations
    assert shown
    assert not any(RARE in one.input for one in shown)


@pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)
@pytest.mark.parametrize("closed", [True, False])
def test_no_byte_of_it_is_left_in_the_files(library: Library, place: str, closed: bool) -> None:
    """Neither the file, nor its log, holds a trace of the texts afterwards, while it is open and when it is closed."""
    assert trace(Path(place).parent)
    receipt = forget(library, patient=PATIENT)
    assert receipt.scrubbed
    library.list_answers("h1", [])
    library.scrub()
    if closed:
        library.close()
    assert trace(Path(place).parent) == []


@pytest.mark.parametrize("new_place", ["postgresql"], indirect=True)
def test_no_byte_of_it_is_left_in_the_tables(library: Library, postgres: "PostgresServer") -> None:
    """After PostgreSQL's own checkpoint none of its files holds a trace, its write-ahead log without old segments."""
    assert forget(library, patient=PATIENT).scrubbed
    library.list_answers("h1", [])
    library.scrub()
    postgres.administer("CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
    assert trace(postgres.folder / "data") == []


def trace(folder: Path) -> list[str]:
    """Names of files below a folder that hold a word of the secrets, in UTF-8 or UTF-16."""
    return files_with(
        folder, [word.encode(code) for word in (RARE, ANSWER, PATIENT) for code in ("utf-8", "utf-16-le")]
    )


def test_a_reader_from_before_is_told_of(tmp_path: Path) -> None:
    """While another connection reads from before, the receipt says that the file's log is not clean yet."""
    place = tmp_path / "hospitals.db"
    with Library.open(place, Tiny()) as library:
        library.add([*PAST, *RARES], share=EVERYONE)
        with library._engine.connect() as reader:
            reader.exec_driver_sql("SELECT count(*) FROM demonstrations").scalar()
            receipt = forget(library, patient=PATIENT)
            assert not receipt.scrubbed
        assert library.scrub()
        assert trace(tmp_path) == []


def test_nothing_to_forget_is_said(library: Library) -> None:
    """What isn't there, or isn't said, is an error, and nothing changes."""
    before = library.state("new")
    with pytest.raises(NotFoundError, match="holds nothing of that institution"):
        forget(library, institution="nowhere")
    with pytest.raises(NotFoundError, match="holds nothing of that demonstration"):
        forget(library, demonstration="nothing")
    with pytest.raises(DataError, match="say what to forget"):
        forget(library)
    with pytest.raises(DataError, match="one thing at a time, not demonstration and patient"):
        forget(library, demonstration="s1", patient=PATIENT)
    library.add([Demonstration("h2", "another", "code", id="s1")])
    before = library.state("new")
    with pytest.raises(DataError, match="several institutions have a demonstration 's1'; say which one: h1, h2"):
        forget(library, demonstration="s1")
    assert library.state("new") == before


def test_too_few_left_means_no_prior(tmp_path: Path) -> None:
    """Where fewer institutions are left than the prior was released for, there is none afterwards, and it is said."""
    with Library.open(learned_library(tmp_path / "x.db", demonstrations(3, 8)), Tiny()) as library:
        receipt = forget(library, institution="h1")
        assert receipt.lost == ("posterior of new", "prior")
        with pytest.raises(NotFoundError, match="holds no prior"):
            load_prior(library)


KILLED = """
import os, signal, sys
from sqlalchemy import event
from handmade import Tiny
from metachain.learning import forget
from metachain.library import Library
count, moment = 0, int(sys.argv[2])
library = Library.open(sys.argv[1], Tiny())
def step(*_):
    global count
    count += 1
    if count == moment:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(library._engine, "before_cursor_execute", step)
event.listen(library._engine, "commit", step)
forget(library, institution="h1")
print(count)
"""


def test_sudden_death_forgets_all_or_nothing(tmp_path: Path) -> None:
    """Killed at any statement, the library has all of the institution or nothing, and what it learned is not stale."""
    made = learned_library(tmp_path / "made.db", demonstrations(5, 8))
    environment = {**os.environ, "PYTHONPATH": str(HERE)}

    def run(name: str, moment: int) -> tuple[Path, subprocess.CompletedProcess[str]]:
        place = tmp_path / f"{name}.db"
        place.write_bytes(made.read_bytes())
        command = [sys.executable, "-c", KILLED, str(place), str(moment)]
        return place, subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    _, done = run("whole", 0)
    steps = int(done.stdout)
    for moment in range(1, steps + 1, max(1, steps // 6)):
        place, killed = run(f"at-{moment}", moment)
        assert killed.returncode == -signal.SIGKILL
        with Library.open(place, Tiny()) as library:
            held = library.counts().get("h1", 0)
            assert held in (0, 8)
            if not held:
                assert "h1" not in (load_prior(library).institutions if "prior" in library.learned() else ())


def test_the_command_forgets_and_writes_a_receipt(tmp_path: Path) -> None:
    """``metachain forget`` prints what went and what was learned again, and writes the receipt as JSON."""
    place = learned_library(tmp_path / "x.db", demonstrations(5, 8))
    program = [sys.executable, str(HERE / "tiny_cli.py")]
    command = [*program, "forget", str(place), "--institution", "h1", "--json", str(tmp_path / "receipt.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Demonstrations: 8 of h1" in done.stdout
    assert "learned again without it: posterior of new, prior" in done.stdout
    assert json.loads((tmp_path / "receipt.json").read_text())["erased"]["demonstrations"] == {"h1": 8}
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "holds nothing of that institution" in again.stderr


def test_a_receipt_is_plain_data(library: Library) -> None:
    """A receipt is a frozen record of plain values."""
    receipt = forget(library, institution="h2")
    assert isinstance(receipt, Receipt)
    assert json.loads(json.dumps(asdict(receipt)))["erased"]["what"] == "institution"


def test_forgetting_is_no_ban(tmp_path: Path) -> None:
    """What was forgotten comes back where it is added again, and is shared with nobody until a rule says so."""
    with Library.open(learned_library(tmp_path / "x.db", demonstrations(5, 8)), Tiny()) as library:
        forget(library, institution="h1")
        assert library.add(demonstrations(5, 8)).stored == 8
        assert "h1" not in library.sharing.grants()
