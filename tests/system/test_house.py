"""Rules of the house that ruff and import-linter do not hold: sizes, names, front doors, how a docstring opens."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("metachain", "metachain/*", "retrievers", "chains", "chains/*")
    for path in ROOT.glob(f"{folder}/*.py")
    if not path.is_relative_to(ROOT / "metachain" / "retrievers")
    and not path.is_relative_to(ROOT / "metachain" / "chains")
)
FOLDERS = sorted({path.parent for path in SOURCES})
LINES_OF_A_FILE = 300
LINES_OF_A_FUNCTION = 40
FILES_OF_A_PACKAGE = 25
LONG_FILE = re.compile(r"^# Longer than 300 lines: \S", re.MULTILINE)
LONG_FUNCTION = re.compile(r"^\s*# Longer than 40 lines: \S")
CLAUSE = re.compile(r"(?:What|Whom|Whatever|Who|Whose|Whether|How)\b")

# The root, metachain.chains and metachain.retrievers are pinned in test_public.py.
FRONT_DOORS = {
    "metachain.data": [
        "Demonstration",
        "Findings",
        "Reading",
        "WorldSettings",
        "generate_world",
        "named_columns",
        "read_answers",
        "read_demonstrations",
        "read_inputs",
    ],
    "metachain.embedding": [
        "Encoder",
        "MiniLM",
        "SentenceTransformerEncoder",
        "hybrid_vectors",
        "lexical_vectors",
        "normalise_text",
        "text_sha256",
    ],
    "metachain.deidentification": ["Gate", "gate_named"],
    "metachain.scoring": [
        "METRICS",
        "Metric",
        "answer",
        "are_texts",
        "exact_match",
        "json_schema",
        "metric_named",
        "suited_metric",
    ],
    "metachain.library": [
        "Audience",
        "AuditEntry",
        "Caller",
        "Connections",
        "EVERYONE",
        "Event",
        "Grant",
        "Head",
        "Ingested",
        "Library",
        "LookAlikes",
        "NOBODY",
        "Outcome",
        "cached_vectors",
        "called_by",
        "embed_stored",
        "file_rows",
        "ingest",
        "ingest_file",
        "is_library",
        "records_sha256",
        "without_password",
    ],
    "metachain.learning": [
        "ARMS",
        "Change",
        "Conflict",
        "Contribution",
        "LABELS",
        "NEAREST",
        "Posterior",
        "Prior",
        "Receipt",
        "Renamed",
        "Suggestion",
        "adapt",
        "conflicts",
        "describe_change",
        "forget",
        "learn",
        "learned_from",
        "load_posterior",
        "load_prior",
        "mean_scores",
        "read_contribution",
        "rename",
        "save_posterior",
        "save_prior",
        "scored_answers",
        "statistics_of",
        "suggest_labels",
    ],
    "metachain.selection": [
        "AnswerProbability",
        "Chosen",
        "Fusion",
        "FusionTrial",
        "LearnedPolicy",
        "Policy",
        "Selection",
        "Selector",
        "WordTrial",
        "learn_fusion",
        "load_fusion",
        "load_policy",
        "log_posterior",
        "read_policy",
        "save_fusion",
        "save_policy",
    ],
    "metachain.evaluation": [
        "ABLATIONS",
        "Answerer",
        "Diagnosis",
        "Evaluation",
        "Plan",
        "READERS",
        "check_comparable",
        "check_seconds",
        "diagnose",
        "evaluate",
        "worth",
    ],
    "metachain.reporting": ["write_report"],
    "metachain.cli": [
        "ModelOptions",
        "answering_by_model",
        "asking",
        "learn_policy",
        "main",
        "one_line",
        "out",
        "print_changes",
        "print_conflicts",
        "print_diagnosis",
        "print_evaluation",
        "print_institutions",
        "print_lesson",
        "print_look_alikes",
        "print_past_changes",
        "print_receipt",
        "print_selection",
        "print_summary",
        "print_verdict",
        "short",
        "taken_along",
        "working",
    ],
}
PACKAGES = ["metachain", "metachain.chains", "metachain.retrievers", *FRONT_DOORS]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parsed(source: Path) -> tuple[list[str], ast.Module]:
    """Lines and syntax tree of a file."""
    text = source.read_text(encoding="utf-8")
    return text.splitlines(), ast.parse(text)


def is_text(node: ast.stmt) -> bool:
    """True of a statement that is a string alone: a docstring of a module, class, function or attribute."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring, attributes included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and is_text(node):
            yield node.lineno, ast.literal_eval(node.value).strip()


def length(function: Function) -> int:
    """Lines from ``def`` to the end, docstring not counted."""
    first = function.body[0]
    text = (first.end_lineno or 0) - first.lineno + 1 if is_text(first) else 0
    return (function.end_lineno or 0) - function.lineno + 1 - text


def is_excused(lines: list[str], function: Function) -> bool:
    """True where a comment above the function, or between its ``def`` and its first statement, gives a reason."""
    above = min([function.lineno, *(one.lineno for one in function.decorator_list)]) - 2
    first = next((one for one in function.body if not is_text(one)), function.body[-1])
    return any(LONG_FUNCTION.match(line) for line in lines[max(above, 0) : first.lineno - 1])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_fits_on_a_screen(folder: Path) -> None:
    """A package has at most 25 Python files."""
    assert len(list(folder.glob("*.py"))) <= FILES_OF_A_PACKAGE


def test_files_are_short() -> None:
    """A file has at most 300 lines, or a comment line at its top that says why it has more."""
    assert [
        f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines"
        for path in SOURCES
        if len((text := path.read_text(encoding="utf-8")).splitlines()) > LINES_OF_A_FILE and not LONG_FILE.search(text)
    ] == []


def test_functions_are_short() -> None:
    """A function has at most 40 lines, docstring not counted, or a comment line that says why it has more."""
    found = []
    for path in SOURCES:
        lines, tree = parsed(path)
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length(node)} lines"
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and length(node) > LINES_OF_A_FUNCTION
            and not is_excused(lines, node)
        ]
    assert found == []


def test_a_docstring_opens_with_a_verb_or_a_noun() -> None:
    """No docstring opens with a clause: "What …", "Whom …", "How …"."""
    assert [
        f"{path.relative_to(ROOT)}:{line} {text.splitlines()[0]}"
        for path in SOURCES
        for line, text in docstrings(parsed(path)[1])
        if CLAUSE.match(text)
    ] == []


@pytest.mark.parametrize("package", FRONT_DOORS)
def test_a_front_door_is_pinned(package: str) -> None:
    """A package offers exactly the names listed here."""
    assert sorted(importlib.import_module(package).__all__) == sorted(FRONT_DOORS[package])


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_front_door_opens(package: str) -> None:
    """A public name can be imported, and ``dir`` and tab completion show it."""
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_bears_the_name_of_what_its_package_exports(package: str) -> None:
    """Importing a submodule sets an attribute of its package, which would then hide the export of that name."""
    module = importlib.import_module(package)
    folder = Path(module.__path__[0])
    files = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert sorted(files & set(module.__all__)) == []
