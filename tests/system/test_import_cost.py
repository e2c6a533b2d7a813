"""What the package imports, and when: the heavy parts wait until they are used."""

import subprocess
import sys

import pytest

HEAVY = {
    "numpy",
    "scipy",
    "torch",
    "sklearn",
    "langchain_core",
    "langchain",
    "faiss",
    "sentence_transformers",
    "transformers",
    "onnx",
    "onnxruntime",
    "tokenizers",
    "sqlalchemy",
    "matplotlib",
    "rich",
}


def imported(code: str) -> set[str]:
    """Top-level names of all modules that a fresh Python has imported after running the code."""
    return {name.partition(".")[0] for name in modules(code)}


def modules(code: str) -> set[str]:
    """Names of all modules that a fresh Python has imported after running the code."""
    program = f"import sys\n{code}\nprint('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["evaluate", "--help"], ["select"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Help, the version and a mistake in the arguments are shown without numpy, torch, LangChain and the like."""
    code = (
        f"sys.argv = ['metachain', *{arguments}]\nfrom metachain.cli import main\ntry: main()\nexcept SystemExit: pass"
    )
    assert imported(code) & HEAVY <= {"rich"}


@pytest.mark.parametrize("name", ["metachain", "metachain.errors", "metachain.data.demonstration"])
def test_import_metachain_costs_nothing(name: str) -> None:
    """``import metachain``, its errors and its demonstrations are plain Python."""
    assert imported(f"import {name}") & HEAVY == set()


def test_the_library_needs_no_model() -> None:
    """A library is opened, filled and read without torch, LangChain or FAISS."""
    code = (
        "import tempfile\nfrom metachain import Demonstration, Library\n"
        "with tempfile.TemporaryDirectory() as folder, Library.open(folder + '/x.db') as library:\n"
        "    library.add([Demonstration('a', 'b', 'c')]); library.demonstrations()"
    )
    assert imported(code) & {"torch", "transformers", "sentence_transformers", "langchain_core", "faiss"} == set()


def test_the_first_query_waits_for_no_import() -> None:
    """Whoever has imported the selector has imported what hashes a query's letters."""
    assert "sklearn.feature_extraction.text" in modules("import metachain.selection.selector")


def test_learning_needs_no_langchain() -> None:
    """Learning, adapting, selecting and evaluating know nothing of LangChain."""
    code = (
        "import metachain.learning.prior, metachain.learning.posterior, metachain.selection.selector\n"
        "import metachain.evaluation.leave_one_out, metachain.reporting.report"
    )
    assert imported(code) & {"torch", "langchain_core", "langchain"} == set()


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("metachain.library.ingestion", {"datasets", "langchain_core", "torch"}),
        ("metachain.retrievers.example_selector", {"langchain", "langchain_community", "torch"}),
        ("metachain.retrievers.community", {"langchain", "langchain_community", "torch"}),
        ("metachain.chains.classification", {"langchain_community", "torch"}),
    ],
)
def test_imports_stay_within_their_layer(module: str, absent: set[str]) -> None:
    """Importing a layer brings in nothing of the layers above, and nothing heavy before it is used."""
    assert imported(f"import {module}") & absent == set()
