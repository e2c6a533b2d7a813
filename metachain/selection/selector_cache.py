"""Cache of selectors: one for each institution, made at its first query."""

from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from threading import Lock
from typing import Any

from metachain.data.metadata.filters import condition_of
from metachain.errors import DataError, NotFoundError
from metachain.learning.artifacts import load_posterior, load_prior
from metachain.learning.institution_state import InstitutionState, SharedPastCache
from metachain.learning.policy import DEFAULT, Policy
from metachain.learning.posterior import Posterior, adapted
from metachain.library.library import Library
from metachain.normal_form import normal_form
from metachain.selection.chooser import checked_shots
from metachain.selection.selector import Selector

__all__ = ["SelectorCache"]

MOST = 1000
"""Maximum number of selectors that are kept."""


class SelectorCache:
    """Selectors of a library with a prior, at most one for each institution; safe to share among threads.

    A selector is made at an institution's first query, and anew after this or another process has stored a prior. It
    uses the institution's later labels and feedback. ``filter`` is as for ``Selector``. With more than 1,000, the one
    that was not asked for longest goes.
    """

    def __init__(
        self,
        library: Library,
        k: int | None = None,
        policy: Policy = DEFAULT,
        filter: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(library, Library):
            raise DataError(f"'library' must be a metachain Library, got {type(library).__name__}; use Library.open(…)")
        self._library = library
        self._k = None if k is None else checked_shots(k)
        self._policy = policy
        if filter is not None:
            condition_of(filter)  # refused at once, not at the first query
        self._filter = filter
        self._selectors: OrderedDict[str, tuple[int, Selector]] = OrderedDict()
        """For each institution, the number of priors stored before its selector was made, and the selector.

        The one that was asked for last comes last.
        """
        self._pasts = SharedPastCache()
        self._making: defaultdict[str, Lock] = defaultdict(Lock)
        self._changing = Lock()

    def of(self, institution: str, *, new: bool = False) -> Selector:
        """Return the selector of an institution; with ``new`` also of one without labels that was never adapted to.

        Raises NotFoundError where the library has no prior, or does not know the institution.
        """
        institution = normal_form(institution)
        learned = self._library.state(institution).learned
        found = self._known(institution, learned)
        if found is None:
            with self._changing:
                making = self._making[institution]
            with making:  # others go on meanwhile
                found = self._known(institution, learned)
                if found is None:
                    posterior, state = self._posterior(institution, new=new)
                    found = Selector(self._library, posterior, self._k, self._policy, self._pasts, state, self._filter)
                    self._keep(institution, learned, found)
        return found

    def _known(self, institution: str, learned: int) -> Selector | None:
        with self._changing:
            known = self._selectors.get(institution)
            if known is None or known[0] < learned:
                return None
            self._selectors.move_to_end(institution)
            return known[1]

    def _keep(self, institution: str, learned: int, selector: Selector) -> None:
        with self._changing:
            self._selectors[institution] = learned, selector
            if len(self._selectors) > MOST:
                forgotten, _ = self._selectors.popitem(last=False)
                self._making.pop(forgotten, None)

    def _posterior(self, institution: str, *, new: bool) -> tuple[Posterior, InstitutionState | None]:
        """Stored posterior, or a new one with its state for an institution with labels that was never adapted to."""
        prior = load_prior(self._library, institution)  # first, so that a library without a prior raises its own error
        try:
            return load_posterior(self._library, institution), None
        except NotFoundError:
            if new or next(self._library.stream(institution), None) is not None:
                state, posterior = adapted(prior, self._library, institution, self._pasts)
                return posterior, state
            raise NotFoundError(
                f"the library knows no institution {institution!r}: it has no labels and was never adapted to; "
                f"check the name, or adapt first: metachain adapt LIBRARY {institution!r} SUPPORT.jsonl"
            ) from None
