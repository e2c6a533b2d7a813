"""One worked example of an institution, and the JSON Lines files that hold many."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from metachain.data.columns import EMPTY, check_columns, rename_fields
from metachain.data.demonstration import Demonstration, check_text, json_object, parse_record
from metachain.data.rows import Row
from metachain.data.text_files import encoding_error, open_text
from metachain.errors import DataError
from metachain.progress import Progress, silent

__all__ = ["json_rows", "read_answers", "read_demonstrations", "read_inputs"]

MAX_REPORTED = 5
T = TypeVar("T")


def read_demonstrations(path: str | Path, institution: str | None = None) -> list[Demonstration]:
    """Read a JSON Lines file of records ``{"institution", "input", "output", "id"?, "metadata"?}``.

    With ``institution`` given, records may leave the field out, and one that names another is refused.
    Raises DataError that names the file and each bad line (the first five), or says that the file is empty.
    """
    expected = 'one {"institution", "input", "output"} object a line'
    return _read(Path(path), lambda line: parse_record(json_object(line), institution), expected)


def read_inputs(path: str | Path) -> list[str]:
    """Read the inputs of a JSON Lines file of records ``{"input"}``; other fields are ignored.

    Raises DataError that names the file and each bad line (the first five), or says that the file is empty.
    """
    return _read(Path(path), _parse_input, 'one {"input"} object a line')


def read_answers(path: str | Path) -> list[str]:
    """Read a text file of answers, one a line, in order; blank lines and white space around an answer are ignored.

    Raises DataError that names the file and each bad line (the first five), or says that the file is empty.
    """
    return _read(Path(path), _parse_answer, "one answer a line")


def _read(path: Path, parse: Callable[[str], T], expected: str) -> list[T]:
    records: list[T] = []
    bad: list[str] = []
    for number, line in _lines(path):
        try:
            records.append(parse(line))
        except DataError as error:
            bad.append(f"line {number}: {error}")
    if bad:
        more = f"\n  … and {len(bad) - MAX_REPORTED} more" if len(bad) > MAX_REPORTED else ""
        listed = "\n  ".join(bad[:MAX_REPORTED])
        raise DataError(f"{path}: {len(bad)} bad record(s), nothing was read. Mend or remove:\n  {listed}{more}")
    if not records:
        raise DataError(f"{path} is empty: expected {expected}")
    return records


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"{path}: line {number} is not UTF-8 ({error.reason}); save the file as UTF-8"
                    ) from None
                if line:
                    yield number, line
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror}") from None


def _parse_input(line: str) -> str:
    record = json_object(line)
    if "input" not in record:
        raise DataError("missing field 'input'")
    check_text("input", record["input"])
    return str(record["input"])


def _parse_answer(line: str) -> str:
    check_text("answer", line)
    return line


def json_rows(path: Path, columns: Mapping[str, str] = EMPTY, progress: Progress = silent) -> Iterator[Row]:
    """Read one object a line, passing over blank lines; ``columns`` says which field has another name in the file.

    Raises DataError where the file can't be read.
    """
    check_columns(columns)
    with open_text(path, progress, newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if text := line.strip():
                yield _row(number, text, columns)


def _row(number: int, text: str, columns: Mapping[str, str]) -> Row:
    if reason := encoding_error(text):
        return Row(number, None, reason, text)
    try:
        record = json_object(text)
    except DataError as error:
        return Row(number, None, str(error), text)
    return Row(number, rename_fields(record, columns) if columns else record, raw=text)
