"""The import contracts hold, and each would notice an arrow that is turned round."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def linted(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over a copy of the packages."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); {LINT}"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the settings and of the three folders on disk, symbolic links kept."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for folder in ("metachain", "chains", "retrievers"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    """Every import points down, and the core knows no LangChain."""
    done = linted(copy)
    assert (done.returncode, "Contracts: 2 kept, 0 broken." in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("metachain/data/demonstration.py", "import metachain.library.library", "arrows point one way"),
        ("metachain/learning/pool.py", "import metachain.selection.chooser", "arrows point one way"),
        ("metachain/data/columns.py", "import metachain.embedding.similarity", "arrows point one way"),
        ("retrievers/documents.py", "import metachain.chains.models", "arrows point one way"),
        ("metachain/learning/pool.py", "import langchain_core", "the core knows no LangChain"),
    ],
)
def test_an_arrow_turned_round_is_noticed(copy: Path, file: str, line: str, broken: str) -> None:
    """One import against the layers, or between two that stand side by side, breaks the contract by name."""
    with (copy / file).open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
    done = linted(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [text for text in done.stdout.splitlines() if text.startswith(broken) and text.endswith("BROKEN")]
    assert "Contracts: 1 kept, 1 broken." in done.stdout


def test_a_new_room_needs_a_place(copy: Path) -> None:
    """A package that no layer names breaks the contract."""
    (copy / "metachain" / "attic").mkdir()
    (copy / "metachain" / "attic" / "__init__.py").write_text('"""New."""\n', encoding="utf-8")
    done = linted(copy)
    assert done.returncode == 1
    assert "metachain.attic" in done.stdout
