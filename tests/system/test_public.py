"""What the packages offer to others: pinned, importable, documented."""

import importlib
import inspect
import pkgutil
from importlib.metadata import version

import pytest

import metachain
from metachain import cli as commands
from metachain import errors

PUBLIC = {
    "metachain": [
        "Audience",
        "Demonstration",
        "Diagnosis",
        "EVERYONE",
        "Grant",
        "Library",
        "Posterior",
        "Prior",
        "Selection",
        "Selector",
        "Suggestion",
        "adapt",
        "diagnose",
        "learn",
        "read_demonstrations",
        "suggest_labels",
    ],
    "metachain.retrievers": [
        "DemonstrationRetriever",
        "DemonstrationVectorStore",
        "EncoderEmbeddings",
        "LangChainEncoder",
        "LibraryExampleSelector",
        "MetaExampleSelector",
        "StoredDemonstrations",
        "demonstrations_from_faiss",
        "document_of",
        "documents_of_faiss",
        "ingest_documents",
        "semantic_example_selector",
    ],
    "metachain.chains": [
        "Answer",
        "CallBudget",
        "Classification",
        "Cleaned",
        "Cleaning",
        "Collected",
        "DemonstrationMiddleware",
        "FeedbackRecorder",
        "Judge",
        "LocalChatModel",
        "MetaChainToolkit",
        "ModelCaller",
        "OfflineChatModel",
        "Prices",
        "ScoresLabels",
        "Usage",
        "classification_chain",
        "collect",
        "collect_fusion",
        "extraction_chain",
        "few_shot_chain",
        "few_shot_prompt",
        "load_model",
        "openevals_metric",
        "recorded",
        "summarization_chain",
    ],
}
NAMES = [(package, name) for package, names in PUBLIC.items() for name in names]
MODULES = sorted(
    module.name
    for package in (metachain, commands)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    if module.name != "metachain.__main__"
)


@pytest.mark.parametrize("package", PUBLIC)
def test_what_is_public_is_pinned(package: str) -> None:
    """A package offers exactly the names listed here; anything else is an AttributeError that names it."""
    module = importlib.import_module(package)
    assert sorted(module.__all__) == PUBLIC[package] == dir(module)
    with pytest.raises(AttributeError, match=rf"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_every_public_name_is_there_and_documented(package: str, name: str) -> None:
    """A public name can be imported, and it and its own public methods say what they are."""
    thing = getattr(importlib.import_module(package), name)
    assert thing.__module__.startswith(package)
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        own = {key: member for key, member in vars(thing).items() if not key.startswith("_") and callable(member)}
        assert [key for key in own if not inspect.getdoc(getattr(thing, key))] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_module_lists_what_it_offers(name: str) -> None:
    """Every module says what it is, and each name in its ``__all__`` is there."""
    module = importlib.import_module(name)
    assert module.__doc__
    assert [one for one in module.__all__ if not hasattr(module, one)] == []


def test_errors_are_also_what_python_calls_them() -> None:
    """Every error is a MetachainError, and also the ValueError, LookupError, PermissionError or RuntimeError it is."""
    kinds = {
        errors.AnswerError: ValueError,
        errors.DataError: ValueError,
        errors.NotFoundError: LookupError,
        errors.NotLearnedError: LookupError,
        errors.LibraryError: ValueError,
        errors.StorageError: PermissionError,
        errors.BusyError: PermissionError,
        errors.SharingError: PermissionError,
        errors.ModelError: RuntimeError,
    }
    for kind, plain in kinds.items():
        assert issubclass(kind, errors.MetachainError)
        assert issubclass(kind, plain)
        assert str(kind("what to do")) == "what to do"
    assert {kind.__name__ for kind in kinds} | {"MetachainError"} == set(errors.__all__)


def test_the_version_is_the_packages() -> None:
    """``metachain.__version__`` is what the installed package says."""
    assert metachain.__version__ == version("metachain")
