"""Demonstrations whose institution or id gets another name, and what they are then one with."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, select, tuple_, update

from metachain.data.demonstration import ID_DIGITS, patient_of
from metachain.embedding.similarity import text_sha256
from metachain.library.database.bulk import batched
from metachain.library.database.schema import demonstrations, placed
from metachain.library.origins import RELEASED
from metachain.library.vector_index import index_vectors
from metachain.normal_form import label_form

__all__ = ["Joined", "Key", "Renaming", "is_row", "move_rows", "put_together"]

Key = tuple[str, str]
"""Institution and id of a demonstration."""
Renaming = Callable[[str], str]
KEYS_A_QUERY = 400
HEX = frozenset("0123456789abcdef")
MOST_TOLD = 5


@dataclass(slots=True)
class Joined:
    """Record of what was joined, in names, ids and numbers."""

    institutions: dict[str, str] = field(default_factory=dict)
    """New name of each institution that had another one."""
    labels: dict[str, str] = field(default_factory=dict)
    """New label of each label that was given another one."""
    together: int = 0
    """Number of demonstrations that said the same as another one, and are now one with it."""
    renamed: dict[str, str] = field(default_factory=dict)
    """New id of each demonstration whose id was taken by another text."""
    rules: list[str] = field(default_factory=list)
    """Institutions whose spellings had different sharing rules; those that all of them had count."""
    removed: list[str] = field(default_factory=list)
    """Names of priors, posteriors and fusions that were learned from the rows and must be learned again."""
    moved: dict[Key, Key] = field(default_factory=dict)
    """New institution and id of each demonstration that has others now."""

    def facts(self) -> dict[str, Any]:
        """Facts for the audit, without texts: of labels only their number."""
        told = {"institutions": self.institutions, "together": self.together, "ids": len(self.renamed)}
        return {**told, "labels": len(self.labels), "rules": self.rules, "removed": self.removed}

    def __bool__(self) -> bool:
        return bool(self.institutions or self.labels or self.together or self.moved or self.removed)

    def __str__(self) -> str:
        """One sentence for a person."""
        parts = [f"the label {old[:80]!r} is now {new[:80]!r}" for old, new in self.labels.items()]
        parts += [f"{old!r} is now {new!r}" for old, new in list(self.institutions.items())[:5]]
        if len(self.institutions) > 5:
            parts.append(f"and {len(self.institutions) - 5} more institutions have another name")
        if self.together:
            parts.append(f"{self.together} demonstration(s) said the same as another one and are one with it")
        if self.renamed:
            parts.append(f"{len(self.renamed)} demonstration(s) have a further id, as theirs stood for another text")
        if self.rules:
            parts.append(f"sharing rules that differed no longer count: state them for {', '.join(self.rules[:3])}")
        return "; ".join(parts)


def move_rows(connection: Connection, joined: Joined, name_of: Renaming, id_of: Renaming, *, every: bool) -> set[Key]:
    """Give demonstrations their new institutions and ids; with ``every`` also their texts new hashes."""
    found = _misnamed(connection, name_of, id_of, every=every)
    touched: set[Key] = set()
    for row, right in found:
        values = right
        old, new = (row.institution, row.id), (values["institution"], values["id"])
        if old[0] != new[0]:
            joined.institutions[old[0]] = new[0]
        connection.execute(delete(placed).where(*is_row(placed, old)))
        if old != new:
            held = connection.execute(select(demonstrations).where(*is_row(demonstrations, new))).one_or_none()
            if held is not None and _says_the_same(held, row):
                _merge(connection, joined, held, row)
                touched.add(new)
                continue
            if held is not None:
                free = _free_id(connection, new)
                joined.renamed[new[1]] = free[1]
                values, new = {**values, "id": free[1]}, free
            joined.moved[old] = new
            touched.add(new)
        connection.execute(update(demonstrations).where(*is_row(demonstrations, old)).values(values))
    index_vectors(connection, {values["text_sha256"] for _, values in found})
    return touched


def _misnamed(
    connection: Connection, name_of: Renaming, id_of: Renaming, *, every: bool
) -> list[tuple[Row[Any], dict[str, Any]]]:
    """Demonstrations with another name, id, hash or patient than they should have, and their values."""
    found = []
    # What has the right name already comes first, so that it keeps its id.
    for row in connection.execute(select(demonstrations).order_by(demonstrations.c.number, demonstrations.c.id)):
        values: dict[str, Any] = {"institution": name_of(row.institution), "id": id_of(row.id)}
        values["text_sha256"] = text_sha256(row.input) if every and not row.input.isascii() else row.text_sha256
        values["patient"] = patient_of(row._mapping["metadata"]) if every else row.patient
        if any(row._mapping[name] != value for name, value in values.items()):
            found.append((row, values))
    return found


def put_together(connection: Connection, joined: Joined) -> set[Key]:
    """Join demonstrations of an institution that say the same, with ids that were derived from their texts."""
    owner, text = demonstrations.c.institution, demonstrations.c.text_sha256
    several = connection.execute(select(owner, text).group_by(owner, text).having(func.count() > 1)).all()
    touched: set[Key] = set()
    for batch in batched(several, KEYS_A_QUERY):
        query = select(demonstrations).where(tuple_(owner, text).in_([tuple(row) for row in batch]))
        firsts: defaultdict[tuple[str, str, str], list[Row[Any]]] = defaultdict(list)
        for row in connection.execute(query.order_by(owner, demonstrations.c.number, demonstrations.c.id)).all():
            if len(row.id) != ID_DIGITS or not HEX.issuperset(row.id):
                continue
            alike = firsts[row.institution, label_form(row.input), label_form(row.output)]
            held = next((one for one in alike if _says_the_same(one, row)), None)
            if held is None:
                alike.append(row)
            else:
                _merge(connection, joined, held, row)
                touched.add((held.institution, held.id))
    return touched


def _says_the_same(one: Row[Any], other: Row[Any]) -> bool:
    """True if texts differ in form alone, and the metadata are equal, or one has none."""
    mine, theirs = one._mapping["metadata"] or {}, other._mapping["metadata"] or {}
    agree = not mine or not theirs or json.dumps(mine, sort_keys=True) == json.dumps(theirs, sort_keys=True)
    texts = ((label_form(row.input), label_form(row.output)) for row in (one, other))
    return agree and len(set(texts)) == 1


def _merge(connection: Connection, joined: Joined, held: Row[Any], row: Row[Any]) -> None:
    """Bring a demonstration together with one that says the same: as new as the newer, as open as the less open."""
    old, new = (row.institution, row.id), (held.institution, held.id)
    connection.execute(delete(placed).where(*is_row(placed, old)))
    connection.execute(delete(demonstrations).where(*is_row(demonstrations, old)))
    origin = max((held.origin, row.origin), key=lambda one: (one == "refused", one not in RELEASED))
    metadata = held._mapping["metadata"] or row._mapping["metadata"]
    values = {"number": max(held.number, row.number), "origin": origin, "metadata": metadata}
    patient = held.patient if held.patient is not None else row.patient
    connection.execute(
        update(demonstrations).where(*is_row(demonstrations, new)).values({**values, "patient": patient})
    )
    connection.execute(update(placed).where(*is_row(placed, new)).values(origin=origin))
    joined.moved[old] = new
    joined.together += 1


def _free_id(connection: Connection, key: Key) -> Key:
    """Another id of the institution that stands for nothing yet."""
    for number in range(2, 1 << 30):
        other = key[0], f"{key[1]} ({number})"
        if connection.execute(select(demonstrations.c.id).where(*is_row(demonstrations, other))).first() is None:
            return other
    raise AssertionError


def is_row(table: Table, key: Sequence[str]) -> tuple[Any, Any]:
    """Conditions for the row of a demonstration, by institution and id."""
    return table.c.institution == key[0], table.c.id == key[1]
