"""A server on loopback that speaks one provider's protocol, answers with the offline reader, and fails on demand."""

import json
import re
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Protocol

from langchain_core.messages import BaseMessage

from metachain.chains import OfflineChatModel

__all__ = ["Asked", "Loopback", "Reply", "Wire", "running", "serving", "words_of"]

RETRY_AFTER = "1"
TOO_LONG = 1.5
FAULTS = ("429", "500", "sleep", "garbage", "reset")


@dataclass(frozen=True)
class Asked:
    """A request, independent of its protocol."""

    messages: Sequence[BaseMessage]
    streamed: bool
    limit: int | None = None
    """Maximum tokens of the answer; a token is a word here."""
    tool: str = ""
    """The first tool offered."""
    schema: dict[str, Any] | None = None
    """Schema of the tool's arguments, or of the answer's JSON."""


@dataclass(frozen=True)
class Reply:
    """An answer, independent of its protocol."""

    text: str
    tool: str
    arguments: dict[str, Any]
    cut: bool
    read: int
    written: int


class Wire(Protocol):
    """One provider's protocol."""

    stream_type: str

    def asked(self, path: str, body: dict[str, Any]) -> Asked:
        """Read a request."""

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Encode an answer in one piece."""

    def pieces(self, reply: Reply) -> Iterator[str]:
        """Encode an answer piece by piece."""

    def error(self, status: int) -> dict[str, Any]:
        """Encode an error."""


@dataclass
class Loopback:
    """State of a running server: its address, the requests received, and the faults to come."""

    url: str
    faults: list[str] = field(default_factory=list)
    """Faults, used up from the front, one a request; a fault that ends in ``!`` stays."""
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def next_fault(self) -> str:
        """Take the fault of this request; empty for none."""
        if not self.faults:
            return ""
        return self.faults[0][:-1] if self.faults[0].endswith("!") else self.faults.pop(0)


def words_of(text: str) -> list[str]:
    """Split a text into words, each with the white space after it."""
    return [word for word in re.split(r"(?<=\s)(?=\S)", text) if word]


def reply_to(asked: Asked) -> Reply:
    """Answer with the offline reader: plain, as a tool call, or as JSON of the schema."""
    said = OfflineChatModel().invoke(list(asked.messages)).text
    filled = dict.fromkeys((asked.schema or {}).get("properties", {}), said)
    text = "" if asked.tool else json.dumps(filled) if asked.schema else said
    words = words_of(text)
    kept = words[: asked.limit] if asked.limit is not None else words
    read = sum(len(str(one.text).split()) for one in asked.messages)
    return Reply("".join(kept), asked.tool, filled, len(kept) < len(words), read, max(1, len(kept)))


@contextmanager
def serving(wire: Wire) -> Iterator[Loopback]:
    """Serve a protocol on a free port of loopback until the block ends."""
    with _Server(wire) as server, running(server):
        yield server.state


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    """Run a server in a thread of its own until the block ends."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


class _Server(ThreadingHTTPServer):
    """Serves one protocol; ``state`` holds its faults and requests."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wire = wire
        self.state = Loopback(f"http://127.0.0.1:{self.server_port}")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections that were closed on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def do_POST(self) -> None:
        """Answer, or fail as the test asked."""
        wire, state = self.server.wire, self.server.state
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        state.received.append((self.path, body))
        fault = state.next_fault()
        if fault == "reset":
            self._reset()
            return
        if fault == "sleep":
            time.sleep(TOO_LONG)
        if fault in ("429", "500"):
            self._send(int(fault), "application/json", [json.dumps(wire.error(int(fault)))])
            return
        if fault == "page":
            self._send(200, "text/html", ["<html>a proxy's own page</html>"])
            return
        asked = wire.asked(self.path, body)
        state.asked.append(asked)
        kind = wire.stream_type if asked.streamed else "application/json"
        if fault == "garbage":
            broken = 'event: message_start\ndata: {"a": \n\n' if kind == "text/event-stream" else '{"a": \n'
            self._send(200, kind, [broken])
            return
        reply = reply_to(asked)
        self._send(200, kind, wire.pieces(reply) if asked.streamed else [json.dumps(wire.whole(reply))])

    def _reset(self) -> None:
        """Close with a linger of 0 seconds, which sends a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _send(self, status: int, kind: str, pieces: Any) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        if status == 429:
            self.send_header("retry-after", RETRY_AFTER)
        self.end_headers()
        try:
            for piece in map(str.encode, pieces):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has hung up, as it does after its time-out
