"""Other ways to choose inputs to label, as functions over arrays: each returns positions, best first."""

import numpy as np

__all__ = ["integrated_variance", "k_center", "vote_k"]

NOISE = 0.3
DISCOUNT = 10.0


def vote_k(dense, budget, neighbours=10):
    """Vote-k without a language model (Su et al. 2023, arXiv 2209.01975, section 2.1; "fast vote-k" in their code).

    Every text votes for its nearest neighbours by cosine. Its vote counts ``10^-t``, t the number of its neighbours
    chosen before. Their k = 150 of 3,000 texts is scaled to pools of 150. ``dense`` (n, d) unit vectors.
    """
    n = len(dense)
    cosine = dense @ dense.T
    np.fill_diagonal(cosine, -np.inf)
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, : min(neighbours, n - 1)]
    votes = np.zeros((n, n))
    np.put_along_axis(votes, nearest, 1.0, axis=1)
    chosen, times = [], np.zeros(n)
    for _ in range(min(budget, n)):
        weight = DISCOUNT**-times
        weight[chosen] = 0.0
        score = weight @ votes
        score[chosen] = -1.0
        chosen.append(int(score.argmax()))
        times += votes[:, chosen[-1]]
    return chosen


def k_center(dense, budget):
    """Farthest first (Gonzalez 1985; Sener & Savarese 2018), starting at the most central text; ``dense`` (n, d)."""
    cosine = dense @ dense.T
    chosen = [int(cosine.sum(axis=0).argmax())]
    nearest = cosine[:, chosen[0]].copy()
    while len(chosen) < min(budget, len(dense)):
        nearest[chosen] = np.inf
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, cosine[:, chosen[-1]])
    return chosen


def integrated_variance(kernel, budget):
    """Greedy ``argmax_x Σ_q K(q, x)² / (K(x, x) + 0.3)``, K deflated after each (Seo et al. 2000, eq. 8); (n, n)."""
    left, chosen = kernel.copy(), []
    for _ in range(min(budget, len(kernel))):
        score = (left**2).sum(axis=0) / (np.diag(left) + NOISE)
        score[chosen] = -np.inf
        x = int(score.argmax())
        chosen.append(x)
        left = left - np.outer(left[:, x], left[x]) / (left[x, x] + NOISE)
    return chosen
