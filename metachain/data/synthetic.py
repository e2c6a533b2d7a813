"""Synthetic world of hospitals that book the same charge under different billing codes.

The input is a charge description, the output a 4-digit billing code. Hospitals belong to health systems. In each
department a system follows one of four conventions, and unrelated systems may follow the same one. The best hospital to
learn from therefore depends on the department.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import Demonstration
from metachain.data.synthetic_vocabulary import ABBREVIATIONS, DEPARTMENTS, INSTITUTION_NAMES, ORDINARY, SYSTEM_NAMES
from metachain.errors import DataError

__all__ = ["LARGEST_INSTITUTION", "WorldSettings", "generate_visits", "generate_world"]

CONVENTIONS = 4
SPECIAL_KINDS = len(DEPARTMENTS[0].kinds) - ORDINARY
SLOTS = 1 + SPECIAL_KINDS + len(DEPARTMENTS[0].details) - ORDINARY
CODE_TEXTS = [
    str(2000 + 100 * department + 10 * slot) for department in range(len(DEPARTMENTS)) for slot in range(SLOTS)
]
WORLD, CONVENTION, SYSTEM, INSTITUTION, UNRELATED, VISITS = 1, 2, 3, 4, 5, 6
MOST_CHARGES = 3
"""Charges of a visit."""
SAME_DEPARTMENT = 0.8


@dataclass(frozen=True, slots=True)
class _Item:
    """A chargeable item; ``name_number`` counts the names across all departments."""

    department: int
    kind: int
    detail: int
    name_number: int
    words: tuple[str, str, str]


_NAMES = [
    (department, kind, name)
    for department, charges in enumerate(DEPARTMENTS)
    for kind, members in enumerate(charges.kinds)
    for name in members
]
CATALOGUE = tuple(
    _Item(department, kind, detail, number, (name, size, word))
    for number, (department, kind, name) in enumerate(_NAMES)
    for detail, word in enumerate(DEPARTMENTS[department].details)
    for size in DEPARTMENTS[department].sizes
)
NAME_OF_ITEM = np.array([item.name_number for item in CATALOGUE])
LARGEST_INSTITUTION = len(CATALOGUE)


def _check_count(name: str, value: object, least: int, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"in [{least}, {most}]"
        raise DataError(f"{name!r} must be a whole number {limits}, got {value!r}")


def _check_number(name: str, value: object, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise DataError(f"{name!r} must be a number in [0, {most:g}], got {value!r}")


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """Settings of the synthetic world. Raises DataError for a value out of range.

    ``institutions`` ≥ 1 hospitals are assigned in turn to ``systems`` ≥ 1 health systems. Each hospital has
    ``demonstrations`` in [1, LARGEST_INSTITUTION]. The other settings are shares in [0, 1], unless stated otherwise:

    - ``divergence``: share of departments in which a system follows its own convention instead of the usual one of the
      department. At 0 all systems agree; at 1 each convention in use has about the same number of systems.
    - ``exceptions``: share of names that a hospital books by another convention than its system.
    - ``noise``: share of records with a wrong code of the right department.
    - ``shared_wording``: share of descriptions in the wording common to all hospitals; the rest use the hospital's own.
    - ``popularity``: spread of the frequencies of charges, in [0, 10] (sigma of a log-normal).
    - ``misleading``: number of hospitals, in [0, institutions), that permute all codes. They come directly after the
      first hospital, which never misleads.
    - ``constant``: each hospital answers one code of its own to every input, without noise or exceptions.
    - ``unrelated``: each hospital draws its code for each name at random, so nothing can be learned from the others.
      Conventions, exceptions, noise and misleading hospitals are ignored.
    - ``seed`` ≥ 0.

    A larger number of institutions leaves the earlier ones unchanged; more demonstrations are appended to each
    institution.
    """

    institutions: int = 16
    systems: int = 4
    demonstrations: int = 200
    divergence: float = 1.0
    exceptions: float = 0.02
    noise: float = 0.03
    shared_wording: float = 0.6
    popularity: float = 2.0
    misleading: int = 2
    constant: bool = False
    unrelated: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _check_count("institutions", self.institutions, 1)
        _check_count("systems", self.systems, 1)
        _check_count("demonstrations", self.demonstrations, 1, LARGEST_INSTITUTION)
        _check_count("misleading", self.misleading, 0, self.institutions - 1)
        _check_count("seed", self.seed, 0)
        for name in ("divergence", "exceptions", "noise", "shared_wording"):
            _check_number(name, getattr(self, name), 1.0)
        _check_number("popularity", self.popularity, 10.0)


def generate_world(settings: WorldSettings = WorldSettings()) -> tuple[Demonstration, ...]:
    """Generate ``institutions × demonstrations`` records, institution by institution; texts are unique in each.

    ``metadata`` holds ``synthetic`` (always True), ``group`` (the health system), ``department`` and ``misleading``.
    """
    conventions = _conventions(settings)
    weight = settings.popularity * _stream(settings, WORLD).normal(size=LARGEST_INSTITUTION)
    return tuple(
        demonstration
        for number in range(settings.institutions)
        for demonstration in _institution(settings, number, conventions[:, number % settings.systems], weight)
    )


def generate_visits(
    settings: WorldSettings = WorldSettings(), several: float = 0.5, separator: str = "; "
) -> tuple[Demonstration, ...]:
    """Generate ``institutions × demonstrations`` visits of one charge or several, whose codes are one answer.

    The charges are those of ``generate_world``. A share ``several``, in [0, 1], of the visits has two or three of them,
    mostly of one department: the text names them all, and the output joins their codes, in no particular order.
    """
    _check_number("several", several, 1.0)
    by_institution: dict[str, list[Demonstration]] = {}
    for one in generate_world(settings):
        by_institution.setdefault(one.institution, []).append(one)
    return tuple(
        visit
        for number, charges in enumerate(by_institution.values())
        for visit in _visits(charges, _stream(settings, VISITS, number), several, separator)
    )


def _visits(
    charges: list[Demonstration], rng: np.random.Generator, several: float, separator: str
) -> list[Demonstration]:
    by_department: dict[str, list[Demonstration]] = {}
    for one in charges:
        by_department.setdefault(one.metadata["department"], []).append(one)
    visits = []
    for first in charges:
        count = rng.integers(2, MOST_CHARGES + 1) if rng.random() < several else 1
        near = by_department[first.metadata["department"]] if rng.random() < SAME_DEPARTMENT else charges
        chosen = [first, *(near[place] for place in rng.integers(len(near), size=count - 1))]
        codes = [one.output for one in chosen]
        text = " + ".join(one.input for one in chosen)
        visits.append(Demonstration(first.institution, text, separator.join(codes), metadata=first.metadata))
    return visits


def _institution(
    settings: WorldSettings, number: int, conventions: NDArray[np.intp], weight: NDArray[np.float64]
) -> list[Demonstration]:
    """Records of one hospital; ``conventions`` (departments,) of its system, ``weight`` (items,) charges' log-weights.

    Every draw has the catalogue's length, so that no setting changes later draws.
    """
    rng = _stream(settings, INSTITUTION, number)
    system = number % settings.systems
    misleading = 1 <= number <= settings.misleading
    codes = _codes(settings, rng, conventions, misleading)
    if settings.unrelated and not settings.constant:
        codes = _unrelated_codes(settings, number)
    own_wording = _wording(_stream(settings, SYSTEM, system), rng)
    common = rng.random(LARGEST_INSTITUTION) < settings.shared_wording
    # Sorting log-weights plus Gumbel noise draws by weight without replacement (Yellott 1977, "Luce's choice axiom").
    order = np.argsort(-(weight + rng.gumbel(size=LARGEST_INSTITUTION)), kind="stable")
    marks = {"synthetic": True, "group": _numbered(SYSTEM_NAMES, system), "misleading": misleading}
    return [
        Demonstration(
            institution=_numbered(INSTITUTION_NAMES, number),
            input=" ".join(CATALOGUE[place].words).upper() if common[place] else own_wording(CATALOGUE[place]),
            output=CODE_TEXTS[codes[place]],
            metadata={**marks, "department": DEPARTMENTS[CATALOGUE[place].department].name},
        )
        for place in order[: settings.demonstrations]
    ]


def _conventions(settings: WorldSettings) -> NDArray[np.intp]:
    """Convention of each system in each department; (departments, systems) in [0, CONVENTIONS).

    About two systems share each convention in use, so that a new system can nearly always learn from another.
    """
    rows = np.empty((len(DEPARTMENTS), settings.systems), np.intp)
    for department, row in enumerate(rows):
        rng = _stream(settings, CONVENTION, department)
        in_use = rng.permutation(CONVENTIONS)[: max(2, settings.systems // 2)]
        own = in_use[rng.permutation(settings.systems) % len(in_use)]
        row[:] = np.where(rng.random(settings.systems) < settings.divergence, own, in_use[0])
    return rows


def _codes(
    settings: WorldSettings, rng: np.random.Generator, conventions: NDArray[np.intp], misleading: bool
) -> NDArray[np.intp]:
    """Code number of each item at one hospital; (items,) in [0, len(CODE_TEXTS))."""
    exceptional = (rng.random(len(_NAMES)) < settings.exceptions)[NAME_OF_ITEM]
    other = rng.integers(1, CONVENTIONS, len(_NAMES))[NAME_OF_ITEM]
    department = np.array([item.department for item in CATALOGUE])
    convention = (conventions[department] + np.where(exceptional, other, 0)) % CONVENTIONS
    slot = SLOT_TABLE[convention, np.arange(LARGEST_INSTITUTION)]
    noisy = rng.random(LARGEST_INSTITUTION) < settings.noise
    wrong = rng.integers(1, SLOTS, LARGEST_INSTITUTION)
    codes = department * SLOTS + (slot + np.where(noisy, wrong, 0)) % SLOTS
    cycle = rng.permutation(len(CODE_TEXTS))
    if settings.constant:
        return np.full(LARGEST_INSTITUTION, cycle[0])
    if misleading:
        # One cycle through all codes: no code keeps its meaning.
        following = np.empty_like(cycle)
        following[cycle] = np.roll(cycle, -1)
        codes = following[codes]
    return np.asarray(codes, np.intp)


def _unrelated_codes(settings: WorldSettings, number: int) -> NDArray[np.intp]:
    """Code number of each item, drawn at random for each name at one hospital; (items,) in [0, len(CODE_TEXTS))."""
    drawn = _stream(settings, UNRELATED, number).integers(len(CODE_TEXTS), size=len(_NAMES))
    return np.asarray(drawn[NAME_OF_ITEM], np.intp)


def _slot(item: _Item, convention: int) -> int:
    """Position of an item's code among the codes of its department; 0 is the general code.

    Conventions: 0 all under the general code, 1 special kinds apart, 2 special details apart, 3 both, the kind first.
    """
    if convention in (1, 3) and item.kind >= ORDINARY:
        return 1 + item.kind - ORDINARY
    if convention in (2, 3) and item.detail >= ORDINARY:
        return 1 + SPECIAL_KINDS + item.detail - ORDINARY
    return 0


SLOT_TABLE = np.array([[_slot(item, convention) for item in CATALOGUE] for convention in range(CONVENTIONS)])


def _wording(system: np.random.Generator, own: np.random.Generator) -> Callable[[_Item], str]:
    """Function that writes an item as one hospital does: in its system's layout, with its own abbreviations."""
    order = ((0, 1, 2), (0, 2, 1), (2, 0, 1))[system.integers(3)]
    separator = (" ", ", ", " - ")[system.integers(3)]
    glue = (" ", "", "-")[system.integers(3)]
    case = (str.upper, str.lower, str.title)[system.integers(3)]
    prefixed = bool(system.integers(2))
    forms_used = {word: forms[own.integers(len(forms))] for word, forms in ABBREVIATIONS.items()}

    def write(item: _Item) -> str:
        parts = [" ".join(forms_used.get(word, word) for word in part.split()) for part in item.words]
        if parts[1][0].isdigit():
            parts[1] = parts[1].replace(" ", glue)
        prefix = f"{DEPARTMENTS[item.department].prefix} " if prefixed else ""
        return case(prefix + separator.join(parts[place] for place in order))

    return write


def _numbered(names: tuple[str, ...], number: int) -> str:
    turn, place = divmod(number, len(names))
    return f"{names[place]}-{turn + 1}" if turn else names[place]


def _stream(settings: WorldSettings, *key: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, *key])
