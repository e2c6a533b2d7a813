"""Facts about errors for logs: kinds, places and reasons, but no message that may quote a text."""

from collections.abc import Iterator
from traceback import walk_tb

from metachain.errors import StorageError

__all__ = ["causes_of", "facts_of"]

PACKAGE = "metachain"
RAISER = "metachain.library.database.engine"
"""Module that raises all errors of the database, so that the place before it is the one to look at."""


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, and the errors from which it was raised, the first one last."""
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        yield one
        one = one.__cause__


def facts_of(error: BaseException) -> dict[str, str]:
    """Kind, causes and places of an error; the message only of StorageError, which is about the disk or the database.

    ``at`` is the module and line of the innermost code of metachain, ``within`` those of the innermost code of all.
    """
    causes = list(causes_of(error))
    places = [
        (str(frame.f_globals.get("__name__", "?")), line)
        for one in causes
        for frame, line in walk_tb(one.__traceback__)
    ]
    own = [one for one in places if one[0].split(".")[0] == PACKAGE and one[0] != RAISER]
    facts = {"error": type(error).__name__, "cause": " from ".join(map(_kind, causes[1:]))}
    facts |= {"at": _written(own), "within": _written(places)}
    facts |= {"reason": str(error)} if isinstance(error, StorageError) else {}
    return {name: fact for name, fact in facts.items() if fact}


def _kind(error: BaseException) -> str:
    """Name of an error's class, with the code that its database gives."""
    code = getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None)
    return type(error).__name__ + (f" {code}" if code else "")


def _written(places: list[tuple[str, int]]) -> str:
    return f"{places[-1][0]}:{places[-1][1]}" if places else ""
