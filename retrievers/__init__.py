"""LangChain adapters over the core: embeddings, example selectors, the retriever, vector stores."""

from typing import TYPE_CHECKING

from metachain._lazy import lazily

if TYPE_CHECKING:
    from metachain.retrievers.community import demonstrations_from_faiss, documents_of_faiss, semantic_example_selector
    from metachain.retrievers.documents import document_of, ingest_documents
    from metachain.retrievers.embeddings import EncoderEmbeddings, LangChainEncoder
    from metachain.retrievers.example_selector import MetaExampleSelector
    from metachain.retrievers.library_example_selector import LibraryExampleSelector
    from metachain.retrievers.retriever import DemonstrationRetriever
    from metachain.retrievers.stored_demonstrations import StoredDemonstrations
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
    "semantic_example_selector": "community",
    "document_of": "documents",
    "ingest_documents": "documents",
    "EncoderEmbeddings": "embeddings",
    "LangChainEncoder": "embeddings",
    "MetaExampleSelector": "example_selector",
    "LibraryExampleSelector": "library_example_selector",
    "DemonstrationRetriever": "retriever",
    "StoredDemonstrations": "stored_demonstrations",
    "DemonstrationVectorStore": "vector_store",
}
__getattr__ = lazily(__name__, _HOMES)
