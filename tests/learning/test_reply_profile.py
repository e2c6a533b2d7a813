"""Reply profiles and all that is read off them, against loops over dictionaries."""

from dataclasses import replace

import numpy as np
import oracles
from hypothesis import given
from hypothesis import strategies as st
from oracles import (
    SEEDS,
    SIZES,
    briefly,
    random_answers,
    random_meaning,
    random_pool,
    random_profile,
    unit_vectors,
)

from metachain.learning.index import InstitutionIndex
from metachain.learning.pool import Pool
from metachain.learning.reply_profile import (
    attention,
    co_treatment_features,
    consensus,
    mean_reply,
    replies_to,
    reply_profile,
)

TEXTS = 4


def renamed(pool: Pool, institution: int, permutation: list[int]) -> np.ndarray:
    """Answer numbers where one institution calls its answers by other names."""
    new = np.array(permutation)[pool.answer]
    return np.where(pool.owner == institution, new, pool.answer)


@given(SEEDS, SIZES, st.integers(1, 9))
@briefly
def test_replies_are_softmax_shares_of_the_nearest(seed: int, sizes: list[int], r: int) -> None:
    """``g_s(x, y)`` and the coverage are those of step A."""
    pool = random_pool(seed, sizes)
    profile, told = random_profile(seed, pool, TEXTS, r)
    dense = profile.replies.toarray().reshape(TEXTS, len(sizes), len(pool.answers))
    for i, text in enumerate(told):
        for s, share in enumerate(text.shares):
            assert np.allclose(dense[i, s], [share.get(y, 0.0) for y in range(len(pool.answers))])
        assert np.allclose(profile.coverage[i], text.coverage)


@given(SEEDS, SIZES)
@briefly
def test_each_reply_is_a_distribution(seed: int, sizes: list[int]) -> None:
    """The shares of one institution's reply are positive and sum to 1, with at most R answers stored."""
    profile, _ = random_profile(seed, random_pool(seed, sizes), TEXTS, 3)
    assert (profile.replies.data > 0).all()
    assert np.allclose(profile.replies.toarray().reshape(TEXTS, len(sizes), -1).sum(axis=2), 1)
    assert (np.diff(profile.replies.indptr) <= 3 * len(sizes)).all()


@given(SEEDS, SIZES)
@briefly
def test_attention_is_a_softmax_of_coverage_and_weights(seed: int, sizes: list[int]) -> None:
    """Attention is ``softmax_s(cov_s / 0.15 + ℓ_s)``; its rows are distributions."""
    profile, told = random_profile(seed, random_pool(seed, sizes), TEXTS)
    weights = np.random.default_rng(seed).normal(size=(TEXTS, len(sizes)))
    expected = [oracles.attention(text, list(row)) for text, row in zip(told, weights, strict=True)]
    assert np.allclose(attention(profile, weights), expected)
    assert np.allclose(attention(profile), [oracles.attention(text) for text in told])
    assert np.allclose(attention(profile).sum(axis=1), 1)


@given(SEEDS, SIZES)
@briefly
def test_the_co_treatment_kernel_compares_replies(seed: int, sizes: list[int]) -> None:
    """ψ·ψ' is ``Σ_s Σ_y sqrt(π_s g_s(y)) sqrt(π'_s g'_s(y))`` for every pair of texts."""
    profile, told = random_profile(seed, random_pool(seed, sizes), TEXTS)
    features = co_treatment_features(profile)
    assert np.allclose((features @ features.T).toarray(), oracles.kernel(told, told))


@given(SEEDS, SIZES)
@briefly
def test_texts_are_treated_alike_where_replies_mean_the_same(seed: int, sizes: list[int]) -> None:
    """Where answers are texts ψ·ψ' is ``Σ_s sqrt(π_s π'_s) cos(mean reply of s, mean reply of s)``."""
    profile, told = random_profile(seed, random_pool(seed, sizes), TEXTS, meaning=random_meaning(seed))
    features = co_treatment_features(profile)
    kernel = (features @ features.T).toarray()
    assert features.shape == (TEXTS, len(sizes) * 3)
    assert np.allclose(kernel, oracles.kernel(told, told), atol=1e-5)
    assert np.allclose(np.diag(kernel), 1, atol=1e-5)
    assert np.linalg.eigvalsh(kernel).min() > -1e-5


@given(SEEDS, SIZES)
@briefly
def test_the_co_treatment_kernel_is_a_kernel(seed: int, sizes: list[int]) -> None:
    """It is symmetric and positive semi-definite, with ones on the diagonal and nothing outside [0, 1]."""
    profile, _ = random_profile(seed, random_pool(seed, sizes), 9)
    features = co_treatment_features(profile)
    kernel = (features @ features.T).toarray()
    assert np.allclose(kernel, kernel.T)
    assert np.allclose(np.diag(kernel), 1)
    assert kernel.min() >= 0
    assert kernel.max() <= 1 + 1e-9
    assert np.linalg.eigvalsh(kernel).min() > -1e-9


@given(SEEDS, SIZES, st.permutations(range(4)), st.data())
@briefly
def test_renaming_one_institutions_answers_leaves_the_kernel(
    seed: int, sizes: list[int], permutation: list[int], data: st.DataObject
) -> None:
    """Whatever names one past institution gives its answers, the same texts are treated alike."""
    pool = random_pool(seed, sizes)
    institution = data.draw(st.integers(0, len(sizes) - 1))
    near = InstitutionIndex(pool).nearest(unit_vectors(seed + 1, TEXTS), 8)
    before, after = (
        co_treatment_features(reply_profile(near, answer, len(pool.answers)))
        for answer in (pool.answer, renamed(pool, institution, permutation))
    )
    assert np.allclose((before @ before.T).toarray(), (after @ after.T).toarray())


