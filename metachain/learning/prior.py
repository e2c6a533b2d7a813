"""The prior: everything learned from training institutions (past institutions) before the target has any label."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metachain.errors import DataError, SharingError
from metachain.learning.calibration import calibrated
from metachain.learning.changes.of_past import PastChanges, past_changes
from metachain.learning.episodes import FEWEST, LABELS, all_episodes, episodes_of, transfer_items
from metachain.learning.gaussian_process import PLAIN
from metachain.learning.guard import (
    ARMS,
    UNLEARNED_SHARPNESS,
    GuardResult,
    arm_scores,
    best_arm,
    flattest,
    likeliest_answers,
    mean_scores,
    sharpness_scores,
)
from metachain.learning.neighbours import NeighbourTable
from metachain.learning.pool import Pool
from metachain.learning.shared_past import pool_of, read_shared_past, released_demonstrations
from metachain.learning.site_statistics import Contribution, Sources, contribution_of
from metachain.learning.transfer import transfer_row
from metachain.library.library import Library
from metachain.library.origins import Reach
from metachain.normal_form import normal_form
from metachain.progress import Progress, silent

__all__ = ["MINIMUM", "GuardResult", "Prior", "learn", "learned_from", "rows_to_look_up", "run_guard", "sources_of"]
__all__ += ["statistics_of", "transfer_matrix", "version_of"]

VERSION_DIGITS = 16
MINIMUM = 3
"""Default minimum number of institutions to learn from."""

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Prior:
    """Everything learned from a library's institutions. Made by ``learn``."""

    institutions: tuple[str, ...]
    """The S institutions that gave their demonstrations, in alphabetical order."""
    transfer: Floats
    """(S + T, S) share, in [0, 1], of right answers in column s's replies to row u's inputs; contributors come last."""
    lesson: GuardResult
    fingerprint: str
    """Fingerprint of the encoder."""
    contributors: tuple[str, ...] = ()
    """The T institutions that gave statistics only, in alphabetical order."""
    until: int | None = None
    """Number of changes of demonstrations when it was learned; later demonstrations are not shown. None shows all."""
    changes: PastChanges = field(default_factory=PastChanges)
    """Changes of the S institutions. What is outdated is neither learned from nor shown."""

    @cached_property
    def key(self) -> bytes:
        """SHA-256 of all that a posterior depends on; O(S²), so computed once."""
        found: bytes = self.hash().digest()
        return found

    def hash(self) -> Any:
        """Return a ``hashlib`` SHA-256 hash of everything in the prior that a posterior depends on."""
        named = repr((self.fingerprint, self.institutions, self.lesson.settings)).encode()
        return sha256(named + self.transfer.tobytes())


def version_of(prior: Prior) -> str:
    """Version of a prior: 16 hexadecimal digits, equal for equal priors, learned or read back; O(S²), so keep it."""
    lesson = asdict(prior.lesson)
    scores = lesson.pop("scores")
    if prior.lesson.settings:
        lesson["settings"] = prior.lesson.settings.stored()
    if prior.lesson.sharpness == UNLEARNED_SHARPNESS:
        del lesson["sharpness"]  # so that priors from before it keep their version
    parts: list[object] = [prior.fingerprint, prior.institutions, prior.contributors, lesson]
    if prior.changes.outdated:
        parts.append({name: sorted(ids) for name, ids in prior.changes.outdated.items()})
    digest = sha256(json.dumps(parts, sort_keys=True).encode() + prior.transfer.tobytes() + scores.tobytes())
    return digest.hexdigest()[:VERSION_DIGITS]


