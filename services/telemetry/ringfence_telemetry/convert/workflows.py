"""Questions about pieces of work, and the answers, from `ringfence.telemetry.v1.WorkflowService` messages and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import workflow_pb2 as pb
from ringfence_kit.clock import Instant
from ringfence_kit.errors import PageTokenInvalid
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_telemetry.convert.outcomes import TRACE_ID_SIZE
from ringfence_telemetry.convert.usage import ANSWER_BYTES, INT64_MAX, LABEL_BYTES_MAX
from ringfence_telemetry.decision_document import LoggedDecision
from ringfence_telemetry.store.workflows import WorkflowQuery
from ringfence_telemetry.trace_keys import SUFFIX_SIZE, TraceKey
from ringfence_telemetry.workflows.hops import Hop, Step, Used
from ringfence_telemetry.workflows.reading import ShownTree, Told, WholeWorkflow

DEPTH_MAX = 40
"""Hops inside each other: parsers refuse messages that are nested a hundred deep."""

HOPS_MAX = 1_000
STEPS_MAX = 1_000

_INT32_MAX = 2**31 - 1
_NANOS = 1_000_000_000
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ListWorkflows:
    """A checked ListWorkflowsRequest."""

    agent: str
    session: str
    first: Instant | None
    end: Instant | None
    failed_only: bool
    page_size: int
    page_token: str

    def query(self, cursor: bytes | None) -> WorkflowQuery:
        """Return the question for the page behind `cursor`: one more than is shown, to know whether there are more."""
        return WorkflowQuery(
            agent=self.agent,
            session=self.session,
            first=self.first,
            end=self.end,
            failed_only=self.failed_only,
            before=None if cursor is None else _place(cursor),
            limit=self.page_size + 1,
        )


def get_workflow(request: pb.GetWorkflowRequest) -> bytes:
    """Return the trace id, or raise InvalidRequest."""
    found = Violations()
    found.octets(request.trace_id, "trace_id", min_bytes=TRACE_ID_SIZE, max_bytes=TRACE_ID_SIZE)
    return found.ok(request.trace_id)


def list_workflows(request: pb.ListWorkflowsRequest) -> ListWorkflows:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    agent = found.text(request.agent, "agent", max_bytes=LABEL_BYTES_MAX, required=False)
    session = found.text(request.session, "session", max_bytes=LABEL_BYTES_MAX, required=False)
    first = found.timestamp(request.start_time, "start_time") if request.HasField("start_time") else None
    end = found.timestamp(request.end_time, "end_time") if request.HasField("end_time") else None
    if first is not None and end is not None and end < first:
        found.add("end_time", "must not lie before start_time")
    question = ListWorkflows(
        agent=agent,
        session=session,
        first=first,
        end=end,
        failed_only=request.failed_only,
        page_size=found.page_size(request.page_size),
        page_token=request.page_token,
    )
    return found.ok(question)


def page_to_proto(told: Sequence[Told], *, size: int) -> tuple[list[pb.Workflow], bytes | None]:
    """Return a page, and the cursor of the next one if there is more; a page ends early when it has become large."""
    shown, room = list[pb.Workflow](), ANSWER_BYTES
    for each in told[:size]:
        message = _workflow(each)
        room -= message.ByteSize()
        if shown and room < 0:
            break
        shown.append(message)
    return shown, _cursor(told[len(shown) - 1]) if len(told) > len(shown) else None


def workflow_to_proto(whole: WholeWorkflow) -> pb.GetWorkflowResponse:
    """Return one piece of work; hops end early when they have become large."""
    response = pb.GetWorkflowResponse(workflow=_workflow(whole.told))
    showing = _Showing(ANSWER_BYTES - response.ByteSize())
    for tree in whole.trees:
        showing.show(tree, response.hops)
    response.hop_count = min(showing.seen, _INT32_MAX)
    return response


class _Showing:
    """Puts hops into an answer while there is room."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._hops = HOPS_MAX
        self._steps = STEPS_MAX
        self.seen = 0

    def show(self, tree: ShownTree, target: Any) -> None:
        """Put the hops of a tree into `target`, a repeated field; deep ones beside those above them."""
        waiting = [(hop, target, 1) for hop in reversed(tree.hops)]
        while waiting:
            hop, into, depth = waiting.pop()
            self.seen += 1
            below = into
            if self._hops > 0 and self._room > 0:
                message = self._hop(hop, tree)
                into.append(message)
                if depth <= DEPTH_MAX:
                    below = into[-1].children
            waiting += [(child, below, depth + 1) for child in reversed(hop.children)]

    def _hop(self, hop: Hop, tree: ShownTree) -> pb.Hop:
        steps = hop.steps[: self._steps]
        message = pb.Hop(
            span_id=_span_id(hop.span),
            parent_span_id=_span_id(hop.parent_span) if hop.parent_span else b"",
            agent=hop.agent,
            name=f"invoke_agent {hop.agent}" if hop.is_call else "",
            start_time=_moment(hop.start + tree.epoch_offset),
            duration_micros=hop.duration_micros,
            own_micros=hop.own_micros,
            exclusive=_used(hop.exclusive),
            inclusive=_used(hop.inclusive),
            failed=hop.failed,
            error=hop.error,
            blamed=hop.span == tree.blamed,
            decisions=[_decision(each) for each in tree.decisions.get(hop.span, ())],
            retries=min(hop.retries, _INT32_MAX),
            steps=[_step(step, tree.epoch_offset) for step in steps],
            untrusted=not tree.trusted,
            critical=hop.critical,
        )
        self._hops -= 1
        self._steps -= len(steps)
        self._room -= message.ByteSize()
        return message


