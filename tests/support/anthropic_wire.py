"""Anthropic's Messages protocol, as its own service and Vertex AI speak it."""

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from loopback import Asked, Reply, words_of

__all__ = ["AnthropicWire"]


class AnthropicWire:
    """``POST /v1/messages``, or ``…:rawPredict`` and ``…:streamRawPredict``."""

    stream_type = "text/event-stream"

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Read a request."""
        told = body.get("system") or ""
        messages: list[BaseMessage] = [SystemMessage(_text(told))] if told else []
        for one in body["messages"]:
            kind = HumanMessage if one["role"] == "user" else AIMessage
            messages.append(kind(_text(one["content"])))
        tool = (body.get("tools") or [{}])[0]
        form = (body.get("output_config") or {}).get("format") or {}
        schema = tool.get("input_schema") or form.get("schema")
        streamed = bool(body.get("stream")) or path.endswith(":streamRawPredict")
        return Asked(messages, streamed, body["max_tokens"], tool.get("name", ""), schema)

    def whole(self, reply: Reply) -> dict[str, Any]:
        """One message."""
        content = (
            {"type": "tool_use", "id": "toolu_1", "name": reply.tool, "input": reply.arguments}
            if reply.tool
            else {"type": "text", "text": reply.text}
        )
        usage = {"input_tokens": reply.read, "output_tokens": reply.written}
        return {**_begun(), "content": [content], "stop_reason": _reason(reply), "usage": usage}

    def pieces(self, reply: Reply) -> Iterator[str]:
        """Server-sent events."""
        usage = {"input_tokens": reply.read, "output_tokens": 1}
        yield _event("message_start", message={**_begun(), "content": [], "stop_reason": None, "usage": usage})
        if reply.tool:
            block: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": reply.tool, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(reply.arguments)}]
        else:
            block = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": word} for word in words_of(reply.text)]
        yield _event("content_block_start", index=0, content_block=block)
        for delta in deltas:
            yield _event("content_block_delta", index=0, delta=delta)
        yield _event("content_block_stop", index=0)
        yield _event(
            "message_delta",
            delta={"stop_reason": _reason(reply), "stop_sequence": None},
            usage={"input_tokens": reply.read, "output_tokens": reply.written},
        )
        yield _event("message_stop")

    def error(self, status: int) -> dict[str, Any]:
        """Encode an error."""
        kind = "rate_limit_error" if status == 429 else "api_error"
        return {"type": "error", "error": {"type": kind, "message": "as the test asked"}}


def _begun() -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_sequence": None}


def _reason(reply: Reply) -> str:
    return "tool_use" if reply.tool else "max_tokens" if reply.cut else "end_turn"


def _event(kind: str, **rest: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **rest})}\n\n"


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
