"""One call that makes an agent report itself: spans by OTLP, with its session, name and team on each of them.

    telemetry = instrument(agent=did, team="sales", endpoint="127.0.0.1:4317", options=ChannelOptions(token=...))
    OpenAIInstrumentor().instrument(tracer_provider=telemetry.provider)  # any published instrumentation

    with telemetry.received(message.metadata), telemetry.invoke_agent("analyst", session="s-1"):
        with telemetry.call_agent("researcher"):
            telemetry.inject(outgoing.metadata)

The rules:

- nothing waits for telemetry but the end: spans leave in the background, and what has not left is sent when `shutdown`
  is called, or when the process ends by itself, which it puts off for half a minute at most;
- the credential says for whom it may speak. An agent's own speaks for that agent, so calls of others are reported
  without naming those as agents; `speaks_for_others` is for gateways and services, whose credentials do;
- everything the other side should know travels in W3C headers, and nothing else does.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from ringfence.channel import ChannelOptions, open_channel
from ringfence.telemetry import carried_context
from ringfence.telemetry.operations import Operation, stated
from ringfence.telemetry.span_export import PATIENT, SpanExport
from ringfence.telemetry.work_labels import AGENT, LabelSpans, WorkLabels, labels_in

QUEUE_SPANS = 65_536
"""Spans that wait; of those beyond the oldest are dropped, and the SDK logs it. 32 times its default."""
BATCH_SPANS = 512
DELAY_MS = 1_000

_SCOPE = "ringfence.telemetry"


def instrument(
    *,
    agent: str,
    endpoint: str = "127.0.0.1:4317",
    options: ChannelOptions | None = None,
    session: str = "",
    team: str = "",
    name: str = "",
    version: str = "",
    speaks_for_others: bool = False,
    make_global: bool = True,
    resource: Mapping[str, str] | None = None,
) -> "Instrumentation":
    """Set up tracing for an agent, and return it.

    `agent` is its DID, or `namespaces/{namespace}/agents/{agent}`; `name` and `version` are for people. `options` carry
    TLS and the token (`ringfence.agent_tokens`); their retries are replaced by more patient ones. With `make_global`
    the provider becomes OpenTelemetry's, which published instrumentations use by themselves; that works once in a
    process. Raises ChannelError.
    """
    options = options or ChannelOptions()
    patient = ChannelOptions(
        tls=options.tls, token=options.token, retry=PATIENT, pace=options.pace, extra=options.extra
    )
    export = SpanExport(open_channel(endpoint, patient))
    labels = WorkLabels(agent=agent, team=team, session=session)
    about = stated({"service.name": name or agent, "service.version": version})
    provider = TracerProvider(resource=Resource.create({**about, **(resource or {})}))
    provider.add_span_processor(LabelSpans(labels))
    provider.add_span_processor(
        BatchSpanProcessor(
            export,
            max_queue_size=QUEUE_SPANS,
            schedule_delay_millis=DELAY_MS,
            max_export_batch_size=BATCH_SPANS,
        )
    )
    if make_global:
        trace.set_tracer_provider(provider)
    return Instrumentation(provider, export, labels, version=version, speaks_for_others=speaks_for_others)


class Instrumentation:
    """What `instrument` set up. As a block it is shut down at the end; otherwise when the process ends by itself."""

    def __init__(
        self,
        provider: TracerProvider,
        export: SpanExport,
        labels: WorkLabels,
        *,
        version: str,
        speaks_for_others: bool,
    ) -> None:
        self.provider = provider
        self.tracer = provider.get_tracer(_SCOPE)
        self._export = export
        self._labels = labels
        self._version = version
        self._speaks_for_others = speaks_for_others

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        self.shutdown()

    @property
    def sent(self) -> int:
        """Spans that telemetry acknowledged."""
        return self._export.sent

    @property
    def lost(self) -> int:
        """Spans that telemetry refused for good, or did not take in time."""
        return self._export.lost

    def invoke_agent(
        self,
        name: str = "",
        *,
        session: str = "",
        team: str = "",
        skill: str = "",
        agent: str = "",
        context: Context | None = None,
    ) -> Operation:
        """The agent's own work on one request. What it calls beneath is in the same session and team.

        `context` is what `extract` found when the work is not done inside `received`. `agent` is another agent's, of a
        gateway that reports for it.
        """
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "gen_ai.agent.version": "" if agent else self._version,
            "ringfence.skill": skill,
        }
        return Operation(
            self.tracer,
            f"invoke_agent {name}".strip(),
            kind=SpanKind.INTERNAL,
            attributes=stated(attributes),
            labels=lambda: labels_in(context, self._labels).narrowed(agent=agent, team=team, session=session),
            context=context,
        )

    def call_agent(self, agent: str, *, skill: str = "", revision: str = "") -> Operation:
        """A call of another agent, as the caller sees it. `revision` is the one SelectAgent gave out."""
        if self._speaks_for_others:
            attributes = {
                "gen_ai.operation.name": "invoke_agent",
                AGENT: agent,
                "ringfence.skill": skill,
                "ringfence.agent.revision": revision,
            }
        else:
            attributes = {"ringfence.called_agent": agent, "ringfence.called_skill": skill}
        return Operation(self.tracer, f"call {agent}", kind=SpanKind.CLIENT, attributes=stated(attributes))

    def execute_tool(self, tool: str, *, call_id: str = "", kind: str = "function") -> Operation:
        """A call of a tool. `kind` is `function`, `extension` or `datastore`."""
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.id": call_id,
            "gen_ai.tool.type": kind,
        }
        return Operation(self.tracer, f"execute_tool {tool}", kind=SpanKind.INTERNAL, attributes=stated(attributes))

    def chat(self, model: str, *, provider: str) -> Operation:
        """A call of a model that no instrumentation sees; say with `used` what it came to."""
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
        }
        return Operation(self.tracer, f"chat {model}", kind=SpanKind.CLIENT, attributes=stated(attributes))

    def received(self, carrier: carried_context.Came | None) -> AbstractContextManager[Context]:
        """Work in the context that came with a call: see `ringfence.telemetry.received`."""
        return carried_context.received(carrier)

    def inject(self, carrier: carried_context.Carrier) -> None:
        """Send the context along with a call: see `ringfence.telemetry.inject`."""
        carried_context.inject(carrier)

    def flush(self) -> bool:
        """Send what has ended so far, and wait until it was taken; say whether nothing was lost yet."""
        self.provider.force_flush()
        return not self.lost

    def shutdown(self) -> None:
        """Send what is left, as long as that takes telemetry, and end."""
        self.provider.force_flush()
        self.provider.shutdown()
