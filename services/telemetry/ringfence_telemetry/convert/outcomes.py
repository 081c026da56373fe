"""`ringfence.telemetry.v1.WorkflowService` messages to values and back."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence_kit.names import is_resource_id
from ringfence_kit.validation import Violations

from ringfence_telemetry.decision_document import DID_MAX, DID_PATTERN
from ringfence_telemetry.outcomes import OutcomeReport

WORK_ID_MAX = 256
PRINCIPAL_MAX = 512
TRACE_ID_SIZE = 16

ACCEPTED: Mapping[int, bool] = {pb.OUTCOME_ACCEPTED: True, pb.OUTCOME_REJECTED: False}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOutcome:
    """A checked ReportOutcomeRequest."""

    report: OutcomeReport
    request_id: str


def report_outcome(request: pb.ReportOutcomeRequest) -> ReportOutcome:
    """Build the command, or raise InvalidRequest."""
    found = Violations()
    did = found.text(request.did, "did", max_bytes=DID_MAX, pattern=DID_PATTERN, shape="did:method:id")
    if not is_resource_id(request.environment):
        found.add("environment", "must be the name of an environment: lower case letters, digits and -")
    accepted = found.enum(request.outcome, "outcome", ACCEPTED)
    work_id = found.text(request.work_id, "work_id", max_bytes=WORK_ID_MAX)
    on_behalf_of = found.text(request.on_behalf_of, "on_behalf_of", max_bytes=PRINCIPAL_MAX, required=False)
    if request.trace_id:
        found.octets(request.trace_id, "trace_id", min_bytes=TRACE_ID_SIZE, max_bytes=TRACE_ID_SIZE)
    request_id = found.request_id(request.request_id)
    report = OutcomeReport(
        did=did,
        environment=request.environment,
        accepted=found.ok(accepted),
        work_id=work_id,
        on_behalf_of=on_behalf_of,
        trace_id=request.trace_id,
    )
    return ReportOutcome(report=report, request_id=request_id)
