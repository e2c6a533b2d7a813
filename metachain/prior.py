"""What past institutions teach about a new one before it has given any label."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metachain.calibration import UNCALIBRATED, Calibration
from metachain.demonstration import Demonstration
from metachain.errors import DataError, LibraryError, NotFoundError
from metachain.guard import ARMS, LABELS, Draw, arm_scores, best_arm, draws, shown_probabilities
from metachain.kriging import PLAIN, Settings
from metachain.library import Library
from metachain.pool import Pool, make_pool
from metachain.progress import Progress, silent
from metachain.similarity import hybrid_vectors, lexical_vectors
from metachain.study import Study, institution_rng
from metachain.transfer import transfer_row

__all__ = [
    "Lesson",
    "Prior",
    "learn",
    "learn_lesson",
    "load_prior",
    "pool_of",
    "rehearsals",
    "rows_to_study",
    "save_prior",
]

MINIMUM_INSTITUTIONS = 2
TRANSFER_ITEMS = 220
FORMAT = "metachain-prior/2"
ALIKE = 0.6
"""Transfer from which two institutions are said to answer as one."""

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
    """(len(LABELS), len(ARMS)) mean score with 0, 4 and 16 labels rehearsed (``guard.arm_scores``); nan without any."""
    unlabelled: Calibration = UNCALIBRATED
    """Of the probabilities shown without labels."""
    labelled: Calibration = UNCALIBRATED
    """Of the probabilities shown with labels."""

    def calibration(self, labels: int) -> Calibration:
        """How probabilities shown with so many labels are calibrated."""
        return self.labelled if labels else self.unlabelled


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


def rehearsals(pool: Pool, transfer: Floats, past: Rows) -> list[tuple[Draw, Rows]]:
    """Every draw of the institutions ``past`` beside the others it learns from: all, and those unlike it."""
    made = []
    for number in past if len(past) > 1 else ():
        others = past[past != number]
        unlike = others[(transfer[number, others] + transfer[others, number]) / 2 < ALIKE]
        for draw in draws(pool, int(number)):
            made.append((draw, others))
            if MINIMUM_INSTITUTIONS <= len(unlike) < len(others):
                made.append((draw, unlike))
    return made


def learn_lesson(study: Study, transfer: Floats, past: Rows, progress: Progress = silent) -> Lesson:
    """Leave each of the institutions ``past`` out, and find the arm that serves them best.

    Each is left out twice: alone, and together with those that answer as it does, for nobody knows whether a new
    institution will resemble any that is there.
    """
    made = rehearsals(study.pool, transfer, past)
    by_labels: dict[int, list[Floats]] = {labels: [] for labels in LABELS}
    for done, (draw, others) in enumerate(made):
        progress("rehearsing", done, len(made))
        by_labels[draw.labels].append(arm_scores(study, draw, others, transfer))
    progress("rehearsing", len(made), len(made))
    means = [
        np.mean(by_labels[labels], axis=0) if by_labels[labels] else np.full(len(ARMS), np.nan) for labels in LABELS
    ]
    settings = best_arm([score for labels in LABELS[1:] for score in by_labels[labels]])
    trusts_consensus = best_arm(by_labels[0]) is not None
    lesson = Lesson(settings, trusts_consensus, np.stack(means))
    if study.pool.meaning is not None:
        return lesson
    shown = [
        (draw.labels, shown_probabilities(study, draw, others, transfer, settings or PLAIN)) for draw, others in made
    ]
    return replace(
        lesson,
        unlabelled=_calibration([one for labels, one in shown if not labels]),
        labelled=_calibration([one for labels, one in shown if labels]),
    )


def save_prior(library: Library, prior: Prior) -> None:
    """Store the prior in the library (JSON and npz), replacing the one before."""
    settings = asdict(prior.lesson.settings) if prior.lesson.settings else None
    header = {
        "format": FORMAT,
        "institutions": list(prior.institutions),
        "settings": settings,
        "trusts_consensus": prior.lesson.trusts_consensus,
        "unlabelled": asdict(prior.lesson.unlabelled),
        "labelled": asdict(prior.lesson.labelled),
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
        calibrations = Calibration(**header["unlabelled"]), Calibration(**header["labelled"])
        lesson = Lesson(settings, header["trusts_consensus"], arrays["scores"], *calibrations)
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


def _calibration(shown: Sequence[tuple[Floats, NDArray[np.bool_]]]) -> Calibration:
    if not shown:
        return UNCALIBRATED
    probability, right = zip(*shown, strict=True)
    return Calibration.learn(np.concatenate(probability), np.concatenate(right))


def _all_draws(pool: Pool) -> list[Draw]:
    return [draw for number in range(len(pool.institutions)) for draw in draws(pool, number)]
