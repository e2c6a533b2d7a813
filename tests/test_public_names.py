"""What each of the three packages offers."""

import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = ("metachain", "metachain.retrievers", "metachain.chains")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package: str) -> None:
    """Each name in ``__all__`` can be imported, and is public in the module that it lives in."""
    module = import_module(package)
    for name in module.__all__:
        home = getattr(module, name).__module__
        assert home.startswith(f"{package}.")
        assert name in import_module(home).__all__


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    """A name that is not there is refused as Python does."""
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = import_module(package).nonsense


def test_the_border_of_langchain_names() -> None:
    """What users import from the two upper packages; a change here is one for the changelog."""
    assert import_module("metachain.retrievers").__all__ == [
        "DemonstrationRetriever",
        "EncoderEmbeddings",
        "LangChainEncoder",
        "MetaExampleSelector",
        "demonstrations_from_faiss",
        "semantic_example_selector",
    ]
    assert import_module("metachain.chains").__all__ == [
        "Classification",
        "OfflineChatModel",
        "classification_chain",
        "few_shot_chain",
        "few_shot_prompt",
        "load_model",
    ]


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("metachain, metachain.retrievers, metachain.chains", "numpy, langchain_core, torch"),
        ("metachain.selector", "langchain_core, torch"),
        ("metachain.retrievers.selector, metachain.retrievers.community", "langchain, langchain_community, torch"),
        ("metachain.chains.classification", "langchain_community, torch"),
    ],
)
def test_imports_stay_within_their_layer(imported: str, absent: str) -> None:
    """Importing a layer brings in nothing of the layers above, and nothing heavy before it is used."""
    script = f"import sys, {imported}\nassert not set({absent!r}.split(', ')) & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
