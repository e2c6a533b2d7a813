"""Answers as models write them: labels that are found, answers that stay none, thoughts that never pass."""

import pytest
from all_chains import Code, extraction
from fixed_selector import fixed
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly
from scripted import Scripted

from metachain.chains import Cleaning, classification_chain, few_shot_chain, summarization_chain
from metachain.chains.answers.cleaning import LABEL_RULES, TEXT_RULES, kind_of
from metachain.chains.answers.score_alarm import ALARM_CALLS, ScoreAlarm
from metachain.chains.answers.thoughts import without_channels, without_thoughts
from metachain.errors import AnswerError, DataError

CODES = ["0711", "0714", "0730", "071", "K20", "K20.4", "N/A"]
WORDS = ["urgent", "not urgent", "urgent care", "routine", "yes", "no", "Needs review", "C++"]
FOUND = [
    "0714",
    "<think>\nThe last one was 0711.\n</think>\n\n0714",
    "Let me see, 0711?\n</think>\n0714",
    "<THINK>0711</THINK>0714",
    '<think effort="high">0711</think> 0714',
    "<think>a<think>0711</think>b</think>0714",
    "<think> the tag <think> means 0711 </think> 0714",
    "<reasoning>0711</reasoning>\n**0714**",
    "[THINK]0711[/THINK]0714",
    "0714 <think>or 0711",
    "<|channel|>analysis<|message|>0711?<|end|><|start|>assistant<|channel|>final<|message|>0714<|return|>",
    "<|channel|>analysis 0711<|channel|>final<|message|>0714",
    "<thinking>\n0711\n</thinking>\n<answer>0714</answer>",
    "```\n0714\n```",
    '```json {"code": "0714"} ```',
    "```0714```",
    "```\n0714\n```\nThis is therapy.",
    'Here: {"code": "0714", "reason": "not 0711"}',
    '["0714"]',
    '[{"code": "0714"}]',
    "{'label': '0714'}",
    '{"label": "0714", "previous": "0711"}',
    "Answer: 0714",
    "The answer is **0714**.",
    "**Label:** 0714",
    "Similar to 0711 cases.\n\nFinal answer: 0714\n\nI hope this helps",
    "Answer: 0711 at first.\nFinal answer: 0714",
    "The correct revenue code for this charge is 0714.",
    "I would code this as 0714.",
    "0714 is the answer",
    "Not 0711 but 0714",
    "The answer is not 0711 but 0714.",
    "0714 (previously 0711)",
    "0714, not 0711",
    "0714 - recovery",
    "0714: recovery room",
    "0714\n\nExplanation: the patient wakes up",
    "Sure! Here is the code:\n\n0714\n\nLet me know!",
    "~~0711~~ 0714",
    "### 0714",
    "- 0714",
    "“0714”",
    "(0714)",
    "0714!",
    "\\boxed{0714}",
    "$\\boxed{\\text{0714}}$",
    "０７１４",
    "0714\n0714",
]
NONE = [
    "",
    "I can't say",
    "0711 or 0714",
    "0711/0714",
    "0711 and 0714",
    "0711, 0714",
    "0711-0714",
    "0711 - 0714",
    "0711 to 0714",
    "0711–0719",
    "either 0711 or 0714",
    "neither 0711 nor 0714",
    "between 0711 and 0714",
    "<think>0714",
    "<think>0714</think>",
    "0711\n0714",
    "- 0711\n- 0714",
    "Answer: 0711 or 0714",
    "Answer: 0711\nAnswer: 0714",
    "0711\nFinal answer: 0714",
    "0711 (or 0714)",
    "0714 (could also be 0711)",
    "0711. Wait, actually 0714.",
    "not 0714",
    "The code is not 0714.",
    "I don't think the answer is 0714",
    "If the answer is 0711 then",
    "0714 is wrong",
    "0714 - no",
    "0714?",
    "714",
    "07140",
    "0714.5",
    "0714%",
    "K20.9",
    "~~0714~~",
    '{"label": "0711"}\n{"label": "0714"}',
    '["0711", "0714"]',
    '{"not": "0714"}',
    "```\n0711\n```\n```\n0714\n```",
    "none of these:\n0714",
]
SHOWN = fixed(("mri brain", "0711"), ("xray chest", "0714"), ("xray knee", "0714"))
NOTES = fixed(("Came in with a cough. Went home.", "Went home."), ("Fell. Now in a ward.", "Now in a ward."))


