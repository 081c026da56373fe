"""A request for every method of EvaluationService."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from google.protobuf.message import Message
from ringfence.telemetry.v1 import evaluation_pb2 as pb
from ringfence_kit.clock import DAY, Instant, SystemClock
from ringfence_kit.wire import to_timestamp


@dataclass(frozen=True, slots=True)
class EvaluationRequests:
    """Requests about the agent of this name. Nothing is known of it yet that could be pinned or have drifted."""

    agent: str
    numbers: "itertools.count[int]"

    def makers(self) -> dict[str, Callable[[], Awaitable[Message]]]:
        """Return what makes a request, for each method."""
        now = SystemClock().now()
        start, end = to_timestamp(Instant(now - DAY)), to_timestamp(now)
        return {
            "EvaluationService/RecordEvaluations": self._record,
            "EvaluationService/GetAcceptance": _always(
                pb.GetAcceptanceRequest(agent=self.agent, version="1", start_time=start, end_time=end)
            ),
            "EvaluationService/PutAcceptanceGate": self._put_gate,
            "EvaluationService/CheckAcceptance": _always(pb.CheckAcceptanceRequest(agent=self.agent, version="1")),
            "EvaluationService/PinBaseline": _always(
                pb.PinBaselineRequest(agent=self.agent, version="1", start_time=start, end_time=end)
            ),
            "EvaluationService/GetDrift": _always(pb.GetDriftRequest(agent=self.agent, version="1")),
        }

    async def _put_gate(self) -> Message:
        gate = pb.AcceptanceGate(agent=self.agent, min_samples=next(self.numbers) + 1)
        return pb.PutAcceptanceGateRequest(gate=gate)

    async def _record(self) -> Message:
        judged = pb.Evaluation(
            agent=self.agent,
            version="1",
            layer=pb.EVALUATION_LAYER_WORKFLOW,
            metric="accuracy",
            passed=True,
            score=0.9,
            label="good",
            trace_id=b"t" * 16,
            span_id=b"s" * 8,
            evaluator="a suite",
            evaluation_id=f"sound-{next(self.numbers)}",
            event_time=to_timestamp(SystemClock().now()),
        )
        return pb.RecordEvaluationsRequest(evaluations=[judged])


def _always(message: Message) -> Callable[[], Awaitable[Message]]:
    async def make() -> Message:
        return message

    return make
