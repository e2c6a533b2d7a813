"""One selector for each institution that asks, made when it first does."""

from threading import Lock

from metachain.choosing import checked_shots
from metachain.errors import DataError, NotFoundError
from metachain.library import Library
from metachain.policy import DEFAULT, Policy
from metachain.posterior import Posterior, adapt, load_posterior
from metachain.prior import load_prior
from metachain.selector import Selector

__all__ = ["Selectors"]


class Selectors:
    """The selectors of a library that has learned, at most one for each institution; safe to share among threads.

    A selector is made at an institution's first question and kept. It sees the institution's later labels and feedback;
    of other institutions it knows what the library held when it was made.
    """

    def __init__(self, library: Library, k: int | None = None, policy: Policy = DEFAULT) -> None:
        if not isinstance(library, Library):
            raise DataError(f"'library' must be a metachain Library, got {type(library).__name__}; use Library.open(…)")
        self._library = library
        self._k = None if k is None else checked_shots(k)
        self._policy = policy
        self._made: dict[str, Selector] = {}
        self._making = Lock()

    def of(self, institution: str) -> Selector:
        """The institution's own. Raises NotFoundError where the library has not learned, or does not know it."""
        if institution not in self._made:
            with self._making:
                if institution not in self._made:
                    posterior = _posterior(self._library, institution)
                    self._made[institution] = Selector(self._library, posterior, self._k, self._policy)
        return self._made[institution]


def _posterior(library: Library, institution: str) -> Posterior:
    """What is stored, or made now for an institution that has labels but was never adapted to."""
    prior = load_prior(library, institution)  # before the try: that nothing was learned at all is another error
    try:
        return load_posterior(library, institution)
    except NotFoundError:
        if institution in library.institutions():
            return adapt(prior, library, institution)
        raise NotFoundError(
            f"the library knows no institution {institution!r}: it has no labels and was never adapted to; "
            f"check the name, or adapt first: metachain adapt LIBRARY {institution!r} SUPPORT.jsonl"
        ) from None
