"""Choice of the number of hashed n-gram dimensions and of idf, on the development hospitals.

    python -m benchmarks.embedding.ngram_dimensions DATA.jsonl [LIBRARY]

Prints, for each form of the lexical half of the similarity, the share of queries with a right most expected answer,
with 0, 4, 16 and 32 labels: the mean over development hospitals and two supports, each hospital's group held out.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer

from benchmarks.common.hospital_split import development_hospitals
from metachain import Library, read_demonstrations
from metachain.embedding.similarity import hybrid_vectors, normalise_text, unit_rows
from metachain.learning.episodes import rng_for
from metachain.learning.gaussian_process import Settings, fit, predict
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import make_pool
from metachain.learning.prior import transfer_matrix
from metachain.learning.transfer import prior_log_weights

LABELS = (0, 4, 16, 32)
FORMS = ((128, False), (256, False), (512, False), (1024, False), (2048, False), (2048, True))
SETTINGS = Settings(belief=1.0, scale=0.3, slip=0.05)


def lexical(texts, dimensions, with_idf):
    """Hashed character 2-4-grams of n texts, as in ``metachain.embedding.similarity``; (n, dimensions)."""
    hashing = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=dimensions, norm=None)
    counts = hashing.transform([normalise_text(text) for text in texts])
    counts.data = np.sign(counts.data) * np.log1p(np.abs(counts.data))
    if with_idf:
        present = np.bincount(counts.indices, minlength=dimensions)
        counts.data *= np.log((1 + len(texts)) / (1 + present))[counts.indices] + 1
    return unit_rows(counts.toarray().astype(np.float32))


def accuracy(pool, targets, groups):
    """Mean share of right answers at each label count; (len(LABELS),)."""
    study = NeighbourTable.of(pool, np.arange(len(pool.owner)))
    transfer = transfer_matrix(study)
    scores = []
    for target in targets:
        past = np.flatnonzero(groups != groups[target])
        weights = prior_log_weights(transfer, past)
        for seed in range(2):
            rows = rng_for(pool.institutions[target], 7, seed).permutation(pool.rows[target])
            query = rows[max(LABELS) : max(LABELS) + 100]
            texts = study.profile(query, past)
            row = []
            for k in LABELS:
                fitted = fit(study.profile(rows[:k], past), pool.answer[rows[:k]], weights, SETTINGS)
                row.append((predict(fitted, texts).argmax(axis=1) == pool.answer[query]).mean())
            scores.append(row)
    return np.mean(scores, axis=0)


def main(data, library_path):
    """Print one row a form."""
    demonstrations = read_demonstrations(data)
    with Library.open(library_path) as library:
        dense = library.vectors(demonstrations)
    development = set(development_hospitals(demonstrations))
    print("dimensions  idf   " + "  ".join(f"{k:>2} labels" for k in LABELS))
    for dimensions, with_idf in FORMS:
        own = lexical([one.input for one in demonstrations], dimensions, with_idf)
        pool = make_pool(demonstrations, hybrid_vectors(dense, own))
        group = {one.institution: one.metadata["group"] for one in demonstrations}
        groups = np.array([group[name] for name in pool.institutions])
        targets = [number for number, name in enumerate(pool.institutions) if name in development]
        found = "     ".join(f"{score:.3f}" for score in accuracy(pool, targets, groups))
        print(f"{dimensions:>10}  {'yes' if with_idf else 'no ':<4}  {found}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp()) / "vectors.db")
