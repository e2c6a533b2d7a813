"""Separator of labels: a setting of the library by which its answers are sets of labels."""

from dataclasses import replace

from sqlalchemy import Connection, select

from metachain.data.demonstration import Demonstration, has_derived_id
from metachain.errors import DataError
from metachain.label_sets import LabelSets
from metachain.library.database.bulk import upsert
from metachain.library.database.schema import artifacts

__all__ = ["SETTING", "in_set_form", "separator_in", "set_text", "store_separator"]

SETTING = "label separator"
"""Name of the setting among the artifacts."""


def separator_in(connection: Connection) -> str:
    """Separators of the library's labels; empty where each answer is one label."""
    header = connection.execute(select(artifacts.c.header).where(artifacts.c.name == SETTING)).scalar()
    return str((header or {}).get("separators", ""))


def store_separator(connection: Connection, sets: LabelSets) -> None:
    """Store the separators, within a transaction."""
    upsert(connection, artifacts, [{"name": SETTING, "header": {"separators": sets.separators}, "arrays": b""}])


def in_set_form(sets: LabelSets | None, one: Demonstration) -> Demonstration:
    """The demonstration with its output in the canonical form of a set; unchanged where answers are single labels.

    An id that was derived from its texts is derived again. Raises DataError for an output without a label.
    """
    if sets is None:
        return one
    output = set_text(sets, one.output)
    if output == one.output:
        return one
    return replace(one, output=output, id="" if has_derived_id(one) else one.id)


def set_text(sets: LabelSets, output: str) -> str:
    """The canonical form of an output. Raises DataError where it holds no label."""
    form = sets.form(output)
    if not form:
        raise DataError(f"the output {output[:40]!r} holds no label, only separators ({sets.separators!r})")
    return form
