"""Where LangChain's words meet ours: embeddings, the example selector, the retriever."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metachain.retrievers.community import demonstrations_from_faiss, semantic_example_selector
    from metachain.retrievers.embeddings import EncoderEmbeddings, LangChainEncoder
    from metachain.retrievers.retriever import DemonstrationRetriever
    from metachain.retrievers.selector import MetaExampleSelector

__all__ = [
    "DemonstrationRetriever",
    "EncoderEmbeddings",
    "LangChainEncoder",
    "MetaExampleSelector",
    "demonstrations_from_faiss",
    "semantic_example_selector",
]
_HOMES = {
    "demonstrations_from_faiss": "community",
    "semantic_example_selector": "community",
    "EncoderEmbeddings": "embeddings",
    "LangChainEncoder": "embeddings",
    "DemonstrationRetriever": "retriever",
    "MetaExampleSelector": "selector",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'metachain.retrievers' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"metachain.retrievers.{_HOMES[name]}"), name)
