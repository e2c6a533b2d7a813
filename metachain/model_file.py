"""A model as ONNX in the user's cache folder: exported once, and checked whenever it is read."""

import os
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

from metachain.cache_folder import cache_folder
from metachain.errors import StorageError
from metachain.quiet_torch import quiet_torch

__all__ = ["ExportError", "exported_model", "kept_model"]

FORMAT = 1
"""Goes up whenever what ``onnx_export`` writes changes."""

_exporting = Lock()


class ExportError(Exception):
    """A model can't be had as ONNX: there is no place to keep it, or PyTorch can't export it."""


def kept_model(name: str) -> bytes:
    """A model that ``exported_model`` has kept under ``name``; nothing where there is none.

    A file's name ends in its own checksum, so one that is damaged is found out, and removed.
    """
    try:
        paths = sorted(cache_folder().glob(f"{name}-{FORMAT}-*.onnx"))
    except (OSError, StorageError):
        return b""
    return next(filter(None, map(_read, paths)), b"")


def exported_model(folder: Path, name: str) -> bytes:
    """Export the transformer in ``folder`` to ONNX, and keep it under ``name``, which must change with its weights.

    Processes may do so at once: a file is there wholly or not at all. Raises ExportError.
    """
    with _exporting:
        return kept_model(name) or _export(folder, f"{name}-{FORMAT}-")


def _read(path: Path) -> bytes:
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
        unfinished.touch(exist_ok=False)
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
            from metachain.onnx_export import export

            return export(folder)
    except Exception as error:  # whatever PyTorch's exporter raises, the model works without it
        raise ExportError(f"PyTorch can't export it to ONNX: {error}") from error


def _unwritable(error: Exception) -> ExportError:
    return ExportError(f"the exported model can't be kept ({error}); set XDG_CACHE_HOME to a folder you may write")
