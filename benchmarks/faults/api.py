"""An HTTP API on loopback that answers well or badly, switched while it runs."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Answer(StrEnum):
    """How the API answers."""

    WELL = "well"
    TOO_MANY = "too_many"  # 429 with Retry-After
    UNAVAILABLE = "unavailable"  # 503
    NONSENSE = "nonsense"  # 200 with a page for people
    TRUNCATED = "truncated"  # 200 with half of a JSON document
    RESET = "reset"  # the connection is reset in the middle of the answer
    SLOW = "slow"  # the answer does not come in time
    FORBIDDEN = "forbidden"  # 401
    OTHER_FORM = "other_form"  # 200 with good JSON of another shape


@dataclass(kw_only=True)
class Api:
    """Serves `records` page by page (`offset`, `limit`) below any path; `asked` counts requests."""

    records: Sequence[dict[str, Any]] = ()
    answer: Answer = Answer.WELL
    pause_seconds: float = 6.0  # of SLOW
    retry_after_seconds: int = 30
    asked: int = 0
    port: int = 0
    _server: ThreadingHTTPServer | None = field(default=None, init=False, repr=False)

    def start(self) -> Api:
        """Listen on a free port."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.asked += 1
                api.serve(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self._server, self.port = server, server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def serve(self, asked: BaseHTTPRequestHandler) -> None:
        """One answer."""
        whole = self._page(asked.path)
        if self.answer is Answer.TOO_MANY:
            _send(asked, 429, b"{}", {"Retry-After": str(self.retry_after_seconds)})
        elif self.answer is Answer.UNAVAILABLE:
            _send(asked, 503, b"<h1>Service Unavailable</h1>")
        elif self.answer is Answer.NONSENSE:
            _send(asked, 200, b"<html><body>Scheduled maintenance</body></html>")
        elif self.answer is Answer.TRUNCATED:
            _send(asked, 200, whole[: len(whole) // 2])
        elif self.answer is Answer.FORBIDDEN:
            _send(asked, 401, b"{}")
        elif self.answer is Answer.OTHER_FORM:
            _send(asked, 200, b'{"data": {"message": "moved"}}')
        elif self.answer is Answer.RESET:
            _send(asked, 200, whole[: len(whole) // 2], {"Content-Length": str(len(whole))})
            asked.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            asked.connection.close()
        else:
            if self.answer is Answer.SLOW:
                time.sleep(self.pause_seconds)
            _send(asked, 200, whole)

    def _page(self, path: str) -> bytes:
        params = parse_qs(urlsplit(path).query)
        start = int(params.get("offset", ["0"])[0])
        limit = int(params.get("limit", ["500"])[0])
        return json.dumps({"data": list(self.records[start : start + limit])}).encode()


def _send(asked: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    try:
        asked.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            asked.send_header(name, value)
        asked.end_headers()
        asked.wfile.write(body)
    except OSError:  # who asked did not wait for the answer
        asked.close_connection = True
