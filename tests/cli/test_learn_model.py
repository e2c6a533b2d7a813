"""``metachain learn --model``: it tells what it found, goes on after a kill, says what is wrong before it begins."""

import re
import signal
from pathlib import Path

import pytest
from handmade import Tiny, metachain

from metachain.data.synthetic import WorldSettings, generate_world
from metachain.learning.policy import Policy
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.selection.learned_policies import LearnedPolicy, read_policy, save_policy


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Six small generated institutions, not learned yet."""
    with Library.open(tmp_path / "library.db", Tiny()) as opened:
        opened.add(
            generate_world(WorldSettings(institutions=6, systems=2, demonstrations=40, misleading=0)), share=EVERYONE
        )
    return tmp_path / "library.db"


def answered(library: Path) -> int:
    """How many answers the library holds."""
    with Library.open(library, Tiny()) as opened:
        return len(opened.outcomes.of(origin="collected", model="offline"))


def learned(library: Path) -> LearnedPolicy:
    """What was learned for the offline reader."""
    with Library.open(library, Tiny()) as opened:
        return read_policy(opened, "offline")


def test_it_tells_what_it_found_and_what_it_took(library: Path) -> None:
    """Each policy with its score and why it lost, then the one that is shown from now on."""
    done = metachain("learn", library, "--model", "offline", "--calls", 200)
    assert done.returncode == 0, done.stderr
    assert "learned from 6 institutions" in done.stdout
    assert "offline: mean exact_match of" in done.stdout
    assert re.search(r"no demonstrations .* (loses|halved)", done.stdout)
    assert f"offline is shown from now on: {learned(library).policy}" in done.stdout
    assert f"{answered(library)} calls, 0 of them kept from before" in done.stdout
    assert answered(library) <= 200


def test_killed_while_asking_it_goes_on_without_asking_twice(library: Path, tmp_path: Path) -> None:
    """What was answered at sudden death is kept, and the end is that of one undisturbed run."""
    arguments = ("learn", library, "--model", "offline", "--calls", 120)
    assert metachain(*arguments, stop="SIGKILL commit:90").returncode == -signal.SIGKILL
    kept = answered(library)
    assert 20 < kept < 110
    done = metachain(*arguments)
    assert done.returncode == 0, done.stderr
    assert f"calls, {kept} of them kept from before" in done.stdout
    with Library.open(tmp_path / "other.db", Tiny()) as other, Library.open(library, Tiny()) as opened:
        other.add(opened.demonstrations(), share=EVERYONE)
    assert metachain("learn", tmp_path / "other.db", *arguments[2:]).returncode == 0
    assert learned(tmp_path / "other.db") == learned(library)
    assert answered(tmp_path / "other.db") == answered(library) <= 120


def test_select_and_ask_show_as_was_learned(library: Path) -> None:
    """The model's own policy, and --shots in place of its number; another model is shown as ever."""
    assert metachain("learn", library).returncode == 0
    assert metachain("adapt", library, "newcomer").returncode == 0
    with Library.open(library, Tiny()) as opened:
        query = opened.demonstrations()[0].input
        save_policy(opened, LearnedPolicy("offline", Policy(0), "exact_match", 0, 0, 0.0, (0.0, 0.0)))
    assert "no demonstrations to show" in metachain("select", library, "newcomer", query).stdout
    assert "this prompt shows me none" in metachain("ask", library, "newcomer", query).stdout
    assert "the best last" in metachain("select", library, "newcomer", query, "-k", 2).stdout
    assert "the best last" in metachain("select", library, "newcomer", query, "--model", "ollama:other").stdout
    with Library.open(library, Tiny()) as opened:
        save_policy(opened, LearnedPolicy("offline", Policy(3, best_first=True), "exact_match", 0, 0, 0.0, (0.0, 0.0)))
    assert "the best first" in metachain("select", library, "newcomer", query).stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--model", "acme:best"], "no provider is called 'acme'"),
        (["--model", "gpt"], "doesn't say who serves the model"),
        (["--model", "offline", "--metric", "bleu"], "unknown metric 'bleu'; known: exact_match"),
        (["--model", "offline", "--money", "5"], "--money needs --input-price and --output-price"),
        (["--model", "offline", "--requests-per-second", "0"], "must be over 0"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_learned(library: Path, options: list[str], told: str) -> None:
    """In one line, with status 2."""
    done = metachain("learn", library, *options)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "learned from" not in done.stdout


def test_budgets_of_tokens_and_money_hold(library: Path) -> None:
    """The money that was spent is told."""
    prices = ("--input-price", 1000, "--output-price", 1000)
    arguments = ("learn", library, "--model", "offline", "--calls", 400, "--answer-tokens", 8)
    done = metachain(*arguments, "--money", 3, *prices)
    assert done.returncode == 0, done.stderr
    spent = re.search(r"(\d+) tokens, (\d\.\d\d) spent", done.stdout)
    assert spent
    assert 1.5 < float(spent[2]) <= 3
    assert int(spent[1]) <= 3000
    again = metachain(*arguments, "--tokens", 4000)
    tokens = re.search(r"(\d+) tokens$", again.stdout.strip())
    assert tokens
    assert int(spent[1]) <= int(tokens[1]) <= 4000
