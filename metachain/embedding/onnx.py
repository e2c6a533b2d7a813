"""Text embedding with onnxruntime and tokenizers, and the cache of exported models."""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.long_texts import Splitter, pooled
from metachain.embedding.torch_setup import quiet_torch
from metachain.errors import StorageError
from metachain.files import PRIVATE, cache_folder

__all__ = ["ExportError", "OnnxModel", "batches", "exported_model", "kept_model"]

FORMAT = 1
"""Version of the exported model; it goes up with each change of ``onnx_export``."""
TOKENS_A_BATCH = 256
"""Tokens of a batch, padding included; a layer's values of a larger batch exceed the processor's cache."""
FEW_CHARACTERS = 2048
"""Characters of a text that is split into tokens together with others; a longer one's tokens are held on their own."""
_exporting = Lock()


class ExportError(Exception):
    """The model can't be exported to ONNX: PyTorch refuses, or there is no folder to keep it."""


class OnnxModel:
    """A model written by ``onnx_export``, with its tokenizer; threads may share it."""

    def __init__(self, model: bytes, tokenizer: Path, tokens: int) -> None:
        """Load the model and the tokenizer's file; the window is ``tokens`` long, start and end tokens included."""
        import onnxruntime
        from tokenizers import Tokenizer

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads()
        options.inter_op_num_threads = 1
        # On a busy machine, threads that spin while they wait block the core that they wait for.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._splitter = Splitter(self._tokenizer, tokens)
        self._most = tokens

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n ≥ 1 texts; (n, d) float32 rows of unit length, independent of each other.

        Of a text longer than the window, the vectors of its parts are pooled (``long_texts``).
        """
        tokens, tails = self._tokens(texts)
        rows = self._embed(tokens)
        # Each tail is embedded on its own: the last bits of a vector depend on its batch.
        for place, (rest, lengths) in tails.items():
            rows[place] = pooled(np.concatenate([rows[place : place + 1], self._embed(rest)]), lengths)
        return rows

    def _tokens(
        self, texts: Sequence[str]
    ) -> tuple[list[list[int]], dict[int, tuple[list[list[int]], NDArray[np.float64]]]]:
        """Token ids of n texts, of long ones those of the first part; and the long ones' other parts, with all lengths.

        A first part is longer than half the window, so it is alone in its batch, as a long text has always been.
        """
        tokens: list[list[int]] = [[] for _ in texts]
        few = [place for place, text in enumerate(texts) if len(text) <= FEW_CHARACTERS]
        for place, found in zip(few, self._split([texts[place] for place in few]), strict=True):
            tokens[place] = found
        tails = {}
        for place, text in enumerate(texts):
            if len(text) > FEW_CHARACTERS or len(tokens[place]) > self._most:
                parts, lengths = self._splitter.parts(text)
                # A word that was cut may have more tokens than before.
                tokens[place], *rest = (_fitting(one, self._most) for one in self._split(parts))
                if rest:
                    tails[place] = rest, lengths
        return tokens, tails

    def _split(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def _embed(self, tokens: Sequence[list[int]]) -> NDArray[np.float32]:
        parts = batches([len(one) for one in tokens])
        rows = np.concatenate([self._rows([tokens[place] for place in places]) for places in parts])
        ordered = np.empty_like(rows)
        ordered[np.concatenate(parts)] = rows
        return ordered

    def _rows(self, batch: list[list[int]]) -> NDArray[np.float32]:
        identifiers = np.zeros((len(batch), max(map(len, batch))), np.int64)
        mask = np.zeros_like(identifiers)
        for row, tokens in enumerate(batch):
            identifiers[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        (rows,) = self._session.run(None, {"input_ids": identifiers, "attention_mask": mask})
        return np.asarray(rows, np.float32)


def _fitting(tokens: list[int], most: int) -> list[int]:
    """Token ids without those before the end token that are too many."""
    return tokens if len(tokens) <= most else [*tokens[: most - 1], tokens[-1]]


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Positions of n texts in batches, by length; a batch has at most TOKENS_A_BATCH tokens, padding included.

    A longer text has a batch of its own.
    """
    parts: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if parts and (len(parts[-1]) + 1) * lengths[place] <= TOKENS_A_BATCH:
            parts[-1].append(place)
        else:
            parts.append([place])
    return parts


def _threads() -> int:
    """Number of threads: OMP_NUM_THREADS if set, else the number of processors available to this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if asked.isdecimal() and int(asked):
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def kept_model(name: str) -> bytes:
    """Exported model in the cache under ``name``; empty if there is none.

    The file's name ends in its checksum, so a damaged file is detected and removed.
    """
    try:
        paths = sorted(cache_folder().glob(f"{name}-{FORMAT}-*.onnx"))
    except (OSError, StorageError):
        return b""
    return next(filter(None, map(_read_checked, paths)), b"")


def exported_model(folder: Path, name: str) -> bytes:
    """Export the transformer in ``folder`` to ONNX and cache it under ``name``, which must change with the weights.

    Several processes may export at once: the file is written as a whole or not at all. Raises ExportError.
    """
    with _exporting:
        return kept_model(name) or _export(folder, f"{name}-{FORMAT}-")


def _read_checked(path: Path) -> bytes:
    with suppress(OSError):
        model = path.read_bytes()
        if path.stem.endswith("-" + sha256(model).hexdigest()):
            return model
        path.unlink()
    return b""


def _export(folder: Path, stem: str) -> bytes:
    try:
        cache = cache_folder()
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = cache / f".{stem}{secrets.token_hex(8)}.tmp"
        unfinished.touch(PRIVATE, exist_ok=False)
    except (OSError, StorageError) as error:
        raise _unwritable(error) from None
    try:
        model = _exported(folder)
        unfinished.write_bytes(model)
        os.replace(unfinished, cache / f"{stem}{sha256(model).hexdigest()}.onnx")
    except OSError as error:
        raise _unwritable(error) from None
    finally:
        with suppress(OSError):
            unfinished.unlink()
    return model


def _exported(folder: Path) -> bytes:
    try:
        with quiet_torch():
            from metachain.embedding.onnx_export import export

            return export(folder)
    except Exception as error:  # PyTorch's exporter raises many kinds; the model works without it
        raise ExportError(f"PyTorch can't export it to ONNX: {error}") from error


def _unwritable(error: Exception) -> ExportError:
    return ExportError(f"the exported model can't be kept ({error}); set XDG_CACHE_HOME to a folder you may write")
