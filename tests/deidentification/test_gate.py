# Longer than 300 lines: a long table of samples, one for each form of an identifier.
"""Patient identifiers are found, and flagged, redacted or refused before anything is stored."""

import logging
import subprocess
import sys
from time import process_time

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from metachain.data.demonstration import Demonstration
from metachain.deidentification.gate import Gate, gate_named
from metachain.deidentification.identifiers import OVERLAP, WINDOW, Identifier, identifiers, replaced
from metachain.errors import DataError

presidio_analyzer = pytest.importorskip("presidio_analyzer", reason="needs the extra 'deidentify'")

FOUND = {
    "PERSON": [
        "Mr. |Quellen| came in.",
        "Seen by Dr. |Xiomara van der Berg| today.",
        "Patient: |Xiomara Quellen|\nAge: 45",
        "PATIENT NAME: |QUELLEN, XIOMARA|",
        "Signed by: |X. Quellen|, RN",
        "PCP: |Quellen, Xiomara T|. Tel",
        "|Xiomara Quellen|, PA-C",
        "his wife |Xiomara| drove",
        "her daughter, |Xiomara Quellen|, agrees",
        "|Jennifer| is well and |Maria O'Brien| too",
        "discussed with |Xiomara Quellen| again",
        "Sincerely,\n|Xiomara|",
        "hello mr. |gonzalez| and |judy gomez|",
        "|Xiomara Quellen| is a 45-year-old woman",
        "|José Nuñez| presents with cough",
    ],
    "DATE_TIME": [
        "on |03/14/2021| at 08:00",
        "on |3/14/21|.",
        "|2021-03-14|T08:15:00Z",
        "|14-Mar-2021| and |14 March 2021| and |14MAR2021|",
        "|March 14, 2021|; |Mar. 14th|; since |March|",
        "in |June 2020| or |06/2020|",
        "DOB |19450312|",
        "on |14.03.2021|",
        "seen |3/14| again",
        "over |Labor Day| weekend",
        "from |3/14|-|3/18/2021| and |03/14/2021|-|03/18/2021|",
        "this |14th day of March, 2021|",
    ],
    "PHONE_NUMBER": [
        "|212-555-0199|",
        "call |(212) 555-0199|",
        "|+1 212 555 0199|",
        "|212.555.0199 ext 12|",
        "cell: |2125550199|",
        "phone |555-0199|",
        "pager |12345|",
        "|+44 20 7946 0958|",
    ],
    "FAX_NUMBER": ["Fax: |212-555-0188|", "fax |(212) 555-0188| today"],
    "EMAIL_ADDRESS": ["|x.quellen+notes@mail.example.org| wrote", "E-mail |a_b@ward.local|"],
    "MEDICAL_RECORD_NUMBER": [
        "MRN: |00482913|",
        "medical record number |A-48291|",
        "MR# |482913|",
        "Patient ID |482913|",
    ],
    "US_SSN": ["|123-45-6789|", "SSN |123456789|", "last four of his SSN: |6789|", "social security no. |123 45 6789|"],
    "HEALTH_PLAN_NUMBER": ["Member ID: |XYZ123456789|", "policy no |AB-123456|", "Medicare |1EG4-TE5-MK73|"],
    "ACCOUNT_NUMBER": [
        "acct # |99881122|",
        "Account |99881122|",
        "claim number |A9988-1122|",
        "card |4111 1111 1111 1111|",
    ],
    "LICENSE_NUMBER": [
        "driver's license |D1234567|",
        "DEA# |AB1234563|",
        "certificate no. |88-1234|",
        "NPI: |1234567893|",
    ],
    "VEHICLE_ID": ["VIN |1HGCM82633A004352|", "license plate |ABC-1234|", "plate number |7ABC 123|"],
    "DEVICE_ID": [
        "serial number |PKX123456L|",
        "S/N |AB-123456|",
        "|(01)00844588003288(21)A1234|",
        "|00:1A:2B:3C:4D:5E|",
    ],
    "URL": ["see |https://portal.example.org/p/12?a=b|.", "|www.example.com/x|", "at |heart.example.net|"],
    "IP_ADDRESS": ["from |10.20.30.40|", "|2001:db8::8a2e:370:7334|"],
    "LOCATION": [
        "at |12 Oak Street, Apt 4B|,",
        "|Peoria, IL 61602|",
        "|P.O. Box 123|",
        "lives in |Peoria|.",
        "ZIP code |61602|",
        "|400 W 14th St|",
        "born in |Cedar Rapids|, Iowa",
        "|Cook County|",
    ],
    "AGE": ["|92|-year-old", "|92| y/o", "|101|yo", "died at age |94|", "|ninety-two| year old", "in her |90s|"],
}
KEPT = [
    "revenue code 0301, CPT 99213 and 70450, HCPCS J1885",
    "Head CT 70450 and Chest CT 71250 done, St. John's wort, Positive Hoffman's",
    "CT 70450 HEAD W/O, MR BRAIN W/O CONTRAST, MS CONTIN 15 MG",
    "500 mg twice daily, insulin 70/30 10 units, epinephrine 1:1000, 0.5 mL of 1/100000",
    "Chest X-ray 2 views, wrist 3 views, L4-L5, C5/6, T12",
    "In 2019 and since 2021 she smoked; surgery 1998, 2003 and 2010",
    "a 45-year-old man, 89 y/o woman, age 67, 9 months old, 3 days ago",
    "BP 120/80, HR 92, T 98.6 F, SpO2 95% on 2 L, RR 16, weight 92 kg, BMI 31.2",
    "Na 138, K 4.1, WBC 11.2, Hgb 9.8, platelets 250, glucose 140, INR 2.5, A1c 7.2%, GFR > 60",
    "Strength 5/5, reflexes 2/4, murmur 2/6, pain 7/10, GCS 15",
    "Crohn's disease, Bell's palsy, Parkinson disease, Foley catheter, Jackson-Pratt drain, Babinski negative",
    "Seen by Cardiology, Physical Therapy and Social Work. Discussed with Infectious Disease.",
    "Mother: Breast Cancer. Father: Hypertension. Patient Denies Fever.",
    "Assessment and Plan: Continue Current Medications. Return To Clinic In 3 Months.",
    "Patient may take 2 tablets; march in place 10 times; will mark the site; grace period",
    "PLATE 7 HOLE 3.5MM, SCREW CANC 6.5X40, SN BIOPSY, DRSG DR 4X4, STENT 3.0X18",
    "1-2-3, 10-20 mmHg, 3 x 4 x 5 cm, 4-6 hours, ratio 1:2, 5-10 mg",
]
PLAIN = [
    "the",
    "patient",
    "has",
    "pain",
    "in",
    "left",
    "knee,",
    "500",
    "mg",
    "2",
    "views",
    "0301",
    "99213",
    "5/5",
    "2019",
]
FRAGMENTS = [
    *(sample.replace("|", "") for samples in FOUND.values() for sample in samples),
    *KEPT,
    *("<PERSON>", "<", ">", "Dr.", "\n", " ", "MRN", "#", "12345678", "Smith", "van", ","),
]