def test_the_kernel_tells_apart_what_is_answered_differently() -> None:
    """Two texts that every institution answers differently have nothing in common, two it answers alike have much."""
    pool = random_pool(0, [2, 2], answers=2)
    apart, alike = np.array([0, 1, 0, 1]), np.zeros(4, int)
    near = InstitutionIndex(pool).nearest(pool.vectors[:2], 1)
    for answer, least, most in ((apart, -0.01, 0.6), (alike, 0.9, 1.01)):
        features = co_treatment_features(reply_profile(near, answer, 2))
        assert least < (features @ features.T).toarray()[0, 1] < most


@given(SEEDS, SIZES)
@briefly
def test_consensus_mixes_replies_by_weight(seed: int, sizes: list[int]) -> None:
    """``m(x, ·) = Σ_s π_s(x) g_s(x, ·)``; a mixture of distributions is one."""
    pool = random_pool(seed, sizes)
    profile, told = random_profile(seed, pool, TEXTS)
    weights = attention(profile)
    expected = [oracles.consensus(text, list(row), len(pool.answers)) for text, row in zip(told, weights, strict=True)]
    mixed = consensus(profile, weights)
    assert np.allclose(mixed, expected)
    assert np.allclose(mixed.sum(axis=1), 1)


@given(SEEDS, SIZES)
@briefly
def test_the_mean_reply_is_the_consensus_or_its_mean_vector(seed: int, sizes: list[int]) -> None:
    """``Σ_s π_s g_s(·)`` of labels, ``Σ_s π_s Σ_y g_s(y) φ(y)`` of texts, for weights that need not sum to 1."""
    pool, meaning = random_pool(seed, sizes), random_meaning(seed)
    labels, told = random_profile(seed, pool, TEXTS)
    weights = np.random.default_rng(seed).uniform(size=(TEXTS, len(sizes)))
    of_labels, of_texts = (mean_reply(one, weights) for one in (labels, replace(labels, meaning=meaning)))
    assert (of_labels.shape, of_texts.shape) == ((TEXTS, 4), (TEXTS, 3))
    assert (of_labels.dtype, of_texts.dtype) == (np.float64, np.float64)
    for i, text in enumerate(told):
        shares, vector = [0.0] * 4, [0.0] * 3
        for s, share in enumerate(text.shares):
            for y, g in share.items():
                shares[y] += weights[i, s] * g
                vector = [v + weights[i, s] * g * float(part) for v, part in zip(vector, meaning[y], strict=True)]
        assert np.allclose(of_labels[i], shares)
        assert np.allclose(of_texts[i], vector)


@given(SEEDS, SIZES)
@briefly
def test_replies_to_an_answer_are_its_shares(seed: int, sizes: list[int]) -> None:
    """``g_s(x_i, y_i)`` is read off the profile, 0 where s never gives the answer."""
    pool = random_pool(seed, sizes)
    profile, told = random_profile(seed, pool, TEXTS)
    answer = random_answers(seed, pool, TEXTS)
    expected = [[share.get(int(y), 0.0) for share in text.shares] for text, y in zip(told, answer, strict=True)]
    assert np.allclose(replies_to(profile, answer), expected)


@given(SEEDS, SIZES)
@briefly
def test_replies_that_are_texts_count_by_their_likeness(seed: int, sizes: list[int]) -> None:
    """``Σ_y g_s(x_i, y) max(0, cos(φ(y), φ(y_i)))``, in [0, 1] and never below the share of the answer itself."""
    pool, meaning = random_pool(seed, sizes), random_meaning(seed)
    profile, told = random_profile(seed, pool, TEXTS, meaning=meaning)
    answer = random_answers(seed, pool, TEXTS)
    expected = [
        [oracles.share(text, s, int(y)) for s in range(len(sizes))] for text, y in zip(told, answer, strict=True)
    ]
    found = replies_to(profile, answer)
    assert np.allclose(found, expected, atol=1e-6)
    assert found.max() <= 1 + 1e-6
    assert (found >= replies_to(replace(profile, meaning=None), answer) - 1e-6).all()


def test_texts_of_one_meaning_each_are_labels() -> None:
    """Where no two answers have anything in common, texts are compared and counted as labels are."""
    pool = random_pool(2, [5, 9])
    labels, _ = random_profile(2, pool, TEXTS)
    texts = replace(labels, meaning=np.eye(len(pool.answers), dtype=np.float32))
    answer = random_answers(2, pool, TEXTS)
    assert np.allclose(replies_to(texts, answer), replies_to(labels, answer))
    near = InstitutionIndex(pool).nearest(pool.vectors[:2], 1)
    one, other = (co_treatment_features(reply_profile(near, pool.answer, 4, m)) for m in (None, texts.meaning))
    assert np.allclose(one.toarray(), other.toarray())


def test_taking_texts_takes_their_replies() -> None:
    """``take`` keeps the rows named, in that order, and what answers mean."""
    profile, _ = random_profile(1, random_pool(1, [4, 5]), TEXTS)
    profile = replace(profile, meaning=random_meaning(1))
    taken = profile.take(np.array([3, 1]))
    assert np.array_equal(taken.vote, profile.vote[[3, 1]])
    assert taken.meaning is profile.meaning
    assert np.array_equal(taken.replies.toarray(), profile.replies.toarray()[[3, 1]])
    assert np.array_equal(taken.coverage, profile.coverage[[3, 1]])
