"""Summary statistics of an institution that cannot share demonstrations: numbers, in a file of a few kilobytes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from metachain.data.demonstration import check_text
from metachain.errors import DataError
from metachain.learning.changes.of_past import PastChanges
from metachain.learning.episodes import (
    ALIKE_TRANSFER,
    FEWEST,
    LABELS,
    QUERIES,
    SEEDS,
    TRANSFER_ITEMS,
    episodes_beside,
    episodes_of,
    transfer_items,
)
from metachain.learning.guard import ARMS, SHOTS, SURENESS, arm_scores
from metachain.learning.index import Index
from metachain.learning.neighbours import NEIGHBOURS, NeighbourTable
from metachain.learning.pool import Pool
from metachain.learning.ridge import CONSTANTS
from metachain.learning.shared_past import include
from metachain.learning.transfer import transfer_row
from metachain.normal_form import normal_form
from metachain.progress import Progress, silent

__all__ = ["Contribution", "Sources", "contribution_of", "read_contribution"]

FORMAT = "metachain-statistics/1"
"""The version rises whenever the same demonstrations would give different statistics."""
EPISODES = (LABELS, SEEDS, QUERIES, SURENESS, SHOTS, ALIKE_TRANSFER, FEWEST, TRANSFER_ITEMS, NEIGHBOURS)
METHOD = sha256(repr((ARMS, *EPISODES, *CONSTANTS)).encode()).hexdigest()
MOST_REHEARSALS = 2 * len(SEEDS)
LARGEST_FILE = 1_000_000
LONGEST_SHOWN = 60
ROUNDING = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sources:
    """The S institutions that share their demonstrations, indexed and measured once."""

    table: NeighbourTable
    """Neighbours within these institutions only."""
    index: Index
    transfer: Floats
    """(S, S) from ``prior.transfer_matrix``."""
    fingerprint: str
    until: int | None = None
    """Number of changes of demonstrations when they were read (``Prior.until``)."""
    changes: PastChanges = field(default_factory=PastChanges)

    @property
    def institutions(self) -> tuple[str, ...]:
        """Names of the institutions, in alphabetical order."""
        return self.table.pool.institutions

    @cached_property
    def digest(self) -> str:
        """SHA-256 of their demonstrations, ids and texts; 64 hexadecimal digits."""
        digest = sha256()
        include(digest, self.table.pool.demonstrations)
        return digest.hexdigest()


@dataclass(frozen=True)
class Contribution:
    """One institution's statistics relative to S shared institutions: no text, no id, no answer.

    Made by ``statistics_of``. Raises DataError, which names the file and the field, for invalid statistics: a number
    that is not finite or out of range, rows of a wrong length, statistics from another version of the method.
    """

    institution: str
    sources: tuple[str, ...]
    """The S shared institutions that it was measured against, in alphabetical order."""
    digest: str
    """Digest of the shared demonstrations (``Sources.digest``)."""
    fingerprint: str
    method: str
    """SHA-256 of the arms and all settings of the episodes."""
    items: int
    """Number of its demonstrations that ``transfer`` is a mean over; at most 220."""
    rehearsals: int
    """Number of its episodes (rehearsals) with each number of labels; at most 4."""
    transfer: tuple[float, ...]
    """(S,) share, in [0, 1], of its right answers in each shared institution's replies to its inputs."""
    scores: tuple[tuple[float, ...], ...]
    """(len(LABELS), len(ARMS)) sums over the episodes (``guard.arm_scores``), each in [0, rehearsals]."""
    file: str = field(default="", compare=False)
    """File that it was read from, for messages."""

    def __post_init__(self) -> None:
        self._check_names()
        if self.method != METHOD:
            raise self.refused("method", "was measured by another version of the method; measure again with this one")
        self._check_count("items", self.items, 1, TRANSFER_ITEMS)
        self._check_count("rehearsals", self.rehearsals, 0, MOST_REHEARSALS)
        self._check_numbers("transfer", self.transfer, len(self.sources), 1.0)
        if not isinstance(self.scores, tuple) or len(self.scores) != len(LABELS):
            raise self.refused("scores", f"must be {len(LABELS)} lists, one for each of {LABELS} labels")
        for row in self.scores:
            self._check_numbers("scores", row, len(ARMS), self.rehearsals * (1 + SURENESS) + ROUNDING)

    @property
    def sums(self) -> Floats:
        """The scores as an array, (len(LABELS), len(ARMS))."""
        return np.array(self.scores, np.float64)

    def check_beside(self, sources: Sources) -> None:
        """Raise DataError unless it was measured against exactly these demonstrations, with their encoder."""
        if self.fingerprint != sources.fingerprint:
            used = f"with {_shortened(self.fingerprint)}, the library is open with {sources.fingerprint!r}"
            raise self.refused("fingerprint", f"was measured {used}; measure again with that encoder")
        if self.sources != sources.institutions:
            apart = sorted(set(self.sources) ^ set(sources.institutions))
            named = ", ".join(map(_shortened, apart[:5])) + (f" and {len(apart) - 5} more" if len(apart) > 5 else "")
            raise self.refused("sources", f"differ from the institutions learned from in {named}; measure again")
        if self.digest != sources.digest:
            why = "says that it was measured beside other demonstrations of these institutions; measure again"
            raise self.refused("digest", why)

    def to_json(self) -> str:
        """Return the statistics as readable JSON; numbers are read back exactly."""
        record = {"format": FORMAT, **asdict(self)}
        del record["file"]
        return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, file: str = "") -> Self:
        """Read statistics from ``to_json``. Raises DataError that names the file and the invalid field."""
        name = file or "the statistics"
        try:
            record = json.loads(text, parse_constant=_reject_constant, object_pairs_hook=_record_of)
        except RecursionError:
            raise DataError(f"{name}: not JSON that can be read (nested too deeply)") from None
        except ValueError as error:
            raise DataError(f"{name}: not JSON that can be read ({error})") from None
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            got = _shortened(record.get("format")) if isinstance(record, dict) else "none"
            raise DataError(f"{name}: the format is {got}, expected {FORMAT!r}; make it with: metachain statistics")
        fields = cls.__dataclass_fields__.keys() - {"file"}
        if odd := fields ^ (record.keys() - {"format"}):
            wrong = min(odd)
            how = "is missing" if wrong in fields else "is not one that statistics have"
            raise DataError(f"{name}: field {_shortened(wrong)} {how}; measure again")
        read = {key: _as_tuples(record[key]) for key in fields}
        return cls(**read | {name: _in_form(read[name]) for name in ("institution", "sources")}, file=file)

    def refused(self, name: str, why: str) -> DataError:
        """Return the error for an invalid field; it names the file, or the institution where there is none."""
        return DataError(f"{self.file or f'statistics of {_shortened(self.institution)}'}: {name!r} {why}")

    def _check_names(self) -> None:
        if not isinstance(self.sources, tuple) or not self.sources:
            raise self.refused("sources", "must be a list of the institutions it was measured beside")
        named = {"institution": self.institution, "digest": self.digest, "fingerprint": self.fingerprint}
        for name, value in (*named.items(), *(("sources", one) for one in self.sources)):
            try:
                check_text(name, value)
            except DataError as error:
                raise DataError(f"{self.file or 'statistics'}: {error}") from None
        if list(self.sources) != sorted(set(self.sources)):
            raise self.refused("sources", "must be in alphabetical order, each once")
        if self.institution in self.sources:
            raise self.refused("sources", f"holds {_shortened(self.institution)} itself, which it was measured beside")

    def _check_count(self, name: str, value: object, least: int, most: int) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.refused(name, f"must be a whole number in [{least}, {most}], got {_shortened(value)}")

    def _check_numbers(self, name: str, values: object, count: int, most: float) -> None:
        if not isinstance(values, tuple) or len(values) != count:
            got = f"a list of {len(values)}" if isinstance(values, tuple) else _shortened(values)
            raise self.refused(name, f"must hold {count} numbers in each list, got {got}")
        for place, value in enumerate(values):
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
                got = f"{_shortened(value)} in place {place}"
                raise self.refused(name, f"must hold numbers in [0, {most:g}], got {got}")


