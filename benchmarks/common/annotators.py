"""A generated world in which all institutions answer the same texts and differ little, as annotators do."""

import numpy as np

from metachain.data.demonstration import Demonstration

__all__ = ["annotators"]

LABELS = ("favourable", "neutral", "opposed")
WORDS = 40
"""Words of each label's vocabulary."""


def annotators(count: int = 10, texts: int = 40, seed: int = 0) -> list[Demonstration]:
    """Let ``count`` annotators label the same ``texts``; a text has a usual label and one that some give instead.

    How often the second is given depends on the text, and a little on the annotator.
    """
    rng = np.random.default_rng(seed)
    usual = rng.integers(0, len(LABELS), texts)
    other = (usual + rng.integers(1, len(LABELS), texts)) % len(LABELS)
    doubt, lean = rng.beta(1, 2.5, texts), rng.normal(0, 0.1, (count, len(LABELS)))
    made = []
    for number in range(texts):
        own = [f"word {usual[number]}-{word}" for word in rng.integers(0, WORDS, 3)]
        text = ", ".join([*own, *(f"word {word}" for word in rng.integers(0, 10 * WORDS, 4))])
        for who in range(count):
            differs = rng.random() < np.clip(doubt[number] + lean[who, other[number]], 0, 0.9)
            label = LABELS[other[number] if differs else usual[number]]
            made.append(Demonstration(f"annotator {who:02d}", text, label, f"text {number}"))
    return made
