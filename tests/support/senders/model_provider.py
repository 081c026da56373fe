"""A model provider on loopback: it answers as OpenAI's and Anthropic's interfaces do, and knows what it said was used.

How much a call uses follows from the number of the call, so that no two are alike; every kind of token occurs. A model
named `flaky` fails once before it answers, as providers do; SDKs try again by themselves.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one answer says was used: input with what was cached, output with reasoning."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(slots=True)
class ModelProvider:
    """Where it listens, and what it said so far."""

    port: int
    said: dict[str, list[Said]] = field(default_factory=dict)
    """Model → its answers."""
    failures: Counter[str] = field(default_factory=Counter)
    _calls: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def openai(self) -> str:
        """The base URL of OpenAI's interface."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic(self) -> str:
        """The base URL of Anthropic's interface."""
        return f"http://127.0.0.1:{self.port}"

    def total(self, model: str) -> Said:
        """Return what all answers of a model came to."""
        answers = self.said.get(model, [])
        names = ("input", "output", "cache_read", "cache_write", "reasoning")
        return Said(**{name: sum(getattr(one, name) for one in answers) for name in names})

    def use(self, model: str, *, embedding: bool = False, caches_writes: bool = False) -> Said:
        """Make up what a call uses."""
        with self._lock:
            self._calls += 1
            number = self._calls
            said = Said(
                input=1_000 + 37 * number,
                output=0 if embedding else 200 + 11 * number,
                cache_read=0 if embedding else 100 + 7 * number,
                cache_write=50 + 3 * number if caches_writes else 0,
                reasoning=0 if embedding or caches_writes else 20 + number,
            )
            self.said.setdefault(model, []).append(said)
            return said

    def fails_now(self, model: str) -> bool:
        """Say whether this call is to fail: the first one of a flaky model."""
        with self._lock:
            if model != "flaky" or self.failures[model]:
                return False
            self.failures[model] += 1
            return True


@contextmanager
def model_provider() -> Iterator[ModelProvider]:
    """Run one inside the block."""

    class Answers(_Answers):
        provider: ClassVar[ModelProvider]

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    provider = Answers.provider = ModelProvider(server.server_port)
    thread = threading.Thread(target=server.serve_forever, name="model provider")
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Answers(BaseHTTPRequestHandler):
    provider: ClassVar[ModelProvider]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model = asked["model"]
        if self.provider.fails_now(model):
            self._answer(500, {"error": {"message": "try again", "type": "server_error"}})
        elif self.path.endswith("/embeddings"):
            self._answer(200, _embedding(model, self.provider.use(model, embedding=True)))
        elif self.path.endswith("/messages"):
            self._answer(200, _message(model, self.provider.use(model, caches_writes=True)))
        elif asked.get("stream"):
            self._stream(_chunks(model, self.provider.use(model)))
        else:
            self._answer(200, _completion(model, self.provider.use(model)))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.send_header("retry-after", "0")
        self.end_headers()
        self.wfile.write(payload)

    def _stream(self, chunks: list[dict[str, Any]]) -> None:
        payload = b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks) + b"data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Nothing: the tests read what it said from `said`."""


def _openai_usage(said: Said) -> dict[str, Any]:
    return {
        "prompt_tokens": said.input,
        "completion_tokens": said.output,
        "total_tokens": said.input + said.output,
        "prompt_tokens_details": {"cached_tokens": said.cache_read},
        "completion_tokens_details": {"reasoning_tokens": said.reasoning},
    }


def _completion(model: str, said: Said) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Yes."}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_767_225_600,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": _openai_usage(said),
    }


def _chunks(model: str, said: Said) -> list[dict[str, Any]]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_767_225_600, "model": model}
    said_piece = {"index": 0, "delta": {"role": "assistant", "content": "Yes."}, "finish_reason": None}
    last_piece = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return [
        {**head, "choices": [said_piece], "usage": None},
        {**head, "choices": [last_piece], "usage": None},
        {**head, "choices": [], "usage": _openai_usage(said)},
    ]


def _embedding(model: str, said: Said) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.0, 1.0]}],
        "model": model,
        "usage": {"prompt_tokens": said.input, "total_tokens": said.input},
    }


def _message(model: str, said: Said) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": "Yes."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": said.input
            - said.cache_read
            - said.cache_write,  # Anthropic's does not hold what was cached
            "output_tokens": said.output,
            "cache_creation_input_tokens": said.cache_write,
            "cache_read_input_tokens": said.cache_read,
        },
    }
