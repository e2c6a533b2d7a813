"""What past institutions teach about a new one before it has given any label."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from metachain.demonstration import Demonstration
from metachain.errors import DataError, LibraryError, NotFoundError
from metachain.guard import ARMS, LABELS, Draw, arm_scores, best_arm, draws
from metachain.kriging import Settings
from metachain.library import Library
from metachain.pool import Pool, make_pool
from metachain.progress import Progress, silent
from metachain.similarity import hybrid_vectors, lexical_vectors
from metachain.study import Study, institution_rng
from metachain.transfer import transfer_row

__all__ = ["Lesson", "Prior", "learn", "learn_lesson", "load_prior", "pool_of", "rows_to_study", "save_prior"]

MINIMUM_INSTITUTIONS = 2
TRANSFER_ITEMS = 220
FORMAT = "metachain-prior/1"

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Lesson:
    """What the guard learned: which arm to use with labels, and whether to trust the consensus without any."""

    settings: Settings | None
    """None where plain nearest neighbours did best."""
    trusts_consensus: bool
    """False where, without labels, plain nearest neighbours did best."""
    scores: Floats
    """(len(LABELS), len(ARMS)) mean share answered right in rehearsals with 0, 4 and 16 labels; nan without any."""


@dataclass(frozen=True)
class Prior:
    """What a library's institutions teach. Made by ``learn``."""

    institutions: tuple[str, ...]
    """The S institutions that were learned from, in alphabetical order."""
    transfer: Floats
    """(S, S): how well column s answers row u's inputs, in [0, 1]."""
    lesson: Lesson
    fingerprint: str
    """Of the encoder."""


def learn(library: Library, *, progress: Progress = silent) -> Prior:
    """Learn from every institution of a library; no model calls, seconds once texts are embedded.

    Raises DataError where there are fewer than two institutions: with one there is nobody to compare with.
    """
    demonstrations = library.demonstrations()
    pool = pool_of(library, demonstrations, progress=progress)
    if len(pool.institutions) < MINIMUM_INSTITUTIONS:
        held = ", ".join(pool.institutions) or "none"
        raise DataError(f"learning needs demonstrations of at least 2 institutions; the library has: {held}")
    study = Study.of(pool, rows_to_study(pool), progress)
    everyone = np.arange(len(pool.institutions))
    transfer = transfer_matrix(study)
    return Prior(
        pool.institutions, transfer, learn_lesson(study, transfer, everyone, progress), library.encoder.fingerprint
    )


def pool_of(
    library: Library,
    demonstrations: Sequence[Demonstration],
    answers: Sequence[str] = (),
    *,
    progress: Progress = silent,
) -> Pool:
    """Turn demonstrations of a library into arrays, embedding what was never embedded."""
    dense = library.vectors(demonstrations, progress)
    if not len(demonstrations):
        dense = library.encoder.encode([])
    return make_pool(
        demonstrations, hybrid_vectors(dense, lexical_vectors([one.input for one in demonstrations])), answers
    )


def rows_to_study(pool: Pool) -> Rows:
    """Rows that learning asks about: each institution's items for the transfer matrix and its rehearsals."""
    rows = [_transfer_items(pool, number) for number in range(len(pool.institutions))]
    rows += [part for draw in _all_draws(pool) for part in (draw.support, draw.query)]
    return np.unique(np.concatenate(rows)) if rows else np.zeros(0, np.intp)


def transfer_matrix(study: Study) -> Floats:
    """How well institutions' demonstrations answer each other's inputs; (S, S), row u asks and column s answers."""
    everyone = np.arange(len(study.pool.institutions))
    rows = [_transfer_items(study.pool, number) for number in range(len(everyone))]
    return np.stack([transfer_row(study.profile(items, everyone), study.pool.answer[items]) for items in rows])


def learn_lesson(study: Study, transfer: Floats, past: Rows, progress: Progress = silent) -> Lesson:
    """Leave each of the institutions ``past`` out once, and find the arm that serves them best."""
    made = [draw for draw in _all_draws(study.pool) if draw.institution in set(past.tolist())]
    by_labels: dict[int, list[Floats]] = {labels: [] for labels in LABELS}
    for done, draw in enumerate(made if len(past) > 1 else []):
        progress("rehearsing", done, len(made))
        others = past[past != draw.institution]
        by_labels[draw.labels].append(arm_scores(study, draw, others, transfer))
    progress("rehearsing", len(made), len(made))
    unlabelled = by_labels[0]
    labelled = [score for labels in LABELS[1:] for score in by_labels[labels]]
    means = [
        np.mean(by_labels[labels], axis=0) if by_labels[labels] else np.full(len(ARMS), np.nan) for labels in LABELS
    ]
    return Lesson(best_arm(labelled), best_arm(unlabelled) is not None, np.stack(means))


def save_prior(library: Library, prior: Prior) -> None:
    """Store the prior in the library (JSON and npz), replacing the one before."""
    settings = asdict(prior.lesson.settings) if prior.lesson.settings else None
    header = {
        "format": FORMAT,
        "institutions": list(prior.institutions),
        "settings": settings,
        "trusts_consensus": prior.lesson.trusts_consensus,
        "fingerprint": prior.fingerprint,
    }
    library.save("prior", header, {"transfer": prior.transfer, "scores": prior.lesson.scores})


def load_prior(library: Library) -> Prior:
    """Read the library's prior. Raises NotFoundError where there is none, LibraryError for another encoder's."""
    try:
        header, arrays = library.load("prior")
    except NotFoundError:
        raise NotFoundError("the library holds no prior; make one with: metachain learn LIBRARY") from None
    if header.get("format") != FORMAT:
        raise LibraryError(f"the library's prior has format {header.get('format')!r}, expected {FORMAT!r}; learn again")
    try:
        settings = Settings(**header["settings"]) if header["settings"] else None
        lesson = Lesson(settings, header["trusts_consensus"], arrays["scores"])
        prior = Prior(tuple(header["institutions"]), arrays["transfer"], lesson, header["fingerprint"])
    except (KeyError, TypeError) as error:
        raise LibraryError(f"the library's prior is damaged ({error!r}); learn again") from error
    if prior.fingerprint != library.encoder.fingerprint:
        raise LibraryError(
            f"the prior was learned with {prior.fingerprint}, the library is open with "
            f"{library.encoder.fingerprint}; open it with that encoder or learn again"
        )
    return prior


def _transfer_items(pool: Pool, institution: int) -> Rows:
    return institution_rng(pool.institutions[institution]).permutation(pool.rows[institution])[:TRANSFER_ITEMS]


def _all_draws(pool: Pool) -> list[Draw]:
    return [draw for number in range(len(pool.institutions)) for draw in draws(pool, number)]