def contribution_of(sources: Sources, own: Pool, progress: Progress = silent) -> Contribution:
    """Measure one institution's demonstrations against shared ones, as ``learn`` measures a sharing institution.

    ``own`` is a pool of one institution's demonstrations, made with the ``answers`` of the sources' pool. No other
    institution may be shown its demonstrations, so only its row of the transfer matrix decides which sources are alike.
    """
    pool = sources.table.pool.followed_by(own)
    number = len(sources.institutions)
    past = np.arange(number)
    items = transfer_items(pool, number)
    parts = [part for one in episodes_of(pool, number, past) for part in (one.support, one.query)]
    table = NeighbourTable.of(pool, np.concatenate([items, *parts]), progress, sources.index)
    row = np.clip(transfer_row(table.profile(items, past), pool.answer[items]), 0, 1)
    episodes = episodes_beside(pool, number, past, row)
    sums = np.zeros((len(LABELS), len(ARMS)))
    name = own.institutions[0]
    for done, episode in enumerate(episodes):
        progress(f"rehearsing {name}", done, len(episodes))
        sums[LABELS.index(episode.labels)] += arm_scores(table, episode, sources.transfer)
    return Contribution(
        institution=name,
        sources=sources.institutions,
        digest=sources.digest,
        fingerprint=sources.fingerprint,
        method=METHOD,
        items=len(items),
        rehearsals=len(episodes) // len(LABELS),
        transfer=tuple(row.tolist()),
        scores=tuple(map(tuple, sums.tolist())),
    )


def read_contribution(path: str | Path) -> Contribution:
    """Read a file that ``metachain statistics`` wrote. Raises DataError that names the file and the fault."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror}") from None
    if len(raw) > LARGEST_FILE:
        raise DataError(f"{path}: over {LARGEST_FILE} bytes, statistics take a few thousand; is it another file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason}); make it with: metachain statistics") from None
    return Contribution.from_json(text, str(path))


def _as_tuples(value: Any) -> Any:
    """Turn lists into tuples, two levels deep: no field is nested deeper."""
    return tuple(tuple(one) if isinstance(one, list) else one for one in value) if isinstance(value, list) else value


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _record_of(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a field is given twice")
    return record


def _shortened(value: object) -> str:
    """Show a value in a message: short, and a container or other object by its type only."""
    if value is not None and not isinstance(value, str | int | float):
        return type(value).__name__
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


def _in_form(names: Any) -> Any:
    """Names in their normal form, as libraries hold them; a value of another kind as it is."""
    if isinstance(names, tuple):
        return tuple(map(_in_form, names))
    return normal_form(names) if isinstance(names, str) else names
