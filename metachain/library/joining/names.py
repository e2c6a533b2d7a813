"""Names of institutions outside their demonstrations: in outcomes, rules, groups, keys, counts and artifacts."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from metachain.library.database.bulk import upsert
from metachain.library.database.schema import artifacts, grants, groups, keys, outcomes, revisions
from metachain.library.erasure import ANSWERS, POLICY
from metachain.library.joining.rows import Joined, Key, Renaming
from metachain.library.revisions import bump_counter, bump_revision
from metachain.library.sharing import NOBODY, set_default_grant
from metachain.normal_form import label_form

__all__ = ["rename_elsewhere"]


def rename_elsewhere(connection: Connection, joined: Joined, name_of: Renaming, owners: Collection[str]) -> None:
    """Give outcomes, rules, groups, keys, counts of changes, lists and policies the new names.

    ``owners`` are the institutions that had demonstrations.
    """
    _rename_rules(connection, joined, name_of, owners)
    _rename_outcomes(connection, joined, name_of)
    _rename_groups(connection, name_of)
    changed = [row for row in connection.execute(select(keys.c.id, keys.c.institution)).all() if row.institution]
    for row in changed:
        if name_of(row.institution) != row.institution:
            joined.institutions[row.institution] = name_of(row.institution)
            connection.execute(update(keys).where(keys.c.id == row.id).values(institution=name_of(row.institution)))
            bump_counter(connection, "keys")
    _rename_artifacts(connection, joined, name_of)
    for row in connection.execute(select(revisions)).all():
        if (new := name_of(row.institution)) != row.institution:
            connection.execute(delete(revisions).where(revisions.c.institution == row.institution))
            bump_revision(connection, [new])
            grown = revisions.c.number + row.number
            connection.execute(update(revisions).where(revisions.c.institution == new).values(number=grown))
    if joined.moved or joined.institutions:
        bump_revision(connection, set(joined.institutions.values()) | {new for new, _ in joined.moved.values()})
        for counter in ("demonstrations", "rules", "forgotten"):
            bump_counter(connection, counter)


def _rename_outcomes(connection: Connection, joined: Joined, name_of: Renaming) -> None:
    query = select(outcomes.c.id, outcomes.c.institution, outcomes.c.shown)
    for row in connection.execute(query).all():
        shown = [list(_moved(joined, tuple(key), name_of)) for key in row.shown]
        new = name_of(row.institution)
        if new != row.institution:
            joined.institutions[row.institution] = new
        if new != row.institution or shown != [list(key) for key in row.shown]:
            values = {"institution": new, "shown": shown}
            connection.execute(update(outcomes).where(outcomes.c.id == row.id).values(values))


def _moved(joined: Joined, key: Any, name_of: Renaming) -> Key:
    while key in joined.moved and joined.moved[key] != key:
        key = joined.moved[key]
    return name_of(key[0]), key[1]


def _rename_rules(connection: Connection, joined: Joined, name_of: Renaming, owners: Collection[str]) -> None:
    """Rewrite the rules of institutions; of several spellings of one, those count that all of them have."""
    rows = [dict(row._mapping) for row in connection.execute(select(grants)).all()]
    by_owner: defaultdict[str, dict[str, list[dict[str, Any]]]] = defaultdict(dict)
    for row in rows:
        by_owner[name_of(row["institution"])].setdefault(row["institution"], []).append(row)
    for old in owners:
        by_owner[name_of(old)].setdefault(old, [])
    for owner, spelled in by_owner.items():
        renamed = {old: [_rule(row, owner, name_of) for row in some] for old, some in spelled.items()}
        first = next(iter(renamed.values()))
        same = all(_terms(some) == _terms(first) for some in renamed.values())
        if len(spelled) == 1 and [row for some in spelled.values() for row in some] == first:
            continue
        kept = first if same else _common(list(renamed.values()))
        if not same:
            joined.rules.append(owner)
        for old in spelled:
            if old != owner:
                joined.institutions[old] = owner
        for old in {*spelled, owner}:
            connection.execute(delete(grants).where(grants.c.institution == old))
        upsert(connection, grants, _distinct(kept))
        if not same and not kept:
            set_default_grant(connection, [owner], NOBODY)


def _rule(row: Mapping[str, Any], owner: str, name_of: Renaming) -> dict[str, Any]:
    name = name_of(row["name"]) if row["audience"] == "institution" else row["name"]
    return {**row, "institution": owner, "name": name}


def _terms(rows: Iterable[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    """Rules without their numbers."""
    return {tuple(value for name, value in sorted(row.items()) if name != "number") for row in rows}


def _common(several: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    shared = set.intersection(*map(_terms, several))
    return [row for row in several[0] if _terms([row]) <= shared]


def _distinct(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({(row["institution"], row["number"], row["name"], row["purpose"]): row for row in rows}.values())


def _rename_groups(connection: Connection, name_of: Renaming) -> None:
    rows = [tuple(row) for row in connection.execute(select(groups.c.name, groups.c.institution)).all()]
    renamed = {(name, name_of(member)) for name, member in rows}
    if renamed != set(rows):
        connection.execute(delete(groups))
        connection.execute(groups.insert(), [{"name": name, "institution": one} for name, one in sorted(renamed)])


def _rename_artifacts(connection: Connection, joined: Joined, name_of: Renaming) -> None:
    """Join the lists of answers of spellings of one institution, and rename what policies leave out."""
    for name, header in connection.execute(select(artifacts.c.name, artifacts.c.header)).all():
        if name.startswith(ANSWERS):
            owner = name.removeprefix(ANSWERS)
            if (new := name_of(owner)) == owner:
                continue
            joined.institutions[owner] = new
            target = f"{ANSWERS}{new}"
            held = connection.execute(select(artifacts.c.header).where(artifacts.c.name == target)).scalar()
            answers = sorted({*map(label_form, header["answers"]), *((held or {}).get("answers", ()))})
            row = connection.execute(select(artifacts).where(artifacts.c.name == name)).one()
            connection.execute(delete(artifacts).where(artifacts.c.name == name))
            upsert(connection, artifacts, [{"name": target, "header": {"answers": answers}, "arrays": row.arrays}])
        elif name.startswith(POLICY) and header.get("policy", {}).get("demoted"):
            demoted = [list(_moved(joined, tuple(key), name_of)) for key in header["policy"]["demoted"]]
            policy = {**header["policy"], "demoted": sorted(demoted)}
            values = {"header": {**header, "policy": policy}}
            connection.execute(update(artifacts).where(artifacts.c.name == name).values(values))
