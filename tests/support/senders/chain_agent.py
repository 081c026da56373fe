"""One agent of a chain, in a process of its own: it takes messages, asks a model, uses a tool, calls the next agent.

    python -m support.senders.chain_agent '{"name": …, "agent": …, "otlp": …, "token_file": …, "stack": […], "next": …}'

Messages are as A2A has them, as far as it matters: text and metadata, in which the context travels. The model's SDK is
real and instrumented as published. When the message says that this agent is to fail, its tool does. It writes
`ready` when it serves; when a message is answered, everything it has to say of it is at telemetry.
"""

import json
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from ringfence.channel import ChannelOptions
from ringfence.credentials import token_file
from ringfence.telemetry import Instrumentation, instrument

from support.senders.agent import INSTRUMENTATIONS, Used


class ToolError(Exception):
    """The tool does not work."""


class ChainAgent:
    """What one agent does with a message."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked = asked
        self.name: str = asked["name"]
        self.port: int = asked["port"]
        self.telemetry: Instrumentation = instrument(
            agent=asked["agent"],
            name=self.name,
            team=asked["team"],
            endpoint=asked["otlp"],
            options=ChannelOptions(token=token_file(Path(asked["token_file"]))),
            speaks_for_others=True,
        )
        for stack in asked["stack"]:
            INSTRUMENTATIONS[stack](self.telemetry.provider)

    def take(self, message: dict[str, Any]) -> str:
        """Do the work of one message, and return what it came to. Raises whatever goes wrong."""
        telemetry, used = self.telemetry, Used()
        with (
            telemetry.received(message["metadata"]),
            telemetry.invoke_agent(self.name, session=message.get("session", "")) as work,
        ):
            self._ask_the_model(used)
            with telemetry.execute_tool(f"{self.name}.tool"):
                if message["fails"] == self.name:
                    raise ToolError("the tool is out of order")
            if self._asked["next"]:
                self._call_the_next(message)
            work.used(input_tokens=used.input, output_tokens=used.output)
            return work.trace_id.hex()

    def _ask_the_model(self, used: Used) -> None:
        messages: Any = [{"role": "user", "content": "Is it?"}]
        model = self._asked["model"]
        if "anthropic" in self._asked:
            from anthropic import Anthropic

            writer = Anthropic(base_url=self._asked["anthropic"], api_key="none")
            used.anthropic(writer.messages.create(model=model, max_tokens=100, messages=messages).usage)
        else:
            from openai import OpenAI

            client = OpenAI(base_url=self._asked["openai"], api_key="none")
            used.openai(client.chat.completions.create(model=model, messages=messages).usage)

    def _call_the_next(self, message: dict[str, Any]) -> None:
        metadata: dict[str, str] = {}
        with self.telemetry.call_agent(self._asked["next_agent"]):
            self.telemetry.inject(metadata)
            send(self._asked["next"], {"metadata": metadata, "fails": message["fails"]})


def send(url: str, message: dict[str, Any]) -> str:
    """Send a message to an agent; return the trace it was part of. Raises urllib.error.HTTPError when it failed."""
    request = urllib.request.Request(url, json.dumps(message).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        said: str = json.load(answer)["trace_id"]
        return said


def main() -> None:
    """Serve until ended."""
    agent = ChainAgent(json.loads(sys.argv[1]))

    class Messages(_Messages):
        taking: ClassVar[ChainAgent] = agent

    server = ThreadingHTTPServer(("127.0.0.1", agent.port), Messages)
    print("ready", flush=True)
    server.serve_forever()


class _Messages(BaseHTTPRequestHandler):
    taking: ClassVar[ChainAgent]

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            status, said = 200, {"trace_id": self.taking.take(message)}
        except (ToolError, urllib.error.HTTPError) as error:
            status, said = 500, {"error": str(error)}
        self.taking.telemetry.flush()
        payload = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Nothing: what it does is at telemetry."""


if __name__ == "__main__":
    main()
