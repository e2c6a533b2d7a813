"""Import of files and tables into a library, row by row: good rows are stored, bad rows are reported."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Unpack

from metachain.data.arrow import dataset_rows
from metachain.data.columns import EMPTY
from metachain.data.demonstration import Demonstration
from metachain.data.reader import FORMATS, rows_of_file
from metachain.data.reading import Findings, Reading, ReadingOptions
from metachain.data.rows import MAX_REPORTED, Rejected, RejectedFile, Row, from_record, reasons_listed
from metachain.data.sniffing import guess_format
from metachain.errors import DataError
from metachain.library.database.bulk import batched
from metachain.library.demonstrations import ROWS_A_QUERY
from metachain.library.library import Library
from metachain.library.sharing import Grant
from metachain.progress import Progress, silent

__all__ = [
    "FORMATS",
    "Ingested",
    "embed_stored",
    "file_rows",
    "guess_format",
    "ingest",
    "ingest_dataset",
    "ingest_file",
]

ROWS_A_PAGE = 16 * 1024
"""Demonstrations that ``embed_stored`` embeds together."""
REJECTED_AT_ONCE = 100
"""Rejected rows that are held in memory before they are reported."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """Result of an import. ``stored`` and ``duplicates`` are as in ``demonstrations.Added``."""

    stored: int
    duplicates: int
    rejected: int
    reasons: tuple[str, ...]
    """Reasons of the first five rejected rows, with their numbers."""
    institutions: frozenset[str]
    """Institutions of the good rows."""


def ingest_file(
    library: Library,
    path: str | Path,
    *,
    institution: str | None = None,
    strict: bool = False,
    share: Grant | None = None,
    rejected: str | Path | None = None,
    progress: Progress = silent,
    found: Findings | None = None,
    **options: Unpack[ReadingOptions],
) -> Ingested:
    """Store the demonstrations of a file in one transaction, without holding them all in memory; nothing is embedded.

    ``institution`` is the institution of rows that name none. The other options are those of
    ``metachain.data.Reading``: ``columns`` maps our fields (``input``, ``metadata.ward``, …) to the names that the file
    uses, ``format`` is one of FORMATS, and so on; without them the content decides. ``found`` is filled with what was
    found out. ``share`` is as in ``Library.add``. A row is rejected if it is not a demonstration, if its id stands for
    another text, or if the library's gate refuses it. Rejected rows are written to the file ``rejected`` if that is
    given; with ``strict`` they are a DataError and nothing is stored. Raises DataError with the file's name if the file
    can't be read, is cut short, is empty or lacks a column.
    """
    rows = file_rows(path, institution, progress, found, **options)
    return ingest(
        library, rows, institution=institution, strict=strict, share=share, rejected=rejected, source=f"{path}"
    )


def ingest_dataset(
    library: Library,
    dataset: Any,
    *,
    columns: Mapping[str, str] = EMPTY,
    institution: str | None = None,
    strict: bool = False,
    share: Grant | None = None,
    rejected: str | Path | None = None,
    progress: Progress = silent,
) -> Ingested:
    """Store the demonstrations of a Hugging Face ``Dataset`` or ``IterableDataset``; see ``ingest_file``."""
    rows = dataset_rows(dataset, columns, institution, progress)
    return ingest(
        library, rows, institution=institution, strict=strict, share=share, rejected=rejected, source="the dataset"
    )


def ingest(
    library: Library,
    rows: Iterable[Row],
    *,
    institution: str | None = None,
    strict: bool = False,
    share: Grant | None = None,
    rejected: str | Path | None = None,
    source: str = "the rows",
    metadata: Mapping[str, Any] = EMPTY,
) -> Ingested:
    """Store the demonstrations of rows in one transaction; see ``ingest_file``. ``source`` names the rows in errors.

    ``metadata`` is added to that of each row.
    """
    with RejectedFile(Path(rejected)) if rejected else nullcontext() as file:
        intake = _Intake(rows, institution, strict, source, None if strict else file, metadata)
        added = library.add(intake.demonstrations(), share=share, refused=intake.refuse)
        intake.report()
    return Ingested(
        added.stored, added.duplicates, intake.rejected, tuple(intake.reasons), frozenset(intake.institutions)
    )


def file_rows(
    path: str | Path,
    institution: str | None = None,
    progress: Progress = silent,
    found: Findings | None = None,
    **options: Unpack[ReadingOptions],
) -> Iterator[Row]:
    """Rows of a file. The first row is read at once, so that an error of the whole file is raised here.

    The options are those of ``metachain.data.Reading``; ``found`` is filled with what was found out.
    """
    return rows_of_file(path, Reading(institution=institution, **options), progress, found)


def embed_stored(library: Library, institutions: Iterable[str], progress: Progress = silent) -> None:
    """Embed the stored demonstrations that have no vector yet, page by page; finished pages survive an interruption."""
    names = sorted(institutions)
    counts = library.counts()
    done, total = 0, sum(counts.get(name, 0) for name in names)
    stored = chain.from_iterable(map(library.stream, names))
    for page in batched(stored, ROWS_A_PAGE):
        library.vectors(page, partial(_report_page, progress, done, total))
        done += len(page)
        progress("embedding", done, total)


def _report_page(progress: Progress, before: int, total: int, stage: str, done: int, _: int) -> None:
    progress(stage, before + done, total)


@dataclass(slots=True)
class _Intake:
    """Passes rows into ``Library.add`` and collects the rejected ones."""

    rows: Iterable[Row]
    institution: str | None
    strict: bool
    source: str
    file: RejectedFile | None
    metadata: Mapping[str, Any]
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)
    institutions: set[str] = field(default_factory=set)
    _accepted: int = 0
    _unreported: list[Rejected] = field(default_factory=list)
    _last: deque[Row] = field(default_factory=lambda: deque(maxlen=ROWS_A_QUERY))
    _ended: bool = False

    def demonstrations(self) -> Iterator[Demonstration]:
        """Demonstrations of the good rows. In strict mode none follows a bad row, and the end raises the error."""
        for row in self.rows:
            made = from_record(row, self.institution)
            if isinstance(made, Rejected):
                self._reject(made)
            elif not (self.strict and self.rejected):
                self._accepted += 1
                self._last.append(row)
                self.institutions.add(made.institution)
                yield replace(made, metadata={**made.metadata, **self.metadata}) if self.metadata else made
        self._ended = True
        self._raise_if_strict()

    def refuse(self, position: int, reason: str) -> None:
        """Reject the demonstration at this position, counted from 0."""
        self._reject(Rejected(self._last[position - self._accepted], reason))
        if self._ended:
            self._raise_if_strict()

    def report(self) -> None:
        """Report the rows rejected since the last report, in the order of rows: ids are checked later than the rest."""
        for one in sorted(self._unreported, key=lambda one: one.row.number):
            if len(self.reasons) < MAX_REPORTED:
                self.reasons.append(str(one))
            if self.file:
                self.file.write(one)
        self._unreported.clear()

    def _reject(self, rejected: Rejected) -> None:
        self.rejected += 1
        self._unreported.append(rejected)
        if self.file:
            self.file.begin()
        if len(self._unreported) == REJECTED_AT_ONCE:
            self.report()

    def _raise_if_strict(self) -> None:
        if self.strict and self.rejected:
            self.report()
            listed = reasons_listed(self.reasons, self.rejected)
            raise DataError(
                f"{self.source}: {self.rejected} bad row(s), nothing was stored. Correct or remove:{listed}"
            )
