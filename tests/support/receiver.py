"""A server on loopback that keeps all posted bodies, such as traces."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loopback import running
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Received", "receiving"]


@dataclass
class Received:
    """Posted bodies with their paths."""

    url: str = ""
    bodies: list[tuple[str, bytes]] = field(default_factory=list)

    def spans(self) -> list[Any]:
        """OpenTelemetry spans of all bodies."""
        found = []
        for _, body in self.bodies:
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            found += [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
        return found

    @staticmethod
    def plain(body: bytes) -> bytes:
        """Decompress a body if it is compressed."""
        if body[:4] == b"\x28\xb5\x2f\xfd":
            import zstandard

            return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(body))
        return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


@contextmanager
def receiving() -> Iterator[Received]:
    """Receive until the block ends."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

        def _answer(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_GET(self) -> None:
            """Answer with an empty object."""
            self._answer()

        def do_POST(self) -> None:
            """Keep the body."""
            if "chunked" in self.headers.get("transfer-encoding", ""):
                pieces = []
                while size := int(self.rfile.readline(), 16):
                    pieces.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                body = b"".join(pieces)
            else:
                body = self.rfile.read(int(self.headers["content-length"]))
            received.bodies.append((self.path, body))
            self._answer()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_port}"
        with running(server):
            yield received
