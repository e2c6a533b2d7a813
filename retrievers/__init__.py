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

__all__ = ["DemonstrationRetriever", "DemonstrationVectorStore", "EncoderEmbeddings", "LangChainEncoder"]
__all__ += ["LibraryExampleSelector", "MetaExampleSelector", "StoredDemonstrations", "demonstrations_from_faiss"]
__all__ += ["document_of", "documents_of_faiss", "ingest_documents", "semantic_example_selector"]
__getattr__, __dir__ = lazily(
    __name__,
    community="demonstrations_from_faiss documents_of_faiss semantic_example_selector",
    documents="document_of ingest_documents",
    embeddings="EncoderEmbeddings LangChainEncoder",
    example_selector="MetaExampleSelector",
    library_example_selector="LibraryExampleSelector",
    retriever="DemonstrationRetriever",
    stored_demonstrations="StoredDemonstrations",
    vector_store="DemonstrationVectorStore",
)
