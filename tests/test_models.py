"""Which chat model answers."""

from importlib.util import find_spec

import pytest
from langchain_core.language_models import FakeListChatModel

from metachain.chains import OfflineChatModel, load_model
from metachain.errors import DataError


def test_offline_is_the_reader() -> None:
    """``"offline"`` is the embedded default, with its arguments."""
    model = load_model("offline", stop=["\n"], temperature=0)
    assert isinstance(model, OfflineChatModel)
    assert model.stop == ["\n"]


def test_a_model_object_is_given_back() -> None:
    """A chat model is what it is; arguments for it come too late."""
    model = FakeListChatModel(responses=["a"])
    assert load_model(model) is model
    with pytest.raises(DataError, match="'temperature' can't be applied"):
        load_model(model, temperature=0)


@pytest.mark.parametrize("spec", ["", "gpt-4o-mini", "gemini-2.5-flash", "Offline", ":gpt-4o", "openai:", " : "])
def test_a_name_without_provider_is_refused(spec: str) -> None:
    """A bare name is a DataError that shows what to write."""
    with pytest.raises(DataError, match="write provider:name, such as 'anthropic:claude"):
        load_model(spec)


@pytest.mark.parametrize("spec", [None, 7, ["offline"]])
def test_what_is_no_model_is_refused(spec: object) -> None:
    """Anything but a text or a chat model is a DataError that says what was got."""
    with pytest.raises(DataError, match=f"got {type(spec).__name__}"):
        load_model(spec)  # type: ignore[arg-type]


@pytest.mark.parametrize("spec", ["acme:best", "offline:reader"])
def test_an_unknown_provider_is_refused(spec: str) -> None:
    """A provider that LangChain doesn't know is a DataError that lists those it does."""
    with pytest.raises(DataError, match=r"no provider is called .*'offline' and these are known: .*anthropic.*ollama"):
        load_model(spec)


@pytest.mark.parametrize(
    ("spec", "package"),
    [
        ("anthropic:claude-sonnet-5-5", "langchain-anthropic"),
        ("openai:gpt-4o-mini", "langchain-openai"),
        ("ollama:llama3:8b", "langchain-ollama"),
        ("Google-GenAI:gemini-2.5-flash", "langchain-google-genai"),
    ],
)
def test_a_missing_package_is_named(spec: str, package: str) -> None:
    """A provider whose package is not installed is a DataError that says what to install."""
    if find_spec(package.replace("-", "_")):
        pytest.skip(f"{package} is installed")
    with pytest.raises(DataError, match=f"not installed.*pip install {package}"):
        load_model(spec)
