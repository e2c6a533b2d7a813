"""One selector for each institution, made at its first query."""

from threading import Lock

from metachain.errors import DataError, NotFoundError
from metachain.learning.artifacts import load_posterior, load_prior
from metachain.learning.institution_state import SharedPastCache
from metachain.learning.policy import DEFAULT, Policy
from metachain.learning.posterior import Posterior, adapt
from metachain.library.library import Library
from metachain.selection.chooser import checked_shots
from metachain.selection.selector import Selector

__all__ = ["SelectorCache"]


class SelectorCache:
    """The selectors of a library that has learned, at most one for each institution; safe to share among threads.

    A selector is made at an institution's first question, and anew when a prior was stored meanwhile, by whichever
    process. It sees the institution's later labels and feedback; of other institutions it knows what the library held
    when it was made.
    """

    def __init__(self, library: Library, k: int | None = None, policy: Policy = DEFAULT) -> None:
        if not isinstance(library, Library):
            raise DataError(f"'library' must be a metachain Library, got {type(library).__name__}; use Library.open(…)")
        self._library = library
        self._k = None if k is None else checked_shots(k)
        self._policy = policy
        self._made: dict[str, tuple[int, Selector]] = {}
        """With how often a prior had been stored before it was made."""
        self._pasts = SharedPastCache()
        self._making = Lock()

    def of(self, institution: str) -> Selector:
        """The institution's own. Raises NotFoundError where the library has not learned, or does not know it."""
        learned = self._library.state(institution).learned
        known = self._made.get(institution)
        if known is None or known[0] < learned:
            with self._making:
                known = self._made.get(institution)
                if known is None or known[0] < learned:
                    posterior = self._posterior(institution)
                    known = learned, Selector(self._library, posterior, self._k, self._policy, self._pasts)
                    self._made[institution] = known
        return known[1]

    def _posterior(self, institution: str) -> Posterior:
        """What is stored, or made now for an institution that has labels but was never adapted to."""
        prior = load_prior(self._library, institution)  # first: that nothing was learned at all is another error
        try:
            return load_posterior(self._library, institution)
        except NotFoundError:
            if next(self._library.stream(institution), None) is not None:
                return adapt(prior, self._library, institution, self._pasts)
            raise NotFoundError(
                f"the library knows no institution {institution!r}: it has no labels and was never adapted to; "
                f"check the name, or adapt first: metachain adapt LIBRARY {institution!r} SUPPORT.jsonl"
            ) from None
