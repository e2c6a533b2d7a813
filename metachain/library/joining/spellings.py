"""Joining of names: rows of two spellings of one institution, or of two labels, become rows of one.

All happens within one transaction, and nothing that anybody said is lost. Demonstrations that say the same are brought
together where their metadata agree. One whose id is taken by another text gets a further id. Sharing rules that the
spellings don't have in common no longer count, because one of them did not allow it; groups and keys are those of all.
What was learned from the rows is removed, as it is learned again in seconds. The audit stays as it was.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, delete, select, update

from metachain.label_sets import LabelSets, label_sets
from metachain.library.database.bulk import batched
from metachain.library.database.schema import artifacts, demonstrations, outcomes
from metachain.library.erasure import ANSWERS, LEARNED
from metachain.library.joining.names import rename_elsewhere
from metachain.library.joining.rows import Joined, Renaming, is_row, move_rows, put_together
from metachain.library.label_separator import separator_in
from metachain.library.revisions import bump_counter, bump_revision
from metachain.normal_form import label_form, normal_form

__all__ = ["Joined", "join_institutions", "join_labels", "join_sets", "join_spellings"]

KEYS_A_QUERY = 400


def join_spellings(connection: Connection) -> Joined:
    """Bring all names, ids and texts' hashes of an older library into their normal form, and join what is then one."""
    joined = Joined()
    owners = _owners(connection)
    changed = move_rows(connection, joined, normal_form, normal_form, every=True)
    changed |= put_together(connection, joined)
    rename_elsewhere(connection, joined, normal_form, owners)
    if changed or joined.institutions or _labels_differ_in_form(connection):
        _remove_learned(connection, joined)
    return joined


def join_institutions(connection: Connection, old: str, new: str) -> Joined:
    """Give everything of the institution ``old`` to the institution ``new``; both in normal form."""
    joined = Joined()

    def name_of(name: str) -> str:
        return new if name == old else name

    owners = _owners(connection)
    changed = move_rows(connection, joined, name_of, str, every=False)
    changed |= put_together(connection, joined)
    rename_elsewhere(connection, joined, name_of, owners)
    if changed or joined.institutions:
        joined.institutions[old] = new
        _remove_learned(connection, joined)
    return joined


def join_labels(connection: Connection, old: str, new: str, institution: str | None = None) -> Joined:
    """Write the label ``new`` wherever the label ``old`` stands; of one institution, if it is named.

    Both are in the form of labels. Outputs, corrections, answers and lists of answers change.
    """
    sets = label_sets(separator_in(connection))
    joined = Joined()
    changed = _rewrite_answers(connection, renaming(old, new, sets), institution)
    changed |= _rewrite_lists(connection, renaming(old, new, None), institution)
    if changed:
        joined.labels[old] = new
        put_together(connection, joined)
        _remove_learned(connection, joined)
        bump_revision(connection, changed)
    return joined


def join_sets(connection: Connection, sets: LabelSets) -> Joined:
    """Bring all outputs and corrections into the canonical form of sets of labels, and join what is then one."""
    joined = Joined()
    changed = _rewrite_answers(connection, lambda text: sets.form(text) or text, None)
    changed |= _rewrite_lists(connection, sets.labels, None)
    put_together(connection, joined)
    if _owners(connection):
        _remove_learned(connection, joined)
        bump_revision(connection, changed)
        bump_counter(connection, "demonstrations")
    return joined


def renaming(old: str, new: str, sets: LabelSets | None) -> Renaming:
    """Function that gives a label its new name, also as one of several; other texts stay as they are."""

    def renamed(text: str) -> str:
        if sets is None or not text:
            return new if label_form(text) == old else text
        labels = sets.labels(text)
        if sets.form(text) == sets.form(old):
            return sets.form(new)
        return sets.join(new if label == old else label for label in labels) if old in labels else text

    return renamed


def _rewrite_answers(connection: Connection, renamed: Renaming, institution: str | None) -> set[str]:
    """Rewrite outputs, answers and corrections; returns the institutions of those that changed."""
    columns = demonstrations.c.institution, demonstrations.c.id, demonstrations.c.output
    query = select(*columns) if institution is None else select(*columns).where(columns[0] == institution)
    changed = set()
    for row in connection.execute(query).all():
        if (new := renamed(row.output)) != row.output:
            connection.execute(update(demonstrations).where(*is_row(demonstrations, row[:2])).values(output=new))
            changed.add(row.institution)
    asked = select(*(outcomes.c[name] for name in ("id", "institution", "answer", "correction")))
    asked = asked if institution is None else asked.where(outcomes.c.institution == institution)
    for row in connection.execute(asked).all():
        given = {name: row._mapping[name] or "" for name in ("answer", "correction")}
        said = {name: renamed(text) for name, text in given.items() if renamed(text) != text}
        if said:
            connection.execute(update(outcomes).where(outcomes.c.id == row.id).values(said))
            changed.add(row.institution)
    return changed


def _owners(connection: Connection) -> frozenset[str]:
    """Institutions that have demonstrations."""
    return frozenset(connection.execute(select(demonstrations.c.institution).distinct()).scalars())


def _rewrite_lists(
    connection: Connection, label_of: Callable[[str], str | Sequence[str]], institution: str | None
) -> set[str]:
    """Rewrite lists of answers, each as one or several; returns the institutions whose lists changed."""
    changed = set()
    for name, header in connection.execute(select(artifacts.c.name, artifacts.c.header)).all():
        owner = name.removeprefix(ANSWERS)
        if owner == name or institution not in (None, owner):
            continue
        found = (label_of(answer) for answer in header["answers"])
        answers = sorted({label for one in found for label in ((one,) if isinstance(one, str) else one)})
        if answers != header["answers"]:
            values = {"header": {**header, "answers": answers}}
            connection.execute(update(artifacts).where(artifacts.c.name == name).values(values))
            changed.add(owner)
    return changed


def _labels_differ_in_form(connection: Connection) -> bool:
    """True if outputs have another number, or order, as labels than byte by byte: what was learned doesn't fit them."""
    lists = _rewrite_lists(connection, label_form, None)
    outputs = sorted(connection.execute(select(demonstrations.c.output).distinct()).scalars())
    forms = [label_form(output) for output in outputs]
    return bool(lists) or (forms != outputs and forms != sorted(set(forms)))


def _remove_learned(connection: Connection, joined: Joined) -> None:
    names = connection.execute(select(artifacts.c.name)).scalars().all()
    joined.removed = sorted(name for name in names if name.startswith(LEARNED))
    for batch in batched(joined.removed, KEYS_A_QUERY):
        connection.execute(delete(artifacts).where(artifacts.c.name.in_(batch)))
    bump_counter(connection, "learned")
    bump_counter(connection, "forgotten")
