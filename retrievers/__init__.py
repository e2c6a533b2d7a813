"""Where LangChain's words meet ours: embeddings, example selectors, the retriever, vector stores."""

from typing import TYPE_CHECKING

from metachain.lazy import lazily

if TYPE_CHECKING:
    from metachain.retrievers.community import (
        demonstrations_from_faiss,
        documents_of_faiss,
        semantic_example_selector,
    )
    from metachain.retrievers.documents import document_of, ingest_documents
    from metachain.retrievers.embeddings import EncoderEmbeddings, LangChainEncoder
    from metachain.retrievers.library import LibraryExampleSelector
    from metachain.retrievers.retriever import DemonstrationRetriever
    from metachain.retrievers.selector import MetaExampleSelector
    from metachain.retrievers.stored import StoredDemonstrations
    from metachain.retrievers.vector_store import DemonstrationVectorStore

__all__ = [
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
]
_HOMES = {
    "demonstrations_from_faiss": "community",
    "documents_of_faiss": "community",
    "document_of": "documents",
    "ingest_documents": "documents",
    "semantic_example_selector": "community",
    "EncoderEmbeddings": "embeddings",
    "LangChainEncoder": "embeddings",
    "LibraryExampleSelector": "library",
    "DemonstrationRetriever": "retriever",
    "MetaExampleSelector": "selector",
    "StoredDemonstrations": "stored",
    "DemonstrationVectorStore": "vector_store",
}
__getattr__ = lazily(__name__, _HOMES)
