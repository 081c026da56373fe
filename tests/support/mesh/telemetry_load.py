"""Appends decisions and exports spans; then holds log, totals and the loss equation against what was acknowledged."""

import json
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from ringfence.telemetry.v1 import audit_pb2 as pb
from ringfence.telemetry.v1 import telemetry_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub

from support.mesh.audit import decision_body, every_entry, verify_whole_log
from support.mesh.load import PATIENCE_S, Pulse, until_acknowledged
from support.mesh.spans import INPUT_TOKENS, OUTPUT_TOKENS, one_trace

CALLS = 2
SPANS = 1 + CALLS
"""In each trace."""

Scrape = Callable[[], Awaitable[Mapping[str, float]]]


class TelemetryLoad:
    """What telemetry promised."""

    def __init__(self, channel: grpc.aio.Channel, otlp: grpc.aio.Channel, scrape: Scrape) -> None:
        """`scrape` reads telemetry's /metrics."""
        self.pulse = Pulse()
        self._audit = AuditServiceStub(channel)
        self._usage = UsageServiceStub(channel)
        self._traces = TraceServiceStub(otlp)  # type: ignore[no-untyped-call] # its package has no types
        self._scrape = scrape
        self._bodies: dict[int, bytes] = {}
        self._heads: list[pb.Checkpoint] = []
        self._exported: Counter[str] = Counter()

    async def write_one(self, writer: int) -> None:
        """Append three decisions and export a trace."""
        await self._append()
        agent = f"load-{writer}"
        await until_acknowledged(self.pulse, self._traces.Export, one_trace(agent, calls=CALLS))
        self._exported[agent] += 1

    async def check(self) -> None:
        """Compare everything."""
        entries = await every_entry(self._audit)
        for index, body in self._bodies.items():
            assert entries[index].body == body
        ids = [json.loads(entry.body)["decision_id"] for entry in entries]
        assert len(set(ids)) == len(ids), "a decision is in the log twice"
        await verify_whole_log(self._audit, entries, self._heads)
        await self._check_usage()
        await self._check_equation()

    async def _append(self) -> None:
        ids = [str(uuid.uuid4()) for _ in range(3)]
        drafts = [pb.DecisionEntry(decision_id=decision_id, body=decision_body(decision_id)) for decision_id in ids]
        request = pb.AppendDecisionsRequest(entries=drafts)
        answer = await until_acknowledged(self.pulse, self._audit.AppendDecisions, request)
        assert len(answer.indexes) == len(drafts)
        for index, draft in zip(answer.indexes, drafts, strict=True):
            assert index not in self._bodies, f"entry {index} was promised to two decisions"
            assert index < answer.checkpoint.tree_size
            self._bodies[index] = draft.body
        self._heads.append(answer.checkpoint)

    async def _check_usage(self) -> None:
        for agent, traces in self._exported.items():
            question = telemetry_pb2.GetUsageRequest(agent=agent)
            answer = await self._usage.GetUsage(question, timeout=PATIENCE_S, wait_for_ready=True)
            (row,) = answer.rows
            assert (row.span_count, row.input_tokens, row.output_tokens) == (
                traces * SPANS,
                traces * CALLS * INPUT_TOKENS,
                traces * CALLS * OUTPUT_TOKENS,
            )
            assert answer.pending_spans == 0

    async def _check_equation(self) -> None:
        metrics = await self._scrape()
        received, acknowledged, refused, rejected, rolled_up, duplicate = (
            metrics[f'ringfence_telemetry_otlp_{term}_items_total{{signal="traces"}}']
            for term in ("received", "acknowledged", "refused", "rejected", "rolled_up", "duplicate")
        )
        assert received == acknowledged + refused + rejected
        pending = metrics['ringfence_telemetry_otlp_pending_items{signal="traces"}']
        assert acknowledged == rolled_up + duplicate + pending
        assert pending == 0
        assert rolled_up == SPANS * self._exported.total()
        assert duplicate <= SPANS * self.pulse.repeated
