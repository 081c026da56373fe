"""An agent in a process of its own: real SDKs of model providers, instrumented as published, reporting to telemetry.

    python -m support.senders.agent '{"agent": …, "otlp": …, "token_file": …, "openai": …, "stack": […]}'

Its work is one `invoke_agent` around calls of models, whole and streamed and tried again, and of a tool. At its end it
states once more what all calls used, as frameworks do, so everything is said twice, and with two instrumentations at
once three times. `stack` names the instrumentations; with `stock` among them the exporter is OpenTelemetry's own.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from ringfence.channel import ChannelOptions
from ringfence.credentials import token_file
from ringfence.telemetry import instrument


def openai_v2(provider: TracerProvider) -> None:
    """OpenTelemetry's own, in the GenAI conventions."""
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    instrumentor = OpenAIInstrumentor()  # type: ignore[no-untyped-call] # its package has types, but not this one
    instrumentor.instrument(tracer_provider=provider)


def openinference_openai(provider: TracerProvider) -> None:
    """Arize's, in OpenInference."""
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)


def openinference_anthropic(provider: TracerProvider) -> None:
    """The same for Anthropic."""
    from openinference.instrumentation.anthropic import AnthropicInstrumentor

    AnthropicInstrumentor().instrument(tracer_provider=provider)


def openllmetry_openai(provider: TracerProvider) -> None:
    """Traceloop's, in OpenLLMetry."""
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)


INSTRUMENTATIONS: dict[str, Callable[[TracerProvider], None]] = {
    "openai-v2": openai_v2,
    "openinference-openai": openinference_openai,
    "openinference-anthropic": openinference_anthropic,
    "openllmetry-openai": openllmetry_openai,
}


class Used:
    """What the answers said, added up as a framework does."""

    def __init__(self) -> None:
        self.input = self.output = 0

    def openai(self, usage: Any) -> None:
        """Add an answer of OpenAI's."""
        self.input += usage.prompt_tokens
        self.output += getattr(usage, "completion_tokens", 0)

    def anthropic(self, usage: Any) -> None:
        """Add an answer of Anthropic's."""
        self.input += usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        self.output += usage.output_tokens


def ask_openai(base_url: str, used: Used) -> None:
    """Ask whole, streamed, of a provider that fails once, and for embeddings."""
    from openai import OpenAI

    client = OpenAI(base_url=base_url, api_key="none")
    messages: Any = [{"role": "user", "content": "Is it?"}]
    for model in ("large", "small", "large", "flaky"):
        answer = client.chat.completions.create(model=model, messages=messages)
        used.openai(answer.usage)
    pieces = client.chat.completions.create(
        model="large", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    for piece in pieces:
        if piece.usage is not None:
            used.openai(piece.usage)
    used.openai(client.embeddings.create(model="embedder", input="text").usage)


def ask_anthropic(base_url: str, used: Used) -> None:
    """Ask twice."""
    from anthropic import Anthropic

    client = Anthropic(base_url=base_url, api_key="none")
    for _ in range(2):
        answer = client.messages.create(
            model="writer", max_tokens=100, messages=[{"role": "user", "content": "Is it?"}]
        )
        used.anthropic(answer.usage)


def work(asked: dict[str, Any], tracer: trace.Tracer) -> None:
    """Do one piece of work, and say at its end what it used."""
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": asked["agent"]}
    with tracer.start_as_current_span("invoke_agent", attributes=attributes) as root:
        used = Used()
        if "anthropic" in asked:
            ask_anthropic(asked["anthropic"], used)
        if "openai" in asked:
            ask_openai(asked["openai"], used)
        with tracer.start_as_current_span(
            "execute_tool search", attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
        ):
            pass
        root.set_attribute("gen_ai.usage.input_tokens", used.input)
        root.set_attribute("gen_ai.usage.output_tokens", used.output)


def stock(asked: dict[str, Any]) -> TracerProvider:
    """Return a provider as OpenTelemetry's documentation makes it."""
    provider = TracerProvider(resource=Resource.create({"service.name": "agent"}))
    exporter = OTLPSpanExporter(
        endpoint=asked["otlp"],
        insecure=True,
        headers=(("authorization", f"Bearer {Path(asked['token_file']).read_text().strip()}"),),
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def ours(asked: dict[str, Any]) -> TracerProvider:
    """Return what one call of `instrument` sets up."""
    return instrument(
        agent=asked["agent"],
        endpoint=asked["otlp"],
        options=ChannelOptions(token=token_file(Path(asked["token_file"]))),
        session=asked["session"],
    ).provider


def main() -> None:
    """Do what the argument asks for, and end: what has not left yet leaves then."""
    asked = json.loads(sys.argv[1])
    provider = stock(asked) if "stock" in asked["stack"] else ours(asked)
    for name in asked["stack"]:
        if name != "stock":
            INSTRUMENTATIONS[name](provider)
    work(asked, provider.get_tracer("a framework"))


if __name__ == "__main__":
    main()
