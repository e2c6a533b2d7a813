"""The retriever at LangChain's border."""

import json

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError

from metachain.errors import DataError
from metachain.learning.posterior import Posterior
from metachain.library.library import Library
from metachain.retrievers import DemonstrationRetriever
from metachain.selection.selector import Selector

QUERY = "xray chest ward a"


@pytest.fixture
def selector(library: Library, posterior: Posterior) -> Selector:
    """The new hospital's selector."""
    return Selector(library, posterior, k=4)


class TestStandard(RetrieversIntegrationTests):
    """LangChain's own suite for retrievers."""

    @pytest.fixture(autouse=True)
    def _parts(self, selector: Selector) -> None:
        self.selector = selector

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        """What is tested."""
        return DemonstrationRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Selector]:
        """What it is made of."""
        return {"selector": self.selector}

    @property
    def retriever_query_example(self) -> str:
        """A query with more than three demonstrations to show."""
        return QUERY


def test_documents_are_the_selection_most_useful_first(selector: Selector) -> None:
    """Documents hold what the core chose and why, in the reverse of prompt order."""
    documents = DemonstrationRetriever(selector=selector).invoke(QUERY)
    chosen = selector.select(QUERY).chosen[::-1]
    assert [document.page_content for document in documents] == [one.demonstration.input for one in chosen]
    for document, one in zip(documents, chosen, strict=True):
        assert document.metadata == {
            "id": one.demonstration.id,
            "institution": one.demonstration.institution,
            "output": one.demonstration.output,
            "score": one.score,
            "similarity": one.similarity,
            "plausibility": one.plausibility,
            "reason": one.reason,
        }
        assert json.loads(json.dumps(document.metadata)) == document.metadata


async def test_sync_equals_async(selector: Selector) -> None:
    """Both ways to ask give the same documents, with ``k`` for one call as well."""
    retriever = DemonstrationRetriever(selector=selector)
    assert await retriever.ainvoke(QUERY) == retriever.invoke(QUERY)
    assert await retriever.ainvoke(QUERY, k=2) == retriever.invoke(QUERY, k=2) == retriever.invoke(QUERY)[:2]


def test_k_of_zero_retrieves_nothing(selector: Selector) -> None:
    """Asking for none gives an empty list, at construction and for one call."""
    assert DemonstrationRetriever(selector=selector, k=0).invoke(QUERY) == []
    assert DemonstrationRetriever(selector=selector).invoke(QUERY, k=0) == []


def test_bad_arguments_are_refused(selector: Selector) -> None:
    """A negative k and a blank query are errors, not empty answers."""
    with pytest.raises(ValidationError):
        DemonstrationRetriever(selector=selector, k=-1)
    with pytest.raises(DataError):
        DemonstrationRetriever(selector=selector).invoke(QUERY, k=-1)
    with pytest.raises(DataError):
        DemonstrationRetriever(selector=selector).invoke(" ")