def learn(
    library: Library,
    institution: str | None = None,
    *,
    statistics: Sequence[Contribution] = (),
    minimum: int = MINIMUM,
    progress: Progress = silent,
) -> Prior:
    """Learn from the demonstrations and statistics that a library's institutions share.

    Makes no model calls, and takes seconds once texts are embedded. Uses what is shared with everyone, also with a new
    institution; with ``institution`` given, what is shared with this one, without its own. Institutions that share only
    their statistics count in the guard and are never searched or shown. So do institutions elsewhere with
    ``statistics``, if a rule lets this library use them (``metachain share LIBRARY NAME --statistics everyone``).
    ``minimum`` and errors are those of ``learned_from``; also raises SharingError for statistics that are not shared.
    """
    institution = None if institution is None else normal_form(institution)
    shared = library.sharing.usable_by(institution)
    present = set(library.institutions()) - {institution}
    released = set(library.counts(Reach(tuple(present), tuple(shared.live))))
    unshared = sorted({one.institution for one in statistics} - shared.statistics)
    if unshared:
        raise SharingError(
            f"no rule of this library lets the statistics of {unshared[0]!r} be learned from; state it: "
            f"metachain share LIBRARY {unshared[0]!r} --statistics everyone"
        )
    sources = sorted(shared.demonstrations & released)
    given = {one.institution for one in statistics}
    private = sorted((shared.statistics - shared.demonstrations - given) & released)
    silent = sorted(present - shared.statistics)
    if silent and len(sources) + len(private) + len(given) < minimum:
        raise DataError(
            f"learning needs at least {minimum} institutions; {len(silent)} of the library have no rule that lets it "
            f"learn from them, such as {silent[0]!r}: metachain share LIBRARY --all --with everyone"
        )
    return learned_from(
        library, sources, private, statistics=statistics, live=shared.live, minimum=minimum, progress=progress
    )


def learned_from(
    library: Library,
    sources: Sequence[str],
    private: Sequence[str] = (),
    *,
    statistics: Sequence[Contribution] = (),
    live: Collection[str] = (),
    minimum: int = MINIMUM,
    progress: Progress = silent,
) -> Prior:
    """Learn from the demonstrations of the institutions ``sources`` of a library, and from statistics of others.

    The others are ``private`` institutions of the library, with demonstrations that are measured and never searched or
    shown, and institutions elsewhere with ``statistics``. The result is the same for either kind, in any order.
    Calibrations are learned only from the episodes (rehearsals) of the sources. Demonstrations that nobody released
    count for the institutions ``live`` alone.

    Raises DataError where sources and contributors together are fewer than ``minimum`` (2 or more), where an
    institution comes twice, and for statistics that were measured against other demonstrations or by another method;
    NotFoundError for an institution that is not in the library.
    """
    contributors = [*private, *(one.institution for one in statistics)]
    _check_institutions(sources, contributors, minimum)
    shared = sources_of(library, sources, progress, live)
    for one in statistics:
        one.check_beside(shared)
    measured = [contribution_of(shared, _own(library, name, shared, progress), progress) for name in private]
    given = sorted([*measured, *statistics], key=lambda one: one.institution)
    transfer = np.concatenate([shared.transfer, *(np.array([one.transfer]) for one in given)])
    lesson = run_guard(shared.table, transfer, np.arange(len(shared.institutions)), progress, given)
    named = tuple(one.institution for one in given)
    return Prior(shared.institutions, transfer, lesson, shared.fingerprint, named, shared.until, shared.changes)


def statistics_of(
    library: Library, institution: str, sources: Sequence[str] | None = None, *, progress: Progress = silent
) -> Contribution:
    """Measure an institution's statistics against those that share with it, for ``learn`` on another machine.

    ``sources`` names the sharing institutions to use; None for all. Their demonstrations must be the same as there.
    Raises NotFoundError where one has no demonstrations in the library, DataError where there is no source.
    """
    released_demonstrations(library, Reach((institution,)))
    sharing = library.sharing.usable_by(institution).demonstrations & set(library.institutions())
    others = [name for name in (sorted(sharing) if sources is None else sources) if name != institution]
    if not others:
        raise DataError(f"nobody in the library shares with {institution!r}; add the shared demonstrations (--share)")
    shared = sources_of(library, others, progress)
    return contribution_of(shared, _own(library, institution, shared, progress), progress)


def sources_of(
    library: Library, institutions: Sequence[str], progress: Progress = silent, live: Collection[str] = ()
) -> Sources:
    """Index and measure institutions of a library that share their demonstrations.

    Those of ``live`` share also what nobody has released. Raises DataError for no institution, NotFoundError for one
    without demonstrations that may be used.
    """
    if not institutions:
        raise DataError("there is no institution whose demonstrations may be used; add or share some")
    reach = Reach(tuple(sorted(institutions)), tuple(sorted(live))).among(institutions)
    read = partial(released_demonstrations, library, reach)
    past = read_shared_past(library, reach, None, read, progress)
    changes = past_changes(library, past.pool)
    if changes.outdated:
        past = read_shared_past(library, reach, None, read, progress, changes.outdated)
    table = NeighbourTable.of(past.pool, rows_to_look_up(past.pool), progress, past.index)
    return Sources(table, past.index, transfer_matrix(table), library.encoder.fingerprint, past.version.until, changes)


