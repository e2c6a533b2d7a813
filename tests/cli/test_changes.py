"""A change of an institution's answers, as the command line and the server tell it."""

from pathlib import Path

from changing import OLD, labels, past
from handmade import Tiny, jsonl, metachain
from server_process import keys_of, serving

from metachain.learning.artifacts import save_prior
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE

WIDE = {"COLUMNS": "300"}
CHANGED = "since about 1 October 2026 you answer 'code 9' where your older labels say 'code 1'"


def learned(place: Path) -> str:
    """A library that has learned from four institutions that answer alike."""
    with Library.open(str(place), Tiny()) as library:
        library.add(past(), share=EVERYONE)
        save_prior(library, learn(library))
    return str(place)


def test_adapting_and_diagnosing_tell_a_change(tmp_path: Path) -> None:
    """With four texts to label again; before it, nothing is told."""
    place = learned(tmp_path / "h.db")
    before = jsonl(tmp_path / "before.jsonl", labels()[:OLD])
    assert "has changed" not in metachain("adapt", place, "new", before, environment=WIDE).stdout
    after = metachain("adapt", place, "new", jsonl(tmp_path / "after.jsonl", labels()[OLD:]), environment=WIDE)
    assert f"new has changed: {CHANGED}" in after.stdout, after.stdout + after.stderr
    (asked,) = [line for line in after.stdout.splitlines() if line.startswith("to settle it, label again: ")]
    assert asked.count("x-ray of the") == 4
    diagnosed = metachain("diagnose", place, "--json", tmp_path / "d.json", environment=WIDE)
    assert f"new has changed: {CHANGED}" in diagnosed.stdout
    assert asked in diagnosed.stdout.splitlines()
    assert '"replacement": "code 9"' in (tmp_path / "d.json").read_text()


def test_the_server_tells_a_change(tmp_path: Path) -> None:
    """In the answer of ``/adapt`` and among the metrics; another institution has none."""
    place = learned(tmp_path / "h.db")
    secrets = keys_of(place, "new", "other", "admin")
    examples = [{"input": one.input, "output": one.output, "metadata": dict(one.metadata)} for one in labels()]
    with serving(place, tmp_path, secrets=secrets) as server:
        for start in (0, 24, 48):
            told = server.post("new", "/adapt", {"examples": examples[start : start + 24]})
            assert told.status_code == 200, told.text
        (change,) = told.json()["changes"]
        assert change["told"].startswith(CHANGED)
        assert (change["answer"], change["replacement"], change["sure"]) == ("code 1", "code 9", True)
        assert server.post("other", "/adapt", {"examples": examples[:2]}).json()["changes"] == []
        metrics = server.get("admin", "/metrics").text
    assert 'metachain_changes{institution="new"} 1.0' in metrics
    assert 'metachain_changes{institution="other"} 0.0' in metrics
