"""Demonstrations as LangChain documents, for applications that use retrievers."""

import asyncio
from functools import cached_property
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from metachain.retrievers.explaining_selector import described
from metachain.selection.selection import Chosen
from metachain.selection.selector import Selector

__all__ = ["DemonstrationRetriever"]


class DemonstrationRetriever(BaseRetriever):
    """Retrieves demonstrations for one institution, the most useful *first*, as retrievers do.

    (A selector puts the most useful one last, next to the query.) ``page_content`` is a demonstration's input; the
    metadata hold ``id``, ``institution``, ``output``, ``score``, ``similarity``, ``plausibility`` and ``reason``.
    """

    selector: Selector
    k: int | None = Field(default=None, ge=0)
    """Maximum number; None for the selector's own. ``invoke(query, k=3)`` overrides it for one call."""
    filter: dict[str, Any] | None = None
    """Filter on the demonstrations' metadata (``metachain.data.metadata.filters``), besides that of the selector."""

    @cached_property
    def _narrowed(self) -> Selector:
        return self.selector if self.filter is None else self.selector.filtered(self.filter)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        return self._documents(query, k)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        return await asyncio.to_thread(self._documents, query, k)

    def _documents(self, query: str, k: int | None) -> list[Document]:
        selection = self._narrowed.select(query, self.k if k is None else k)
        return [_document(one) for one in reversed(selection.chosen)]


def _document(one: Chosen) -> Document:
    metadata = described(one)
    return Document(metadata.pop("input"), metadata=metadata)
