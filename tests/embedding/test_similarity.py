"""Vectors of texts, and their inner products."""

from collections import Counter
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import briefly

from metachain.embedding import similarity
from metachain.embedding.similarity import (
    LEXICAL_DIMENSIONS,
    hybrid_vectors,
    lexical_vectors,
    normalise_text,
    unit_rows,
)


def grams(text: str) -> Counter[str]:
    """Character 2-4-grams within words, each word padded with a space on both sides."""
    counted: Counter[str] = Counter()
    for word in normalise_text(text).split():
        padded = f" {word} "
        for length in (2, 3, 4):
            if length >= len(padded):
                counted[padded] += 1
                break
            counted.update(padded[start : start + length] for start in range(len(padded) - length + 1))
    return counted


def gram_cosine(one: str, other: str) -> float:
    """Cosine of log-damped gram counts, without hashing."""
    weights, more = ({gram: log(1 + n) for gram, n in grams(text).items()} for text in (one, other))
    dot = sum(weight * more.get(gram, 0.0) for gram, weight in weights.items())
    return dot / sqrt(sum(w * w for w in weights.values()) * sum(w * w for w in more.values()))


def test_normalising_lowers_case_and_collapses_white_space() -> None:
    """Two spellings that differ in case and spaces only are the same text."""
    assert normalise_text("  X-Ray\t CHEST\n") == normalise_text("x-ray chest") == "x-ray chest"


@given(st.text())
@briefly
def test_normalising_twice_is_normalising_once(text: str) -> None:
    """The normal form is its own normal form, except for letters whose lower case changes again."""
    once = normalise_text(text)
    assert normalise_text(once) == " ".join(once.lower().split())
    assert "  " not in once
    assert once == once.strip()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("xray chest 2 views", "x-ray chest 1 view"),
        ("mri brain", "mri brain w contrast"),
        ("aaaa aaaa", "aaaa"),
        ("room and board", "iv push"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa xray", "xray"),
    ],
)
def test_lexical_cosine_is_that_of_character_grams(one: str, other: str) -> None:
    """The hashed inner product is the cosine of damped 2-4-gram counts, within the error of hash collisions."""
    hashed = lexical_vectors([one, other])
    assert float(hashed[0] @ hashed[1]) == pytest.approx(gram_cosine(one, other), abs=0.12)


def test_hashing_errs_on_no_side() -> None:
    """The error of the hashed cosine averages zero over many unrelated pairs."""
    rng = np.random.default_rng(0)
    pairs = [["".join(rng.choice(list("abcdefgh "), 30)) for _ in range(2)] for _ in range(300)]
    errors = []
    for one, other in pairs:
        hashed = lexical_vectors([one, other])
        errors.append(float(hashed[0] @ hashed[1]) - gram_cosine(one, other))
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors))


def test_lexical_vectors_compare_the_normal_form() -> None:
    """Case and white space don't change a vector; the vectors are of unit length."""
    rows = lexical_vectors(["X-RAY   chest", "x-ray chest"])
    assert np.array_equal(rows[0], rows[1])
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1])


def test_lexical_vectors_of_nothing() -> None:
    """No texts give no rows, and a text without a gram gives a zero row."""
    assert lexical_vectors([]).shape == (0, LEXICAL_DIMENSIONS)
    assert not lexical_vectors([" "]).any()


@pytest.mark.parametrize("text", ["x" * 100_000, "שלום עולם", "🩺💉 🏥", "e\u0301"])
def test_any_text_has_a_vector(text: str) -> None:
    """Very long texts, right-to-left scripts and emoji give unit vectors like any other."""
    assert np.linalg.norm(lexical_vectors([text])) == pytest.approx(1)


def test_hybrid_inner_product_is_half_of_each_cosine() -> None:
    """``u @ v = 0.5 cos_dense + 0.5 cos_lexical``."""
    rng = np.random.default_rng(0)
    dense = unit_rows(rng.normal(size=(4, 7)).astype(np.float32))
    lexical = lexical_vectors(["mri brain", "mri spine", "ct brain", "visit"])
    joined = hybrid_vectors(dense, lexical)
    for i in range(4):
        for j in range(4):
            by_hand = 0.5 * sum(map(float, dense[i] * dense[j])) + 0.5 * sum(map(float, lexical[i] * lexical[j]))
            assert float(joined[i] @ joined[j]) == pytest.approx(by_hand, abs=1e-6)


def test_unit_rows_leaves_zero_rows() -> None:
    """A row is divided by its length; a zero row stays zero."""
    assert unit_rows(np.array([[3, 4], [0, 0]], np.float32)).tolist() == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


@pytest.mark.parametrize("text", ["knee pain " * 900, "a" * 9000, "b" * 4500 + " c " + "d" * 4000, "e " * 4000])
def test_a_long_text_is_hashed_in_pieces(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vector is that of the text in one piece, bit for bit."""
    pieces = lexical_vectors(["short", text])
    monkeypatch.setattr(similarity, "PIECE", len(text))
    assert np.array_equal(pieces, lexical_vectors(["short", text]))


def test_a_long_text_counts_with_its_beginning() -> None:
    """Its first 20,000 characters, in normalised form, so that no text takes longer than these."""
    text = "Knee  pain " * 4000
    assert np.array_equal(lexical_vectors([text]), lexical_vectors([normalise_text(text)[:20_000]]))
    assert not np.array_equal(lexical_vectors(["a" + "b" * 19_999]), lexical_vectors(["a" + "b" * 19_998]))
