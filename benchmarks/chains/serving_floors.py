"""Two bare servers over the demonstrations of a library, for benchmarks/chains/serving.py.

``plain`` is FastAPI with FAISS's exact search, the same encoder and the offline reader. ``langserve`` is LangServe with
LangChain's similarity selector and the same offline model. Neither has keys, limits, records or learning.
"""

import os
from typing import Any

import faiss
import numpy as np
from fastapi import FastAPI
from langchain_community.vectorstores import FAISS
from langchain_core.embeddings import Embeddings
from langchain_core.example_selectors import SemanticSimilarityExampleSelector
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, FewShotChatMessagePromptTemplate
from langserve import add_routes
from pydantic import BaseModel

from metachain import Library
from metachain.chains.local.offline import OfflineChatModel
from metachain.embedding.encoder import MiniLM
from metachain.scoring.reader import answer

LIBRARY, KIND = "SERVING_LIBRARY", "SERVING_KIND"
SHOTS = 8


class Query(BaseModel):
    """The body of a request."""

    input: dict[str, str]


class Embedded(Embeddings):
    """metachain's encoder for LangChain."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed n texts."""
        return self._encoder.encode(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        """Embed a query."""
        return self._encoder.encode([text])[0].tolist()


def app() -> FastAPI:
    """Make the server that the environment names."""
    faiss.omp_set_num_threads(1)
    encoder = MiniLM()
    encoder.encode(["warm"])
    with Library.open(os.environ[LIBRARY], encoder, create=False) as library:
        held = library.demonstrations()
        vectors = np.ascontiguousarray(library.vectors(held))
    served = FastAPI()
    shown = [(one.input, one.output) for one in held]
    if os.environ[KIND] == "langserve":
        add_routes(served, chain(encoder, shown, vectors), path="/classify")
    else:
        add_plain(served, encoder, shown, vectors)
    return served


def add_plain(served: FastAPI, encoder: Any, shown: list[tuple[str, str]], vectors: np.ndarray) -> None:
    """Add the route of the plain server."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)

    @served.post("/classify/invoke")
    def classify(body: Query) -> dict[str, str]:
        text = body.input["input"]
        _, places = index.search(encoder.encode([text]), SHOTS)
        return {"output": answer(text, [shown[place] for place in places[0][::-1]])}


def chain(encoder: Any, shown: list[tuple[str, str]], vectors: np.ndarray) -> Any:
    """Make the chain that LangServe serves."""
    pairs = [(input, vector) for (input, _), vector in zip(shown, vectors, strict=True)]
    facts = [{"input": input, "output": output} for input, output in shown]
    store = FAISS.from_embeddings(pairs, Embedded(encoder), metadatas=facts)
    selector = SemanticSimilarityExampleSelector(vectorstore=store, k=SHOTS, input_keys=["input"])
    example = ChatPromptTemplate.from_messages([("human", "{input}"), ("ai", "{output}")])
    few = FewShotChatMessagePromptTemplate(example_selector=selector, input_variables=["input"], example_prompt=example)
    return ChatPromptTemplate.from_messages([few, ("human", "{input}")]) | OfflineChatModel() | StrOutputParser()
