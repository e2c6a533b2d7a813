"""The same Runnables in an app of your own, without LangServe: FastAPI's routes, one of them a stream.

    python examples/plain_fastapi.py       # needs FastAPI, which the extra metachain[serve] installs

It asks itself in this process and ends; ``uvicorn`` would serve ``app_for(…)``. Who asks is whom you have
authenticated: here a header stands in for that. The hospitals are generated and synthetic.
"""

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Header
from fastapi.responses import StreamingResponse
from hospital import a_new_hospital
from pydantic import BaseModel
from starlette.testclient import TestClient

from metachain import Library, learn
from metachain.chains import classification_chain, summarization_chain
from metachain.learning import save_prior
from metachain.retrievers import LibraryExampleSelector


class Asked(BaseModel):
    """A query."""

    text: str


def app_for(library: Library) -> FastAPI:
    """Two chains, two routes."""
    selector = LibraryExampleSelector(library)
    classify, summarize = classification_chain("offline", selector), summarization_chain("offline", selector)
    app = FastAPI()

    @app.post("/classify")
    async def classified(asked: Asked, institution: Annotated[str, Header()]) -> dict[str, str | None]:
        found = await classify.ainvoke({"input": asked.text}, {"configurable": {"institution": institution}})
        return {"label": found.label}

    @app.post("/summarize")
    async def summarized(asked: Asked, institution: Annotated[str, Header()]) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            asking = {"configurable": {"institution": institution}}
            async for piece in summarize.astream({"input": asked.text}, asking):
                yield f"data: {json.dumps(piece)}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def main() -> None:
    """Ask both routes."""
    with a_new_hospital() as (library, _, own):
        save_prior(library, learn(library))
        asked, who = {"text": own[0].input}, {"institution": library.institutions()[0]}
        with TestClient(app_for(library)) as client:
            print(client.post("/classify", json=asked, headers=who).json())
            print(client.post("/summarize", json=asked, headers=who).text.strip())


if __name__ == "__main__":
    main()
