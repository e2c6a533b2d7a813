"""The chains in an app of your own, without LangServe: two FastAPI routes, one of them a stream.

    python examples/plain_fastapi.py       # needs FastAPI, which the extra metachain[serve] installs

The script calls its own routes in this process and ends; to serve, run ``app_for(…)`` with ``uvicorn``. The target
institution must come from your authentication; here a header stands in for it. The hospitals are synthetic.
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


class Query(BaseModel):
    """A query."""

    text: str


def app_for(library: Library) -> FastAPI:
    """Make an app with a route for each of two chains."""
    selector = LibraryExampleSelector(library)
    classify, summarize = classification_chain("offline", selector), summarization_chain("offline", selector)
    app = FastAPI()

    @app.post("/classify")
    async def classified(query: Query, institution: Annotated[str, Header()]) -> dict[str, str | None]:
        found = await classify.ainvoke({"input": query.text}, {"configurable": {"institution": institution}})
        return {"label": found.label}

    @app.post("/summarize")
    async def summarized(query: Query, institution: Annotated[str, Header()]) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            config = {"configurable": {"institution": institution}}
            async for piece in summarize.astream({"input": query.text}, config):
                yield f"data: {json.dumps(piece)}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def main() -> None:
    """Call both routes, and print their answers."""
    with a_new_hospital() as (library, _, own):
        save_prior(library, learn(library))
        query, caller = {"text": own[0].input}, {"institution": library.institutions()[0]}
        with TestClient(app_for(library)) as client:
            print(client.post("/classify", json=query, headers=caller).json())
            print(client.post("/summarize", json=query, headers=caller).text.strip())


if __name__ == "__main__":
    main()
