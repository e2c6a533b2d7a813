"""The ``share`` command: states who may use what of an institution, and lists what is allowed."""

from collections.abc import Sequence

from metachain.console import one_line, out
from metachain.errors import DataError
from metachain.library import Library
from metachain.moments import moment_said
from metachain.sharing import Audience, Grant

__all__ = ["list_rules", "state_rules"]


def list_rules(library: str) -> None:
    """Print every institution's rules; one that never stated any shares with nobody."""
    with Library.open(library, create=False) as opened:
        allowed, groups = opened.sharing.grants(), opened.sharing.groups()
        names = sorted({*opened.institutions(), *allowed})
    for name in names:
        for one in allowed.get(name, ()):
            purposes = f" for {', '.join(one.purposes)}" if one.purposes else ""
            until = f" until {one.until:%Y-%m-%d %H:%M} UTC" if one.until else ""
            out.print(f"{one_line(name)} shares {one.use} with {one.to}{purposes}{until}")
        if name not in allowed:
            out.print(f"{one_line(name)} shares nothing: it has no rule")
    for group, members in groups.items():
        out.print(f"group {group}: {', '.join(members)}")


def state_rules(
    library: str,
    institution: str,
    demonstrations: str,
    statistics: str,
    purposes: Sequence[str],
    until: str,
    *,
    also: bool,
) -> None:
    """State the rules of an institution, or of all where ``institution`` is empty, and say what follows."""
    if not demonstrations and not statistics:
        raise DataError("say who may use its demonstrations (--with …), its statistics (--statistics …), or both")
    ends = moment_said("--until", until) if until else None
    said = {"demonstrations": demonstrations, "statistics": statistics}
    stated = [
        Grant(Audience.read(words), use, tuple(purposes), ends)  # type: ignore[arg-type]  # the two there are
        for use, words in said.items()
        if words
    ]
    with Library.open(library, create=False) as opened:
        before = opened.sharing.grants() if also else {}
        names = [institution] if institution else list(opened.institutions())
        opened.sharing.state_all({name: [*before.get(name, ()), *stated] for name in names})
    for one in stated:
        out.print(f"{institution or 'every institution'} shares {one.use} with {one.to}")
    out.print("selections heed it from now on; a prior heeds it when it is learned again: metachain learn")