@pytest.mark.parametrize("answer", FOUND)
def test_the_label_that_an_answer_gives_is_found(answer: str) -> None:
    """In whatever it is wrapped, and by the chain alike."""
    assert Cleaning().cleaned(answer, CODES).label == "0714"
    assert classification_chain(Scripted(first=answer), SHOWN, CODES).invoke({"input": "xray"}).label == "0714"


@pytest.mark.parametrize("answer", NONE)
def test_an_unclear_answer_stays_none_and_says_why(answer: str) -> None:
    """Ranges, lists, denials and mere thoughts are no answer."""
    found = Cleaning().cleaned(answer, CODES)
    assert (found.label, bool(found.reason)) == (None, True)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("this is not urgent", None),
        ("The label is not urgent.", "not urgent"),
        ("Urgent care - a wound", "urgent care"),
        ("urgently", None),
        ("non-urgent", None),
        ("urgent: no", None),
        ("yes and no", None),
        ("yes, because no other fits", "yes"),
        ("Label: needs review", "Needs review"),
        ("Answer: C++.", "C++"),
        ("It is not routine, it is urgent", None),
        ("<think>urgent</think>I can't decide", None),
        ("urgent\n\nThe patient is not routine", "urgent"),
    ],
)
def test_words_as_labels_are_read_more_strictly(answer: str, label: str | None) -> None:
    """A word in a sentence is no answer."""
    assert Cleaning().cleaned(answer, WORDS).label == label


def test_a_denied_label_is_not_found_where_its_denial_is_no_label() -> None:
    """Each of several ways to say no."""
    for answer in ("not urgent", "The label is not urgent", "urgent: false", "Not urgent."):
        assert Cleaning().cleaned(answer, ["urgent", "routine"]).label is None


PIECES = st.sampled_from(
    [
        *CODES,
        "not ",
        " or ",
        "Answer: ",
        "**",
        "<think>",
        "</think>",
        "\n",
        "{",
        "}",
        '"',
        ": ",
        "```",
        "is ",
        ". ",
        "x",
    ]
)


@given(st.lists(PIECES, max_size=9).map("".join))
@briefly
def test_cleaning_is_idempotent_and_invents_no_label(answer: str) -> None:
    """A cleaned answer is clean, and a label found stands in the text outside its thoughts."""
    found = Cleaning().cleaned(answer, CODES)
    again = Cleaning().cleaned(found.text, CODES)
    assert (again.text, again.label) == (found.text, found.label)
    if found.label is not None and found.label != answer:
        assert found.label.lower() in without_thoughts(answer).lower()


