"""Which chat model answers."""

import sys
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
    known = r"no provider is called .*'offline', 'local', 'vertex' and these are known: .*anthropic.*ollama"
    with pytest.raises(DataError, match=known):
        load_model(spec)


@pytest.mark.parametrize(
    ("spec", "package", "extra"),
    [
        ("anthropic:claude-sonnet-5-5", "langchain_anthropic", "anthropic"),
        ("openai:gpt-4o-mini", "langchain_openai", "openai"),
        ("ollama:llama3:8b", "langchain_ollama", "ollama"),
        ("Google-GenAI:gemini-2.5-flash", "langchain_google_genai", "vertex"),
        ("vertex:gemini-2.5-flash", "langchain_google_genai", "vertex"),
        ("vertex:claude-sonnet-5-5", "langchain_google_vertexai", "anthropic-vertex"),
        ("google_anthropic_vertex:claude-sonnet-5-5", "langchain_google_vertexai", "anthropic-vertex"),
    ],
)
def test_a_missing_package_is_named(spec: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider whose package is not installed is a DataError that says which extra to install."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=rf"not installed: pip install 'metachain\[{extra}\]'"):
        load_model(spec)


@pytest.mark.parametrize(
    ("spec", "package"),
    [
        ("vertex:gemini-2.5-flash", "langchain_google_genai"),
        ("vertex:claude-haiku-4-5", "langchain_google_vertexai"),
    ],
)
def test_vertex_needs_a_project(spec: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a project the error says how to give one."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(DataError, match="needs a project: give project='…'"):
        load_model(spec, location="us-central1")


def test_vertex_reads_its_place_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Project and location come from the usual variables, and an argument comes before them."""
    genai = pytest.importorskip("langchain_google_genai")
    credentials = pytest.importorskip("google.oauth2.credentials").Credentials(token="token")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "hospital")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "europe-west1")
    model = load_model("vertex:gemini-2.5-flash", credentials=credentials)
    other = load_model("google_genai:gemini-2.5-flash", vertexai=True, location="us-east1", credentials=credentials)
    assert isinstance(model, genai.ChatGoogleGenerativeAI)
    assert (model.project, model.location, other.location) == ("hospital", "europe-west1", "us-east1")