def rows_to_look_up(pool: Pool) -> Rows:
    """Rows that learning needs: each institution's items for the transfer matrix and for its episodes."""
    rows = [transfer_items(pool, number) for number in range(len(pool.institutions))]
    everyone = np.arange(len(pool.institutions))
    episodes = [one for number in everyone for one in episodes_of(pool, int(number), everyone)]
    rows += [part for one in episodes for part in (one.support, one.query)]
    return np.unique(np.concatenate(rows)) if rows else np.zeros(0, np.intp)


def transfer_matrix(table: NeighbourTable) -> Floats:
    """Transfer matrix (S, S): share, in [0, 1], of the right answers in column s's replies to row u's inputs."""
    everyone = np.arange(len(table.pool.institutions))
    rows = [transfer_items(table.pool, number) for number in range(len(everyone))]
    return np.stack([transfer_row(table.profile(items, everyone), table.pool.answer[items]) for items in rows])


def run_guard(
    table: NeighbourTable,
    transfer: Floats,
    past: Rows,
    progress: Progress = silent,
    contributions: Sequence[Contribution] = (),
) -> GuardResult:
    """Hold out each of the institutions ``past``, and find the arm with the best mean score.

    Each is held out twice: alone, and together with those that answer alike, because a new institution may resemble
    none in the library. The episodes behind ``contributions`` count equally for the arms. They hold no probabilities,
    so calibrations are learned from ``past`` only.
    """
    episodes = all_episodes(table.pool, transfer, past)
    by_labels: dict[int, list[Floats]] = {labels: [] for labels in LABELS}
    for done, episode in enumerate(episodes):
        progress("rehearsing", done, len(episodes))
        by_labels[episode.labels].append(arm_scores(table, episode, transfer))
    progress("rehearsing", len(episodes), len(episodes))
    sums = sum((one.sums for one in contributions), np.zeros((len(LABELS), len(ARMS))))
    further = sum(one.rehearsals for one in contributions)
    means = [mean_scores(by_labels[labels], total, further) for labels, total in zip(LABELS, sums, strict=True)]
    labelled = [score for labels in LABELS[1:] for score in by_labels[labels]]
    settings = best_arm(labelled, sums[1:].sum(axis=0), further * len(LABELS[1:]))
    trusts_consensus = best_arm(by_labels[0], sums[0], further) is not None
    lesson = GuardResult(settings, trusts_consensus, np.stack(means))
    if table.pool.meaning is not None:
        return lesson
    used = settings or PLAIN
    forecasts = [likeliest_answers(table, one, transfer, used) for one in episodes]
    lesson = replace(
        lesson,
        unlabelled=calibrated([one for one in forecasts if not one.labels]),
        labelled=calibrated([one for one in forecasts if one.labels]),
    )
    learned = [one for one in episodes if lesson.admits(one.labels)]
    scores = [sharpness_scores(table, one, transfer, used, lesson.calibration(one.labels)) for one in learned]
    return replace(lesson, sharpness=flattest(scores))


def _own(library: Library, institution: str, sources: Sources, progress: Progress) -> Pool:
    own = released_demonstrations(library, Reach((institution,)))
    outdated = past_changes(library, pool_of(library, own, progress=progress)).outdated.get(institution, ())
    kept = [one for one in own if one.id not in outdated]
    return pool_of(library, kept, sources.table.pool.answers, progress=progress)


def _check_institutions(sources: Sequence[str], contributors: Sequence[str], minimum: int) -> None:
    if not isinstance(minimum, int) or minimum < FEWEST:
        raise DataError(f"'minimum' must be a whole number of at least {FEWEST}, got {minimum!r}")
    everyone = sorted([*sources, *contributors])
    for one, other in pairwise(everyone):
        if one == other:
            raise DataError(f"{one!r} comes twice: an institution is learned from by its demonstrations or one file")
    if len(everyone) < minimum:
        found = f"{len(everyone)} ({', '.join(everyone[:8])})" if everyone else "none"
        risk = f", or take the risk with minimum={len(everyone)} (--minimum {len(everyone)})"
        raise DataError(
            f"learning needs at least {minimum} institutions, with those that give statistics only; there are {found}. "
            f"Add some{risk if len(everyone) >= FEWEST else ''}"
        )