@given(st.sets(st.text(min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=5))
@briefly
def test_a_plain_answer_stays_the_label_that_it_is(labels: set[str]) -> None:
    """Whatever marks the labels hold themselves."""
    for label in labels:
        found = Cleaning().cleaned(label, labels)
        assert found.label is None or (" ".join(found.label.split()) != "" and found.rules == ())


def test_each_rule_can_be_switched_off() -> None:
    """By its name; unknown names are refused, and the result says which rules worked."""
    found = Cleaning().cleaned("<think>0711</think>Answer: 0714", CODES)
    assert found.rules == ("thoughts", "announced")
    assert Cleaning(off=frozenset({"announced", "explained", "lone_line"})).cleaned("Answer: 0714", CODES).label is None
    assert Cleaning.none().text("<think>a</think>b") == "<think>a</think>b"
    assert {"thoughts", "fence", "json_field"} <= {*TEXT_RULES, *LABEL_RULES}
    with pytest.raises(DataError, match="no rule of cleaning is called 'thots'"):
        Cleaning(off=frozenset({"thots"}))


def test_the_few_shot_chain_gives_the_models_words_unless_asked() -> None:
    """Streams that are cleaned pass nothing on that may be a thought, even where the opening tag is missing."""
    for said in ("<think>so so</think>\n0714", "so so\n</think>\n\n0714"):
        assert few_shot_chain(Scripted(first=said), SHOWN).invoke({"input": "a"}) == said
        cleaned = few_shot_chain(Scripted(first=said), SHOWN, clean=True)
        assert cleaned.invoke({"input": "a"}) == "".join(cleaned.stream({"input": "a"})) == "0714"
    notes = few_shot_chain(Scripted(first="so so </think>\nStays one night."), NOTES, clean=True)
    assert "".join(notes.stream({"input": "a"})) == "Stays one night."


async def test_a_summary_streams_without_its_thoughts() -> None:
    """The words after a thought come one by one; without a thought all words do."""
    chain = summarization_chain(Scripted(first="<think> he is fine </think> Stays one night."), NOTES)
    assert (
        list(chain.stream({"input": "a"})) == ["Stays ", "one ", "night."]
        or "".join(chain.stream({"input": "a"})) == "Stays one night."
    )
    assert chain.invoke({"input": "a"}) == "Stays one night." == await chain.ainvoke({"input": "a"})
    assert "".join([one async for one in chain.astream({"input": "a"})]) == "Stays one night."


@pytest.mark.parametrize(
    "said",
    [
        '{"code": "0714"}',
        '<think>maybe {"code": "0711"}?</think>\n{"code": "0714"}',
        '<think>```json\n{"code": "0711"}\n```</think>\n```json\n{"code": "0714"}\n```',
        'Here is the JSON:\n{"code": "0714"}',
        '{"code": "0714"}\nTell me if you need more.',
        '```JSON5\n{"code": "0714"}\n```',
        '```json {"code": "0714"} ```',
        "{'code': '0714'}",
        '{"code": "0714",}',
        '[{"code": "0714"}]',
    ],
)
def test_the_only_object_of_an_answer_is_extracted(said: str) -> None:
    """Without a second call; with the rules off only the bare object is."""
    shown = fixed(("a", '{"code": "0711"}'))
    model = Scripted(first=said)
    assert extraction(model, shown).invoke({"input": "b"}) == Code(code="0714")
    assert len(model.sent) == 1
    if not said.startswith('{"code": "0714"}') or said.endswith("more."):
        with pytest.raises(AnswerError):
            extraction(Scripted(first=said, second=said), shown, clean=False).invoke({"input": "b"})


@pytest.mark.parametrize("said", ['{"code": "0711"}\n{"code": "0714"}', '[{"code": "0711"}, {"code": "0714"}]', "0714"])
def test_of_several_objects_none_is_extracted(said: str) -> None:
    """The model is asked once more, and refused."""
    with pytest.raises(AnswerError):
        extraction(Scripted(first=said, second=said), SHOWN).invoke({"input": "b"})


def test_outputs_tell_what_an_answer_is_to_be() -> None:
    """JSON, a label or a text."""
    assert kind_of(["0711", "0714", "0711"]) == "label"
    assert kind_of(['{"code": "1"}', '{"code": "2"}']) == "json"
    assert kind_of(["He went home today.", "She stays one night."]) == "text"
    assert without_channels("analysisSo it is.assistantfinal0714") == "0714"


def test_the_alarm_looks_once_and_shows_three_pairs() -> None:
    """One right answer of 20 is not enough, two are; ``anyway`` keeps it silent."""
    for right, fires in ((0, True), (1, True), (2, False)):
        alarm, scores = ScoreAlarm(), [1.0] * right + [0.0] * (ALARM_CALLS - right)
        for score in scores[:-1]:
            alarm.add("words", "0711", score)
        if fires:
            with pytest.raises(AnswerError, match=r"(?s)'words' for '0711'.*--anyway") as told:
                alarm.add("words", "0711", scores[-1])
            assert str(told.value).count("'words' for") == 3
            assert len(str(told.value)) < 600
        else:
            alarm.add("words", "0711", scores[-1])
        assert alarm.waits_for == 0
    silent = ScoreAlarm(anyway=True)
    for _ in range(50):
        silent.add("words", "0711", 0.0)
