"""Embeddings across the border, both ways."""

from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from oracles import hospitals

from metachain.embedding.encoder import Encoder, MiniLM
from metachain.errors import DataError
from metachain.learning.posterior import adapt
from metachain.learning.prior import learn
from metachain.library.library import Library
from metachain.library.sharing import EVERYONE
from metachain.retrievers import EncoderEmbeddings, LangChainEncoder
from metachain.selection.selector import Selector

TEXTS = ["mri brain", "xray chest", "mri brain"]


class _Ours:
    @pytest.fixture(autouse=True)
    def _parts(self, encoder: MiniLM) -> None:
        self.encoder = encoder

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return EncoderEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Encoder]:
        return {"encoder": self.encoder}


class TestUnit(_Ours, EmbeddingsUnitTests):
    """LangChain's unit suite for embeddings."""


class TestIntegration(_Ours, EmbeddingsIntegrationTests):
    """LangChain's integration suite for embeddings."""


class Odd(Embeddings):
    """A model that returns what it was made with."""

    def __init__(self, returned: object) -> None:
        self.returned = returned

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return it."""
        return self.returned  # type: ignore[return-value]

    def embed_query(self, text: str) -> list[float]:
        """Not used: queries are embedded as documents are."""
        raise AssertionError


def test_there_and_back_changes_nothing(encoder: MiniLM) -> None:
    """Our encoder as LangChain's embeddings as our encoder gives the same unit rows, up to float32."""
    there_and_back = LangChainEncoder(EncoderEmbeddings(encoder), "minilm")
    np.testing.assert_allclose(there_and_back.encode(TEXTS), encoder.encode(TEXTS), atol=1e-6)


async def test_sync_equals_async(encoder: MiniLM) -> None:
    """Embedding with and without await gives the same vectors."""
    embeddings = EncoderEmbeddings(encoder)
    assert await embeddings.aembed_documents(TEXTS) == embeddings.embed_documents(TEXTS)
    assert await embeddings.aembed_query(TEXTS[0]) == embeddings.embed_query(TEXTS[0])


def test_rows_are_float32_of_unit_length() -> None:
    """Whatever length a model's vectors have, ours have length 1; an all-zero vector stays zero."""
    rows = LangChainEncoder(Odd([[3, 4], [0, 0], [1e300, 0]]), "odd").encode(TEXTS)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)


def test_no_texts_have_no_rows_of_the_right_width() -> None:
    """Without texts the result is empty, as wide as the model's vectors."""
    encoder = LangChainEncoder(DeterministicFakeEmbedding(size=7), "fake")
    assert encoder.encode([]).shape == (0, 7)
    assert encoder.encode(TEXTS).shape == (3, 7)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "shape \\(\\) for 1 texts"),
        ([], "shape \\(0,\\) for 1 texts"),
        ([[]], "shape \\(1, 0\\) for 1 texts"),
        ([[1.0], [2.0]], "shape \\(2, 1\\) for 1 texts"),
        ([1.0, 2.0], "shape \\(2,\\) for 1 texts"),
        ([[1.0, float("nan")]], "NaN or infinite"),
        ([[1.0, float("inf")]], "NaN or infinite"),
        ([[1.0], [2.0, 3.0]], "not 1 equally long vectors"),
        ([["a", "b"]], "not 1 equally long vectors"),
    ],
)
def test_a_model_that_returns_no_vectors_is_refused(returned: object, message: str) -> None:
    """Wrong shapes and numbers that are none are a DataError that names the model and what it returned."""
    with pytest.raises(DataError, match=f"'odd' must return one vector.*{message}"):
        LangChainEncoder(Odd(returned), "odd").encode(["mri"])


def test_a_model_that_changes_its_size_is_refused() -> None:
    """Vectors of another size than the earlier ones are refused."""
    model = Odd([[1.0, 2.0]])
    encoder = LangChainEncoder(model, "odd")
    encoder.encode(["mri"])
    model.returned = [[1.0, 2.0, 3.0]]
    with pytest.raises(DataError, match="3 numbers, earlier ones had 2"):
        encoder.encode(["mri"])


def test_bad_arguments_are_refused() -> None:
    """An encoder needs embeddings and a name for them."""
    with pytest.raises(DataError, match="Embeddings object, got str"):
        LangChainEncoder("openai", "x")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="must name"):
        LangChainEncoder(DeterministicFakeEmbedding(size=7), " ")


def test_a_library_works_with_langchains_embeddings(tmp_path: Path) -> None:
    """Learning, adapting without labels and selecting run on any LangChain embeddings."""
    encoder = LangChainEncoder(DeterministicFakeEmbedding(size=16), "fake/16")
    with Library.open(tmp_path / "fake.db", encoder) as library:
        library.add(hospitals(count=3), share=EVERYONE)
        prior = learn(library)
        selector = Selector(library, adapt(prior, library, "new"), k=3)
        assert len(selector.select("xray chest ward a").chosen) <= 3
    assert prior.fingerprint == "fake/16"