def parts(marked: str) -> tuple[str, list[str]]:
    """A sample's text without the bars, and the parts between them."""
    return marked.replace("|", ""), marked.split("|")[1::2]


def demonstration(input: str, output: str = "0301", id: str = "") -> Demonstration:
    """A demonstration of one hospital."""
    return Demonstration("st-marys", input, output, id=id)


@pytest.mark.parametrize(("kind", "marked"), [(kind, one) for kind, several in FOUND.items() for one in several])
def test_each_kind_is_found_in_its_forms(kind: str, marked: str) -> None:
    """The parts between the bars are found with their kind, and nothing else."""
    text, wanted = parts(marked)
    found = identifiers(text)
    assert [text[one.start : one.end] for one in found] == wanted
    assert {one.kind for one in found} == {kind}
    assert all(0 < one.score <= 1 for one in found)


@pytest.mark.parametrize("text", KEPT)
def test_what_means_something_is_kept(text: str) -> None:
    """Codes, doses, results, years alone and ages under 90 are not identifiers."""
    assert identifiers(text) == ()


def test_off_lets_everything_pass() -> None:
    """With ``off`` no text is analysed."""
    one = demonstration("Mr. Quellen, SSN 123-45-6789")
    assert Gate("off").passed(one) is one


@pytest.mark.parametrize("action", ["flag", "redact", "refuse"])
def test_nothing_found_passes_as_it_is(action: str) -> None:
    """Without identifiers the demonstration itself passes, its metadata unchanged."""
    one = demonstration("chest x-ray 2 views")
    gate = gate_named(action)
    assert gate is not None
    assert gate.passed(one) is one


