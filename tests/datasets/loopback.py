"""A server on this machine for what is downloaded: it gives what a test puts into ``answers``, by path, and 404 else."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

__all__ = ["Answers", "serve"]


class Answers(http.server.BaseHTTPRequestHandler):
    """A subclass for each server has an ``answers`` and an ``asked``, the paths in order, of its own."""

    answers: dict[str, bytes]
    asked: list[str]

    def __init_subclass__(cls) -> None:
        cls.answers, cls.asked = {}, []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        data = self.answers.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output quiet."""


def serve(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server that lives until the generator goes on."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()
