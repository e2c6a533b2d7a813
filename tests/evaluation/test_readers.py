"""Each named reader against doing it query by query, with loops."""

from collections import Counter

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import SEEDS, BagOfWords, briefly

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import hybrid_vectors, lexical_vectors
from metachain.evaluation.readers import READERS, Prompt
from metachain.learning.pool import Pool, make_pool

ROOMS = ("clinic visit", "clinic visit long", "telehealth visit", "ward night", "ward night and day", "ward")


def pool_of(texts: tuple[str, ...], answers: tuple[str, ...]) -> Pool:
    """One institution's demonstrations, in this order."""
    made = [
        Demonstration("h", text, answer, f"{n:03}") for n, (text, answer) in enumerate(zip(texts, answers, strict=True))
    ]
    return make_pool(made, hybrid_vectors(BagOfWords().encode(texts), lexical_vectors(texts)))


def read(name: str, pool: Pool, query: list[int], shown: list[list[int]]) -> list[int]:
    """What a reader answers; ``shown`` best first."""
    found: list[int] = READERS[name](Prompt.of(pool, np.array(query), np.array(shown, np.intp))).tolist()
    return found


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of two unit vectors, number by number."""
    return sum(float(a) * float(b) for a, b in zip(one, other, strict=True))


def slow(name: str, pool: Pool, query: int, shown: list[int]) -> int:
    """One reader's answer to one query, from its definition; -1 where nothing is shown."""
    prompt = [row for row in reversed(shown) if row >= 0]
    texts = [one.input for one in pool.demonstrations]
    answers = [int(pool.answer[row]) for row in prompt]
    lexical, dense = lexical_vectors(texts), BagOfWords().encode(texts)
    by_letters = [cosine(lexical[query], lexical[row]) for row in prompt]
    by_words = [cosine(dense[query], dense[row]) for row in prompt]
    if not prompt:
        return -1
    if name == "vote":
        return oracles.vote(by_letters, answers)
    if name == "dense":
        return oracles.vote(by_words, answers)
    if name == "copy":
        return answers[-1]
    count, best = Counter(answers), -1
    for place in range(len(prompt)):
        key = (count[answers[place]], round((by_letters[place] + by_words[place]) / 2, 4))
        if best < 0 or key >= (count[answers[best]], round((by_letters[best] + by_words[best]) / 2, 4)):
            best = place
    return answers[best]


@pytest.mark.parametrize("name", READERS)
@given(SEEDS, st.integers(1, 6))
@briefly
def test_every_reader_is_its_definition(name: str, seed: int, m: int) -> None:
    """For random answers and random choices, some of fewer than m, each reader answers as the slow one does."""
    rng = np.random.default_rng(seed)
    pool = pool_of(ROOMS, tuple(f"room {number}" for number in rng.integers(3, size=len(ROOMS))))
    shown = [rng.permutation(len(ROOMS))[:m].tolist() for _ in range(5)]
    for rows in shown:
        fewer = int(rng.integers(m + 1))
        rows[fewer:] = [-1] * (m - fewer)
    query = rng.integers(len(ROOMS), size=5).tolist()
    assert read(name, pool, query, shown) == [slow(name, pool, q, rows) for q, rows in zip(query, shown, strict=True)]


def test_the_readers_differ() -> None:
    """By hand: three demonstrations far from the query outvote one that is its very text, but not for ``vote``."""
    pool = pool_of(("blood count", "hip", "leg", "arm", "blood count"), ("lab", "bone", "bone", "limb", "lab"))
    lab, bone, limb = (pool.answers.index(name) for name in ("lab", "bone", "limb"))
    answered = {name: read(name, pool, [4], [[3, 0, 1, 2]]) for name in READERS}
    assert answered == {"vote": [lab], "majority": [bone], "copy": [limb], "dense": [lab]}


def test_letters_and_meaning_can_disagree() -> None:
    """``dense`` follows the embedding and ``vote`` the letters."""
    texts = ("cardiac echo", "heart scan", "cardiac echoes")
    dense = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    made = [Demonstration("h", text, f"code {n}", str(n)) for n, text in enumerate(texts)]
    pool = make_pool(made, hybrid_vectors(dense, lexical_vectors(texts)))
    assert (read("vote", pool, [2], [[0, 1]]), read("dense", pool, [2], [[0, 1]])) == ([0], [1])


def test_a_tie_of_the_majority_goes_to_the_nearer() -> None:
    """Of answers shown once each, the one whose demonstration is nearest wins, wherever it stands."""
    pool = pool_of(("hip", "knee joint", "arm", "knee joint left"), ("a", "b", "c", "d"))
    for shown in ([0, 1, 2], [1, 2, 0], [2, 0, 1]):
        assert read("majority", pool, [3], [shown]) == [1]


@pytest.mark.parametrize("name", ["vote", "majority", "dense", "copy"])
def test_the_best_is_shown_last_and_decides(name: str) -> None:
    """Of two demonstrations as similar to the query as each other, the one that a selector put first decides."""
    pool = pool_of(("xray chest", "xray chest", "xray chest today"), ("answer 0", "answer 1", "answer 2"))
    assert read(name, pool, [2, 2], [[0, 1], [1, 0]]) == [0, 1]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("shown", [np.zeros((3, 0), np.intp), np.full((3, 4), -1)])
def test_nothing_shown_nothing_answered(name: str, shown: np.ndarray) -> None:
    """Without demonstrations every reader answers -1."""
    pool = pool_of(ROOMS, ROOMS)
    assert READERS[name](Prompt.of(pool, np.arange(3), shown)).tolist() == [-1, -1, -1]


def test_the_default_comes_first() -> None:
    """The vote is the reader of every run that names none."""
    assert list(READERS) == ["vote", "majority", "copy", "dense"]
