"""Chooses the demonstrations of past institutions, and of its own labels, that an institution should be shown."""

from collections import ChainMap
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock

import numpy as np
from sqlalchemy import Connection

from metachain.data.demonstration import Demonstration
from metachain.embedding.similarity import normalise_text
from metachain.errors import SharingError
from metachain.learning.artifacts import version_of
from metachain.learning.posterior import Posterior, Scene, posterior_of, scene_before
from metachain.learning.ranking import twins
from metachain.library.audit import AuditEntry, new_id
from metachain.library.library import Library
from metachain.library.revisions import State, state_of
from metachain.library.sharing import Sharing
from metachain.selection.chooser import Chooser, Ground, Grounds, Side, checked_shots
from metachain.selection.policy import DEFAULT, Policy
from metachain.selection.selection import Selection
from metachain.timestamps import now

__all__ = ["Selector"]

ATTEMPTS = 5
"""So often a selection is made anew because the rules have changed while it was made."""


class Selector:
    """Selects for one institution: from what others share with it, and from its own as it is now.

    Labels, lists of answers and feedback of the institution that are added to the library later, by anybody, count from
    the next selection on, and so does each change of the sharing rules, the end of a grant, and what is forgotten. Of
    demonstrations that others add later it knows nothing: make another one. ``k`` ≥ 0 is how many demonstrations to
    show at most, the policy's own number where None. Where the library has changed since the posterior was made, the
    posterior is computed anew from the same prior. Safe to share among threads.

    Selectors that are given the same ``grounds`` hold what is shared with all of them once.

    Each selection is an entry of ``library.audit`` before it is handed out, and was permitted in the moment of that
    entry: what the rules have forbidden meanwhile is chosen anew.
    """

    def __init__(
        self,
        library: Library,
        posterior: Posterior,
        k: int | None = None,
        policy: Policy = DEFAULT,
        grounds: Grounds | None = None,
    ) -> None:
        self.policy = policy
        self.k = policy.shots if k is None else checked_shots(k)
        self.institution = posterior.institution
        """Who is asking."""
        self._library = library
        self._prior = posterior.prior
        self._prior_version = version_of(self._prior)
        self._renewing = Lock()
        state = library.state(self.institution)
        self._grounds = grounds or Grounds()
        self._side = self._sided(state, self._ground(state), None, posterior)

    @property
    def posterior(self) -> Posterior:
        """What is known of the institution by now."""
        return self._current().posterior

    @property
    def labels(self) -> tuple[str, ...]:
        """The institution's own known outputs, listed or seen among its labels, in alphabetical order."""
        scene = self._current().scene
        return tuple(sorted({*scene.list_given, *(one.output for one in scene.support.demonstrations)}))

    def select(self, text: str, k: int | None = None, without: Collection[Demonstration] = ()) -> Selection:
        """Choose for one query. Raises DataError where it is not a text or k is negative, and what ``show`` does."""
        return self.show(lambda chooser: [chooser.choose(text, k, without)])[0]

    def select_many(
        self, texts: Sequence[str], k: int | None = None, without: Collection[Demonstration] = ()
    ) -> list[Selection]:
        """Choose for n queries at once: at most k demonstrations each, the best last, and none of ``without``."""
        return self.show(lambda chooser: chooser.choose_many(texts, k, without))

    def show(self, choose: Callable[[Chooser], Sequence[Selection]]) -> list[Selection]:
        """Hand out what ``choose`` decides on, recorded in one transaction; of what else it has tried nothing is kept.

        ``choose`` is asked again where sharing rules, or what is forgotten, change meanwhile. Raises SharingError where
        that goes on, and StorageError where the library can't be written and was not opened with ``audit=False``.
        """
        for _ in range(ATTEMPTS):
            side = self._current()
            drafts = choose(Chooser(side, self._library.encoder, self.policy, self.k))
            selections = [replace(one, id=new_id()) for one in drafts]
            for one in selections:
                _check_shared(one, side)
            entries = [self._entry(one, side) for one in selections]
            if not entries or self._library.audit.record(entries, partial(self._permits, side)):
                return selections
        raise SharingError(
            f"what {self.institution!r} may be shown has changed {ATTEMPTS} times while demonstrations were chosen; "
            "nothing was shown, ask again when the rules have settled"
        )

    def _entry(self, one: Selection, side: Side) -> AuditEntry:
        return AuditEntry(
            one.id,
            now(),
            one.institution,
            self._library.sharing.purpose,
            one.method,
            tuple(shown.key for shown in one.demonstrations),
            side.state.rules,
            self._prior_version,
        )

    def _permits(self, side: Side, connection: Connection) -> bool:
        """Whether the rules that a side was made under are those of now, and nothing was forgotten since."""
        state = state_of(connection, self.institution)
        same = (state.rules, state.forgotten) == (side.state.rules, side.state.forgotten)
        return same and not _has_ended(side)

    def _current(self) -> Side:
        """The side as the library has it now: the same object as long as the library's state is the same."""
        if not self._is_current(self._side):
            with self._renewing:
                # Read before all else, so that what comes in the meantime is seen the next time.
                state = self._library.state(self.institution)
                if not self._is_current(self._side, state):
                    self._side = self._renewed(self._side, state)
        return self._side

    def _is_current(self, side: Side, state: State | None = None) -> bool:
        return side.state == (state or self._library.state(self.institution)) and not _has_ended(side)

    def _renewed(self, side: Side, state: State) -> Side:
        if (state.rules, state.forgotten) == (side.state.rules, side.state.forgotten) and not _has_ended(side):
            return self._sided(state, side.ground, side.scene, side.posterior)
        return self._sided(state, self._ground(state), None, side.posterior)

    def _ground(self, state: State) -> Ground:
        return self._grounds.of(self._prior, self._prior_version, self._library, self.institution, state.forgotten)

    def _sided(self, state: State, ground: Ground, known: Scene | None, posterior: Posterior) -> Side:
        scene = scene_before(ground.past, self._prior, self._library, self.institution, known)
        if posterior.digest != scene.digest:
            posterior = posterior_of(posterior.prior, scene, self.institution)
        support = scene.support
        texts = np.array([normalise_text(one.input) for one in support.demonstrations], object)
        own_twin = twins(support.demonstrations, ChainMap({}, ground.seen), len(ground.twin))
        return Side(state, ground, scene, posterior, texts, own_twin)


def _has_ended(side: Side) -> bool:
    """Whether one of the grants that a side was made under has."""
    until = side.ground.past.shared.until
    return until is not None and Sharing.now() >= until


def _check_shared(one: Selection, side: Side) -> None:
    allowed = side.ground.past.shared.demonstrations | {one.institution}
    for shown in one.demonstrations:
        if shown.institution not in allowed:
            raise SharingError(
                f"demonstration {shown.id!r} of {shown.institution!r} was chosen for {one.institution!r}, "
                "with which it is not shared; nothing was shown. This is a fault of metachain: please report it"
            )
