"""Check of a list of answers: one of which few are known is more likely a wrong file than a list."""

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, func, or_, select

from metachain.data.look_alikes import look_alike_key
from metachain.errors import DataError
from metachain.label_sets import LabelSets
from metachain.library.database.schema import demonstrations
from metachain.library.sharing import Sharing
from metachain.normal_form import label_form

__all__ = ["check_known", "known_labels"]

LABEL_CHARACTERS = 80
"""Maximum length of an output that counts as a label."""
FEW = 0.1
"""Share of known answers below which a list is refused."""
MOST_SHOWN = 3


def known_labels(
    connection: Connection, sharing: Sharing, institution: str, sets: LabelSets | None = None
) -> tuple[frozenset[str], frozenset[str]]:
    """Labels of an institution, and those that others share with it, both in the form of labels."""
    own = demonstrations.c.institution == institution
    query = select(own, demonstrations.c.output).where(or_(own, sharing.allowing(institution)))
    rows = connection.execute(query.where(func.length(demonstrations.c.output) <= LABEL_CHARACTERS).distinct()).all()
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for is_own, output in rows:
        found[bool(is_own)].update(sets.labels(output) if sets else (label_form(output),))
    return frozenset(found[True]), frozenset(found[False])


def check_known(institution: str, answers: Iterable[str], own: Collection[str], past: Collection[str]) -> None:
    """Raise DataError where under a tenth of the answers are known, and they are not most of the known labels either.

    A long list holds many answers that nobody gave yet, but it holds at least half of the labels that the institution
    gave or, without any, of those in the past. Where no label is known, any list passes.
    """
    listed, known = {label_form(answer) for answer in answers}, {*own, *past}
    hits = listed & known
    sought = set(own) or set(past)
    if not listed or not known or len(hits) >= FEW * len(listed) or 2 * len(hits & sought) >= len(sought):
        return
    count = "none" if not hits else f"only {len(hits)}"
    shown, examples = _shown(sorted(listed - known)), _shown(sorted(known))
    raise DataError(
        f"{len(listed)} answers for {institution[:80]!r}, {count} known: is it a CSV, or have zeros been lost? The "
        f"list has {shown}, labels are {examples}{_alike(listed - known, known)}. Correct the list, or list it "
        "all the same with --force (force=True)"
    )


def _alike(unknown: Collection[str], known: Collection[str]) -> str:
    """The first answer that looks like a known label."""
    keys = {look_alike_key(label): label for label in sorted(known)}
    pairs = ((answer, keys[look_alike_key(answer)]) for answer in sorted(unknown) if look_alike_key(answer) in keys)
    found = next(pairs, None)
    return f"; {found[0][:40]!r} looks like {found[1][:40]!r}" if found else ""


def _shown(labels: list[str]) -> str:
    more = " …" if len(labels) > MOST_SHOWN else ""
    return ", ".join(repr(label[:40]) for label in labels[:MOST_SHOWN]) + more
