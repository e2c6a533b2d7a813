"""OpenAI's chat completions protocol; vLLM and llama.cpp speak it too."""

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from loopback import Asked, Reply, words_of

__all__ = ["OpenAIWire"]

KINDS: dict[str, type[BaseMessage]] = {"user": HumanMessage, "assistant": AIMessage}


class OpenAIWire:
    """``POST /v1/chat/completions``."""

    stream_type = "text/event-stream"

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Read a request."""
        messages = [KINDS.get(one["role"], SystemMessage)(one["content"] or "") for one in body["messages"]]
        tool = (body.get("tools") or [{}])[0].get("function", {})
        form = (body.get("response_format") or {}).get("json_schema", {})
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        return Asked(
            messages,
            bool(body.get("stream")),
            limit,
            tool.get("name", ""),
            tool.get("parameters") or form.get("schema"),
        )

    def whole(self, reply: Reply) -> dict[str, Any]:
        """One completion."""
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if reply.tool:
            message["tool_calls"] = [_call(reply)]
        choice = {"index": 0, "message": message, "finish_reason": _reason(reply), "logprobs": None}
        return {**_head("chat.completion"), "choices": [choice], "usage": _usage(reply)}

    def pieces(self, reply: Reply) -> Iterator[str]:
        """Server-sent events, with the usage at the end."""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        if reply.tool:
            deltas.append({"tool_calls": [{"index": 0, **_call(reply)}]})
        deltas += [{"content": word} for word in words_of(reply.text)]
        for delta in deltas:
            yield _event(choices=[{"index": 0, "delta": delta, "finish_reason": None}])
        yield _event(choices=[{"index": 0, "delta": {}, "finish_reason": _reason(reply)}])
        yield _event(choices=[], usage=_usage(reply))
        yield "data: [DONE]\n\n"

    def error(self, status: int) -> dict[str, Any]:
        """Encode an error."""
        return {"error": {"message": "as the test asked", "type": "server_error", "param": None, "code": None}}


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 0, "model": "gpt"}


def _usage(reply: Reply) -> dict[str, int]:
    both = reply.read + reply.written
    return {"prompt_tokens": reply.read, "completion_tokens": reply.written, "total_tokens": both}


def _call(reply: Reply) -> dict[str, Any]:
    function = {"name": reply.tool, "arguments": json.dumps(reply.arguments)}
    return {"id": "call_1", "type": "function", "function": function}


def _reason(reply: Reply) -> str:
    return "tool_calls" if reply.tool else "length" if reply.cut else "stop"


def _event(**rest: Any) -> str:
    return f"data: {json.dumps({**_head('chat.completion.chunk'), **rest})}\n\n"
