"""Look-alikes in a library: institutions and labels that may be two spellings of one."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from metachain.data.look_alikes import look_alike_groups, look_alike_key
from metachain.label_sets import label_sets
from metachain.library.database.schema import artifacts, demonstrations, grants, groups
from metachain.library.erasure import ANSWERS
from metachain.library.label_separator import separator_in
from metachain.normal_form import label_form

__all__ = ["LookAlikes", "known_names", "look_alikes_in"]

LABEL_CHARACTERS = 80
"""Maximum length of an output that is looked at as a label."""


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """Groups of names that look alike (``metachain.data.look_alikes``), each and all in alphabetical order."""

    institutions: tuple[tuple[str, ...], ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()
    """Among all institutions' outputs and lists of answers."""

    def __bool__(self) -> bool:
        """True if there are any."""
        return bool(self.institutions or self.labels)


def known_names(connection: Connection) -> frozenset[str]:
    """Institutions with demonstrations, sharing rules, a group or a list of answers."""
    columns = demonstrations.c.institution, grants.c.institution, groups.c.institution
    named = {name for column in columns for name in connection.execute(select(column).distinct()).scalars()}
    lists = connection.execute(select(artifacts.c.name).where(artifacts.c.name.startswith(ANSWERS))).scalars()
    return frozenset(named | {name.removeprefix(ANSWERS) for name in lists})


def look_alikes_in(connection: Connection, concerning: Collection[str] | None = None) -> LookAlikes:
    """Look-alikes in the keeper's view; of labels only those that an institution ``concerning`` gives, if not None."""
    output = demonstrations.c.output
    query = select(demonstrations.c.institution, output).where(func.length(output) <= LABEL_CHARACTERS).distinct()
    sets = label_sets(separator_in(connection))
    labels: set[str] = set()
    own: set[str] = set()
    for institution, given in connection.execute(query):
        found = sets.labels(given) if sets else (label_form(given),)
        labels.update(found)
        if concerning is None or institution in concerning:
            own.update(map(look_alike_key, found))
    for name, header in connection.execute(select(artifacts.c.name, artifacts.c.header)):
        if name.startswith(ANSWERS):
            labels.update(header.get("answers", ()))
    alike = tuple(group for group in look_alike_groups(labels) if look_alike_key(group[0]) in own)
    names = look_alike_groups(known_names(connection))
    if concerning is not None:
        names = tuple(group for group in names if not set(concerning).isdisjoint(group))
    return LookAlikes(names, alike)