def test_flag_counts_by_kind_and_keeps_the_texts() -> None:
    """The metadata hold the counts by kind and none of the text."""
    one = Demonstration("st-marys", "Mr. Quellen, SSN 123-45-6789", "Quellen: 212-555-0199", metadata={"ward": 3})
    passed = Gate("flag").passed(one)
    assert passed == one
    assert passed.metadata == {"ward": 3, "identifiers": {"PERSON": 2, "PHONE_NUMBER": 1, "US_SSN": 1}}


def test_redact_replaces_in_both_texts() -> None:
    """A name revealed by the input is also replaced in the output."""
    passed = Gate("redact").passed(demonstration("Mr. Quellen, MRN 4829137, 500 mg", "Quellen takes 500 mg."))
    assert passed.input == "Mr. <PERSON>, MRN <MEDICAL_RECORD_NUMBER>, 500 mg"
    assert passed.output == "<PERSON> takes 500 mg."
    assert passed.metadata["identifiers"] == {"MEDICAL_RECORD_NUMBER": 1, "PERSON": 2}


def test_derived_ids_are_derived_anew_and_given_ones_stay() -> None:
    """A digest of the original text is not kept, as it would confirm a guess of the text."""
    gate = Gate("redact")
    passed = gate.passed(demonstration("Mr. Quellen has a cough"))
    assert passed.id == demonstration("Mr. <PERSON> has a cough").id != demonstration("Mr. Quellen has a cough").id
    assert gate.passed(demonstration("Mr. Quellen has a cough", id="a7")).id == "a7"


def test_refuse_names_kinds_and_numbers_only() -> None:
    """The error gives advice and contains none of the text."""
    with pytest.raises(DataError, match=r"'st-marys'.*1 PERSON, 1 US_SSN; remove them.*redact") as caught:
        Gate("refuse").passed(demonstration("Mr. Quellen, SSN 123-45-6789"))
    assert "Quellen" not in str(caught.value)
    assert "6789" not in str(caught.value)


def test_a_gate_has_one_of_four_actions() -> None:
    """Only the four actions of the command line are accepted."""
    assert gate_named("off") is None
    assert [gate_named(word) for word in ("flag", "redact", "refuse")] == [Gate("flag"), Gate("redact"), Gate("refuse")]
    for make in (gate_named, Gate):
        with pytest.raises(DataError, match=r"one of off, flag, redact, refuse, got 'mask'"):
            make("mask")  # type: ignore[operator]


def test_an_analyzer_of_ones_own_is_asked_too() -> None:
    """Identifiers found by a user's analyzer are replaced in addition to ours."""
    ward = presidio_analyzer.PatternRecognizer("WARD", deny_list=["Zephyr"])
    registry = presidio_analyzer.RecognizerRegistry(recognizers=[ward], supported_languages=["en"])
    engine = presidio_analyzer.nlp_engine.NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}])
    engine.load()
    own = presidio_analyzer.AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    passed = Gate("redact", analyzer=own).passed(demonstration("Mr. Quellen is on Zephyr"))
    assert passed.input == "Mr. <PERSON> is on <WARD>"


