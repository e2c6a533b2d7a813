"""Learned artifacts and lists of answers: a JSON header and npz arrays under a name."""

import io
import zlib
from collections.abc import Iterable, Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from metachain.data.demonstration import check_text, checked_name
from metachain.errors import DataError, LibraryError, NotFoundError
from metachain.label_sets import LabelSets
from metachain.library.database.bulk import upsert
from metachain.library.database.engine import reading, writing
from metachain.library.database.schema import artifacts as table
from metachain.library.erasure import ANSWERS
from metachain.library.label_separator import SETTING
from metachain.library.revisions import bump_counter, bump_revision
from metachain.normal_form import label_form

__all__ = ["Artifacts", "checked_answers", "list_answers", "listed_answers"]


class Artifacts:
    """Artifacts of one library."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(
        self,
        name: str,
        header: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        changes: Iterable[str] = (),
        *,
        counts: str = "",
    ) -> None:
        """Store an artifact; see ``Library.save``."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
        with writing(self._engine) as connection:
            upsert(connection, table, [{"name": name, "header": dict(header), "arrays": buffer.getvalue()}])
            bump_revision(connection, changes)
            if counts:
                bump_counter(connection, counts)

    def load(self, name: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Load an artifact. Raises NotFoundError if there is none, LibraryError if it is damaged."""
        check_text("name", name)
        with reading(self._engine) as connection:
            row = connection.execute(select(table).where(table.c.name == name)).one_or_none()
        if row is None:
            raise NotFoundError(f"the library holds no {name}")
        try:
            with np.load(io.BytesIO(row.arrays), allow_pickle=False) as arrays:
                return dict(row.header), dict(arrays)
        except (ValueError, TypeError, OSError, EOFError, RuntimeError, BadZipFile, zlib.error) as error:
            raise LibraryError(f"the library's {name} is damaged ({error}); learn or adapt again") from error

    def names(self) -> tuple[str, ...]:
        """Names of all artifacts, in alphabetical order."""
        with reading(self._engine) as connection:
            names = connection.execute(select(table.c.name).order_by(table.c.name)).scalars()
            return tuple(name for name in names if name != SETTING)

    def check_writable(self) -> None:
        """Store a small number, as an artifact would be. Raises StorageError if nothing can be stored."""
        with writing(self._engine) as connection:
            bump_counter(connection, "writable")


def list_answers(
    artifacts: Artifacts, institution: str, answers: Iterable[str], sets: LabelSets | None = None
) -> tuple[str, ...]:
    """Store a list of answers, replacing the one before; see ``Library.list_answers``."""
    institution = checked_name("institution", institution)
    given = checked_answers(answers)
    names = sorted({label for answer in given for label in (sets.labels(answer) if sets else (answer,))})
    artifacts.save(f"{ANSWERS}{institution}", {"answers": names}, {}, [institution])
    return tuple(names)


def checked_answers(answers: Iterable[str]) -> list[str]:
    """The answers in the form of labels. Raises DataError with the position of one that is blank or not a text."""
    if isinstance(answers, str):
        raise DataError("answers must be a list of texts, got a single string")
    given = []
    for position, answer in enumerate(answers):
        check_text(f"answers[{position}]", answer)
        given.append(label_form(answer))
    return given


def listed_answers(artifacts: Artifacts, institution: str) -> tuple[str, ...]:
    """See ``Library.listed_answers``. Raises LibraryError if the list is damaged."""
    institution = checked_name("institution", institution)
    try:
        header, _ = artifacts.load(f"{ANSWERS}{institution}")
        return tuple(header["answers"])
    except NotFoundError:
        return ()
    except KeyError:
        raise LibraryError(f"the library's list of answers of {institution!r} is damaged; list them again") from None
