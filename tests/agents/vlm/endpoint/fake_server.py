"""A small real HTTP server whose answers a test scripts, request by request."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What is sent back: a state, headers and a body, after a pause; ``drip_s`` sends it byte by byte."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    drip_s: float = 0.0


def said(text: str, tokens: list[tuple[str, float]] | None = None, **changes: Any) -> Answer:
    """A chat completion that says a text."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if tokens is not None:
        choice["logprobs"] = {"content": [{"token": token, "logprob": logprob} for token, logprob in tokens]}
    choice |= changes
    return Answer(body=json.dumps({"object": "chat.completion", "choices": [choice]}).encode())


@dataclass
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at_s: float


class FakeServer:
    """Answers with what ``answer`` returns; remembers what it was asked and how many asked at once."""

    def __init__(self, answer: Callable[[Asked, int], Answer]) -> None:
        self.asked: list[Asked] = []
        self.busy = self.most_busy = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = Asked(self.path, dict(self.headers.items()), body, time.monotonic())
                with outer._lock:
                    outer.asked.append(asked)
                    number = len(outer.asked)
                    outer.busy += 1
                    outer.most_busy = max(outer.most_busy, outer.busy)
                try:
                    self._send(answer(asked, number))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with outer._lock:
                        outer.busy -= 1

            def _send(self, told: Answer) -> None:
                time.sleep(told.pause_s)
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                for start in range(0, len(told.body), 1 if told.drip_s else max(1, len(told.body))):
                    self.wfile.write(told.body[start : start + 1] if told.drip_s else told.body)
                    time.sleep(told.drip_s)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @contextmanager
    def running(self) -> Iterator[FakeServer]:
        """Serve for the length of a block."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
