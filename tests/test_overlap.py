"""Bags of words against pair by pair, and against the words themselves."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, briefly

from metachain.metrics import token_f1
from metachain.overlap import bag_f1, word_bags

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["none", "None.", "fever [Sign]", "fever [Sign]; Fever  [sign]", "No fever today.", "today no fever", "0450"]
)
WORDS = st.lists(st.sampled_from(["knee", "Knee", "hurts", "b12", "größe", "..."]), max_size=9).map(" ".join)


@given(st.lists(TEXTS | WORDS, min_size=1, max_size=7), SEEDS, st.integers(0, 3), st.integers(0, 5))
@briefly
def test_bags_have_the_token_f1_of_each_pair(texts: list[str], seed: int, n: int, m: int) -> None:
    """Many pairs at once score what ``token_f1`` says of each, empty bags and repetitions too; nothing scores 0."""
    rng = np.random.default_rng(seed)
    one, others = rng.integers(len(texts), size=n), rng.integers(-1, len(texts), size=(n, m))
    found = bag_f1(word_bags(texts), one, others)
    assert found.shape == (n, m)
    expected = [
        [token_f1(texts[a], texts[b]) if b >= 0 else 0.0 for b in row] for a, row in zip(one, others, strict=True)
    ]
    assert np.allclose(found, np.reshape(expected, (n, m)), rtol=1e-12)


@given(st.lists(WORDS, max_size=6))
@briefly
def test_bags_count_what_two_texts_have_in_common(texts: list[str]) -> None:
    """Products of bags are sizes of the common multisets of words, a bag with itself all its words; 0 and 1 alone."""
    bags = word_bags(texts)
    assert set(bags.toarray().ravel().tolist()) <= {0.0, 1.0}
    words = [re.findall(r"[a-zäöüß0-9]+", text.lower()) for text in texts]
    expected = [[sum(min(a.count(w), b.count(w)) for w in set(a)) for b in words] for a in words]
    assert (bags @ bags.T).toarray().tolist() == expected