def _workflow(told: Told) -> pb.Workflow:
    summary, settled = told.summary, told.summary.settled
    return pb.Workflow(
        trace_id=settled.trace_id,
        session=settled.session,
        agent=settled.agent,
        start_time=to_timestamp(settled.started_at),
        duration_micros=summary.extent_micros,
        failed=settled.failed,
        outcome=told.outcome,
        usage=_used(summary.used),
        blamed_agent=summary.blamed,
        blame_reason=summary.blame_reason,
        open=told.is_open,
        span_count=summary.spans,
        principal=settled.principal,
        untrusted=not summary.trusted,
    )


def _used(used: Used) -> pb.WorkflowUsage:
    """Return usage. A total beyond 64 bits is shown as the largest there is."""
    return pb.WorkflowUsage(
        input_tokens=min(used.input_tokens, INT64_MAX),
        output_tokens=min(used.output_tokens, INT64_MAX),
        tool_call_count=used.tool_calls,
        cost_nanos=min(used.cost_nanos, INT64_MAX),
        currency=used.currency,
        unknown_cost_calls=used.unknown_cost_calls,
    )


def _step(step: Step, offset: int) -> pb.Step:
    return pb.Step(
        span_id=_span_id(step.span),
        operation=step.operation,
        what=step.what,
        start_time=_moment(step.start + offset),
        duration_micros=step.duration_micros,
        usage=_used(step.used),
        failed=step.failed,
    )


def _decision(decision: LoggedDecision) -> pb.HopDecision:
    return pb.HopDecision(
        decision_id=decision.decision_id,
        audit_index=decision.index,
        effect=decision.effect,
        reason=decision.reason,
        action=decision.action,
        decide_time=to_timestamp(decision.decided_at),
        did=decision.did,
    )


def _span_id(span: int) -> bytes:
    return span.to_bytes(8, "big")


def _moment(nanos: int) -> Timestamp:
    seconds, rest = divmod(max(nanos, 0), _NANOS)
    return Timestamp(seconds=seconds, nanos=rest)


def _cursor(told: Told) -> bytes:
    started_at = told.summary.settled.started_at
    return started_at.to_bytes(_TIME_BYTES, "big", signed=True) + told.summary.key


def _place(cursor: bytes) -> tuple[Instant, TraceKey]:
    key = cursor[_TIME_BYTES:]
    if len(key) not in (TRACE_ID_SIZE, TRACE_ID_SIZE + SUFFIX_SIZE):
        raise PageTokenInvalid(problem="it was not made for this list")
    return Instant(int.from_bytes(cursor[:_TIME_BYTES], "big", signed=True)), TraceKey(key)
