"""What became of a piece of an agent's work, said in one call by whoever consumed it.

    report_outcome(mesh.workflows, did, "prod", accepted=True, work="task-17", on_behalf_of="ana")

The rules:

- nobody judges its own work; telemetry refuses it;
- a verdict on a piece of work is given once: the same again changes nothing, another is refused;
- the trace is the one the caller works in, when there is one and no other is named, so that the verdict stands in the
  workflow it is about.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from opentelemetry import trace

from ringfence.telemetry.v1.telemetry_pb2 import (
    OUTCOME_ACCEPTED,
    OUTCOME_REJECTED,
    ReportOutcomeRequest,
    ReportOutcomeResponse,
)


class Workflows(Protocol):
    """What is used of a WorkflowServiceStub made on a channel for threads."""

    @property
    def ReportOutcome(self) -> Callable[[ReportOutcomeRequest], ReportOutcomeResponse]:  # noqa: N802 - the proto's
        """Report."""
        ...


class AioWorkflows(Protocol):
    """What is used of a WorkflowServiceStub made on an asyncio channel."""

    @property
    def ReportOutcome(self) -> Callable[[ReportOutcomeRequest], Awaitable[ReportOutcomeResponse]]:  # noqa: N802 - the proto's
        """Report."""
        ...


def report_outcome(
    workflows: Workflows,
    did: str,
    environment: str,
    *,
    accepted: bool,
    work: str,
    on_behalf_of: str = "",
    trace_id: bytes | None = None,
) -> int:
    """Report it, and return the place of its entry in the audit log. Raises RingfenceError."""
    request = _request(did, environment, accepted=accepted, work=work, on_behalf_of=on_behalf_of, trace_id=trace_id)
    return workflows.ReportOutcome(request).audit_index


async def report_outcome_aio(
    workflows: AioWorkflows,
    did: str,
    environment: str,
    *,
    accepted: bool,
    work: str,
    on_behalf_of: str = "",
    trace_id: bytes | None = None,
) -> int:
    """Report it, and return the place of its entry in the audit log. Raises RingfenceError."""
    request = _request(did, environment, accepted=accepted, work=work, on_behalf_of=on_behalf_of, trace_id=trace_id)
    return (await workflows.ReportOutcome(request)).audit_index


def _request(
    did: str, environment: str, *, accepted: bool, work: str, on_behalf_of: str, trace_id: bytes | None
) -> ReportOutcomeRequest:
    return ReportOutcomeRequest(
        did=did,
        environment=environment,
        outcome=OUTCOME_ACCEPTED if accepted else OUTCOME_REJECTED,
        work_id=work,
        on_behalf_of=on_behalf_of,
        trace_id=_current_trace() if trace_id is None else trace_id,
    )


def _current_trace() -> bytes:
    context = trace.get_current_span().get_span_context()
    return context.trace_id.to_bytes(16, "big") if context.is_valid else b""
