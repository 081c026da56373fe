"""Every failure has a reason the contract documents, and every documented reason a failure."""

from ringfence.telemetry.v1 import errors_pb2
from ringfence_telemetry.errors import FAILURES

PREFIX = "ERROR_REASON_"


def test_reasons_and_failures_are_one_to_one() -> None:
    documented = {name.removeprefix(PREFIX) for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name}
    raised = [failure.reason for failure in FAILURES]
    assert documented - {"UNSPECIFIED"} == set(raised)
    assert len(raised) == len(set(raised))
