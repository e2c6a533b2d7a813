"""Chains over a library of sets of labels: from a file to an answer and its score."""

import json
from pathlib import Path

import pytest
from handmade import metachain
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from metachain.chains import classification_chain, few_shot_chain
from metachain.data.demonstration import Demonstration
from metachain.data.synthetic import WorldSettings, generate_visits
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.retrievers import MetaExampleSelector

CASES = [
    ("fever with cough", "R50;R05"),
    ("coughing and hot", "R05; R50"),
    ("itching rash", "L20"),
    ("rash with fever", "R50;;L20;L20"),
    ("dry cough", "R05"),
]


def said(text: str) -> GenericFakeChatModel:
    """Make a model that says a text."""
    return GenericFakeChatModel(messages=iter([AIMessage(text)]))


@pytest.fixture(scope="module")
def selector(tmp_path_factory: pytest.TempPathFactory) -> MetaExampleSelector:
    """A selector of a hospital with two labels, after three past ones."""
    library = Library.open(str(tmp_path_factory.mktemp("sets") / "l.db"), label_separator=";")
    library.add([Demonstration(name, *case) for name in ("a", "b", "c") for case in CASES], share=EVERYONE)
    prior = learn(library)
    library.add([Demonstration("new", "hot and coughing", "R50;R05"), Demonstration("new", "eczema", "L20")])
    return MetaExampleSelector(library, adapt(prior, library, "new"), k=4)


def test_demonstrations_and_answers_are_in_one_order(selector: MetaExampleSelector) -> None:
    """All that is shown, the posterior and the offline answer."""
    found = selector.explain("fever, cough")
    assert {one.demonstration.output for one in found.chosen} <= {"R05; R50", "L20", "L20; R50", "R05"}
    assert len({one.answer for one in found.answers}) == len(found.answers)
    assert few_shot_chain("offline", selector).invoke({"input": "fever with cough"}) == "R05; R50"


@pytest.mark.parametrize(
    "answer",
    ["R50;R05", "R05; R50", "R05, R50", "R50\nR05", "- R50\n- R05", '["R50", "R05"]', "r50 ; R05;R05;", "`R05;R50`"],
)
def test_a_set_is_the_labels_that_the_model_names(selector: MetaExampleSelector, answer: str) -> None:
    """In whatever order and usual form."""
    found = classification_chain(said(answer), selector).invoke({"input": "fever with cough"})
    assert (found.label, found.labels, found.allowed) == ("R05; R50", ("R05", "R50"), ("L20", "R05", "R50"))
    assert "'R05', 'R50'" in found.reason


@pytest.mark.parametrize(
    ("answer", "part"), [("R05; R99", "R99"), ("R05, R50 and more", "R05, R50 and more"), (";", ";")]
)
def test_a_part_that_is_no_label_is_no_answer(selector: MetaExampleSelector, answer: str, part: str) -> None:
    """The reason names it."""
    found = classification_chain(said(answer), selector).invoke({"input": "fever"})
    assert found.label is None
    assert repr(part) in found.reason


def test_the_caller_may_name_labels_and_a_separator(selector: MetaExampleSelector) -> None:
    """Also another one than the library's."""
    chain = classification_chain(said("b | a"), selector, labels=["a", "b"], label_separator="|")
    assert chain.invoke({"input": "fever"}).label == "a | b"


def test_sets_of_a_file_go_through_every_command(tmp_path: Path) -> None:
    """From inspect, whose command takes the file, to the scores of sets."""
    world = generate_visits(WorldSettings(institutions=4, systems=2, demonstrations=30, misleading=0))
    lines = [json.dumps({"institution": one.institution, "input": one.input, "output": one.output}) for one in world]
    (tmp_path / "visits.jsonl").write_text("\n".join(lines))

    def run(*arguments: str) -> str:
        done = metachain(*arguments, cwd=tmp_path, environment={"COLUMNS": "200"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "--label-separator ';'" in run("inspect", "visits.jsonl")
    run("add", "l.db", "visits.jsonl", "--label-separator", ";", "--share", "everyone")
    run("learn", "l.db")
    (tmp_path / "few.jsonl").write_text(json.dumps({"input": world[0].input, "output": "9999;1000"}))
    run("adapt", "l.db", "north-star", "few.jsonl")
    assert "1000; 9999" in run("select", "l.db", "north-star", world[0].input)
    assert "1000; 9999" in run("ask", "l.db", "north-star", world[0].input)
    options = ["--labels", "4", "--seeds", "1", "--queries", "10", "--selectors", "semantic,metachain"]
    printed = run("evaluate", "visits.jsonl", "--label-separator", ";", *options, "--json", "scores.json")
    assert "micro_f1" in printed
    result = json.loads((tmp_path / "scores.json").read_text())
    assert result["settings"]["metrics"] == ["exact_match", "micro_f1", "label_f1"]
    assert all(0 <= row["score"] <= 1 for row in result["scores"])
    assert {row["metric"] for row in result["scores"]} == {"exact_match", "micro_f1", "label_f1"}
