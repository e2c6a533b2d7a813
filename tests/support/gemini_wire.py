"""Gemini's protocol, as Vertex AI speaks it."""

import json
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from loopback import Asked, Reply, words_of

__all__ = ["GeminiWire"]


class GeminiWire:
    """``POST …/models/NAME:generateContent`` and ``:streamGenerateContent``."""

    stream_type = "text/event-stream"

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Read a request."""
        told = _text(body.get("systemInstruction") or {})
        messages: list[BaseMessage] = [SystemMessage(told)] if told else []
        messages += [
            (AIMessage if one.get("role") == "model" else HumanMessage)(_text(one)) for one in body["contents"]
        ]
        tools = body.get("tools") or [{}]
        tool = (tools[0].get("functionDeclarations") or [{}])[0]
        wanted = body.get("generationConfig") or {}
        schema = wanted.get("responseJsonSchema") or wanted.get("responseSchema")
        schema = tool.get("parameters") or tool.get("parametersJsonSchema") or schema
        streamed = ":streamGenerateContent" in path
        return Asked(messages, streamed, wanted.get("maxOutputTokens"), tool.get("name", ""), schema)

    def whole(self, reply: Reply) -> dict[str, Any]:
        """One candidate with its counts."""
        return _response(_part(reply, reply.text), reply)

    def pieces(self, reply: Reply) -> Iterator[str]:
        """Server-sent events, with the counts at the end."""
        words = words_of(reply.text)
        for word in words[:-1]:
            yield f"data: {json.dumps(_response({'text': word}, None))}\n\n"
        yield f"data: {json.dumps(_response(_part(reply, words[-1] if words else ''), reply))}\n\n"

    def error(self, status: int) -> dict[str, Any]:
        """Encode an error."""
        kind = "RESOURCE_EXHAUSTED" if status == 429 else "INTERNAL"
        return {"error": {"code": status, "message": "as the test asked", "status": kind}}


def _part(reply: Reply, text: str) -> dict[str, Any]:
    return {"functionCall": {"name": reply.tool, "args": reply.arguments}} if reply.tool else {"text": text}


def _response(part: dict[str, Any], end: Reply | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [part]}, "index": 0}
    if end is None:
        return {"candidates": [candidate], "modelVersion": "gemini"}
    candidate["finishReason"] = "MAX_TOKENS" if end.cut else "STOP"
    both = end.read + end.written
    counts = {"promptTokenCount": end.read, "candidatesTokenCount": end.written, "totalTokenCount": both}
    return {"candidates": [candidate], "modelVersion": "gemini", "usageMetadata": counts}


def _text(content: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in content.get("parts") or ())
