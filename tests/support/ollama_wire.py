"""Ollama's chat protocol."""

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from loopback import Asked, Reply, words_of

__all__ = ["OllamaWire"]

KINDS: dict[str, type[BaseMessage]] = {"user": HumanMessage, "assistant": AIMessage}


class OllamaWire:
    """``POST /api/chat``; a stream is one JSON object a line."""

    stream_type = "application/x-ndjson"

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Read a request."""
        messages = [KINDS.get(one["role"], SystemMessage)(one.get("content") or "") for one in body["messages"]]
        tool = (body.get("tools") or [{}])[0].get("function", {})
        form = body.get("format")
        schema = tool.get("parameters") or (form if isinstance(form, dict) else None)
        limit = (body.get("options") or {}).get("num_predict")
        return Asked(messages, body.get("stream", True), limit, tool.get("name", ""), schema)

    def whole(self, reply: Reply) -> dict[str, Any]:
        """One message with its counts."""
        return _end(reply, _message(reply, reply.text))

    def pieces(self, reply: Reply) -> Iterator[str]:
        """A line a word, then a line with the counts."""
        for word in words_of(reply.text):
            yield json.dumps({**_head(), "message": {"role": "assistant", "content": word}, "done": False}) + "\n"
        yield json.dumps(_end(reply, _message(reply, ""))) + "\n"

    def error(self, status: int) -> dict[str, Any]:
        """Encode an error."""
        return {"error": "as the test asked"}


def _head() -> dict[str, Any]:
    return {"model": "llama3", "created_at": "2026-01-01T00:00:00Z"}


def _message(reply: Reply, text: str) -> dict[str, Any]:
    call = {"function": {"name": reply.tool, "arguments": reply.arguments}}
    return {"role": "assistant", "content": text, **({"tool_calls": [call]} if reply.tool else {})}


def _end(reply: Reply, message: dict[str, Any]) -> dict[str, Any]:
    counts = {"prompt_eval_count": reply.read, "eval_count": reply.written}
    return {**_head(), "message": message, "done": True, "done_reason": "length" if reply.cut else "stop", **counts}