def test_without_presidio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra to install."""
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    monkeypatch.delitem(sys.modules, "metachain.deidentification.recognizers", raising=False)
    with pytest.raises(DataError, match=r"pip install 'metachain\[deidentify\]'"):
        identifiers("Mr. Quellen")


def test_it_is_offline_and_quiet() -> None:
    """Without sockets, in a fresh Python with warnings as errors, it runs silently."""
    program = (
        "import socket\n"
        "def refuse(*_, **__): raise SystemExit('asked the network')\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from metachain.deidentification.gate import Gate\n"
        "from metachain.data.demonstration import Demonstration\n"
        "import sys\n"
        "assert not {'presidio_analyzer', 'spacy', 'torch', 'numpy'} & set(sys.modules)\n"
        "one = Demonstration('a', 'Mr. Quellen x@mail.example.org www.example.com +44 20 7946 0958, 10.2.3.4', 'b')\n"
        "assert sum(Gate('redact').passed(one).metadata['identifiers'].values()) == 5\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_logs_hold_nothing_of_the_text(caplog: pytest.LogCaptureFixture) -> None:
    """Logs contain none of the text, even at the most detailed level."""
    with caplog.at_level(logging.DEBUG):
        Gate("redact").passed(demonstration("Mr. Quellen, SSN 123-45-6789, card 4111 1111 1111 1111, from 10.20.30.40"))
    for word in ("Quellen", "6789", "4111", "10.20"):
        assert word not in caplog.text


def test_a_long_text_is_looked_at_whole() -> None:
    """An identifier at the border of two parts of a long text is found once."""
    marked = " Dr. Xiomara Quellen called 212-555-0199 on 03/14/2021."
    for place in range(WINDOW - OVERLAP - 60, WINDOW + 60, 23):
        text = "it is so. " * (place // 10) + marked + " it is so." * 200
        found = identifiers(text)
        assert [one.kind for one in found] == ["PERSON", "PHONE_NUMBER", "DATE_TIME"]


def test_replaced_writes_kinds() -> None:
    """The text around an identifier stays unchanged."""
    assert replaced("a b c", [Identifier("X", 0, 1, 1.0), Identifier("Y", 4, 5, 1.0)]) == "<X> b <Y>"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=12), st.sampled_from(["", " ", ", ", "\n"]))
def test_redacting_again_changes_nothing(fragments: list[str], glue: str) -> None:
    """A redacted text contains no further identifiers."""
    once = Gate("redact").passed(demonstration(f"x {glue.join(fragments)}"))
    assert Gate("redact").passed(once) is once
    assert identifiers(once.input) == identifiers(once.output) == ()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(min_size=1, max_size=300).filter(lambda text: text.strip() and "\0" not in text))
def test_any_text_passes(text: str) -> None:
    """Any text is accepted; identifiers are parts of it, in order and without overlaps."""
    Gate("redact").passed(demonstration(f"x {text}"))
    found = identifiers(text)
    edges = [edge for one in found for edge in (one.start, one.end)]
    assert edges == sorted(edges)
    assert all(0 <= one.start < one.end <= len(text) for one in found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PLAIN)))
def test_plain_words_and_codes_pass(words: list[str]) -> None:
    """Plain words and codes pass in any order, except numbers in the very form of a telephone number."""
    text = " ".join(words)
    assume("500 500 0301" not in text and "500 500 2019" not in text)
    assert identifiers(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "a.",
        "1-",
        "number number ",
        "www.",
        "1 Aa ",
        "Dr. Xiomara Quellen 03/14/2021 212-555-0199 ",
        "SSN is is is is ",
        "van der Xy ",
    ],
)
def test_a_megabyte_takes_no_minutes(text: str) -> None:
    """200,000 characters of a text made to slow the patterns down take seconds."""
    many = "x " + text * (200_000 // len(text))
    began = process_time()
    Gate("redact").passed(demonstration(many))
    assert process_time() - began < 20
