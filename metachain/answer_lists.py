"""Which answers an institution gives at all, such as its list of codes; kept among a library's artefacts."""

from collections.abc import Iterable

from metachain.artifacts import Artifacts
from metachain.demonstration import check_text
from metachain.erasure import ANSWERS
from metachain.errors import DataError, LibraryError, NotFoundError

__all__ = ["list_answers", "listed_answers"]


def list_answers(artifacts: Artifacts, institution: str, answers: Iterable[str]) -> tuple[str, ...]:
    """Store a list, replacing the one before; see ``Library.list_answers``."""
    check_text("institution", institution)
    if isinstance(answers, str):
        raise DataError("answers must be a list of texts, got a single string")
    given = list(answers)
    for position, answer in enumerate(given):
        check_text(f"answers[{position}]", answer)
    names = sorted(set(given))
    artifacts.save(f"{ANSWERS}{institution}", {"answers": names}, {}, [institution])
    return tuple(names)


def listed_answers(artifacts: Artifacts, institution: str) -> tuple[str, ...]:
    """Read a list back, in alphabetical order; empty where there is none. Raises LibraryError for a damaged one."""
    check_text("institution", institution)
    try:
        header, _ = artifacts.load(f"{ANSWERS}{institution}")
        return tuple(header["answers"])
    except NotFoundError:
        return ()
    except KeyError:
        raise LibraryError(f"the library's list of answers of {institution!r} is damaged; list them again") from None
