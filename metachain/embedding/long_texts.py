"""Texts longer than a model's window: they are embedded in parts, and the parts' vectors are pooled.

A part weighs the square root of its number of tokens. With equal weights a short last part would count as much as a
full one, with its length it would count next to nothing (``benchmarks.embedding.long_texts`` compares them).
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metachain.embedding.similarity import unit_rows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["LONGEST", "PARTS", "Splitter", "pooled"]

PARTS = 32
"""Most parts of a text that are embedded; of more, so many are taken evenly from its beginning to its end."""
LONGEST = 1_000_000
"""Characters of a text that are split into tokens; of a longer one its two ends, half each."""
logger = logging.getLogger(__name__)


class Splitter:
    """Splits texts by a tokenizer into parts that fit into a model's window; threads may share it."""

    def __init__(self, tokenizer: "Tokenizer", window: int) -> None:
        """Take a copy of the tokenizer. ``window`` counts tokens, those at the start and the end included."""
        self._tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._most = max(1, window - self._tokenizer.num_special_tokens_to_add(False))

    def parts(self, text: str) -> tuple[list[str], NDArray[np.float64]]:
        """Parts of a text, in order, and their numbers of tokens (n,); one part where the text fits.

        A part ends between words where its second half has such a place. There are at most 32 parts.
        """
        if len(text) > LONGEST:
            text = f"{text[: LONGEST // 2]} {text[-(LONGEST // 2) :]}"
        spans = self._tokenizer.encode(text, add_special_tokens=False).offsets
        if len(spans) <= self._most:
            return [text], np.array([float(max(1, len(spans)))])
        ends = _ends(spans, self._most)
        bounds = list(zip([0, *ends], ends, strict=False))
        if len(bounds) > PARTS:
            logger.warning("a text of %d tokens is embedded by %d of its %d parts", len(spans), PARTS, len(bounds))
            bounds = [bounds[place] for place in np.linspace(0, len(bounds) - 1, PARTS).round().astype(int)]
        texts = [text[spans[start][0] : spans[end - 1][1]] for start, end in bounds]
        return texts, np.array([float(end - start) for start, end in bounds])


def pooled(rows: NDArray[np.float32], lengths: NDArray[np.float64]) -> NDArray[np.float32]:
    """Unit vector (d,) of a text, from those of its n parts (n, d) and their numbers of tokens (n,)."""
    return np.asarray(unit_rows(np.asarray(np.sqrt(lengths) @ rows, np.float32)[None])[0], np.float32)


def _ends(spans: Sequence[tuple[int, int]], most: int) -> list[int]:
    """Numbers of tokens up to the end of each part, given each token's first character and the one after its last."""
    ends, start = [], 0
    while len(spans) - start > most:
        full = start + most
        between = (end for end in range(full, start + most // 2, -1) if spans[end - 1][1] < spans[end][0])
        start = next(between, full)
        ends.append(start)
    return [*ends, len(spans)]
