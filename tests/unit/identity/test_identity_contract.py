"""What identity promises in its protos and keeps in its tables: one failure a reason, one grant a method."""

from ringfence.identity.v1 import delegation_pb2, errors_pb2, identity_pb2, transparency_pb2, trust_pb2
from ringfence_identity.convert.identities import STATUSES
from ringfence_identity.convert.trust import KINDS, OUTCOMES
from ringfence_identity.errors import FAILURES
from ringfence_identity.grants import GRANTS
from ringfence_identity.model import IdentityStatus
from ringfence_identity.trust.evidence import Outcome, SignalKind


def values(enum: object) -> set[int]:
    return {number for number in enum.values() if number}  # type: ignore[attr-defined]  # a protobuf enum wrapper


def test_every_failure_has_one_documented_reason_and_every_reason_one_failure() -> None:
    documented = {name.removeprefix("ERROR_REASON_") for name, _ in errors_pb2.ErrorReason.items()} - {"UNSPECIFIED"}
    raised = [failure.reason for failure in FAILURES]
    assert sorted(raised) == sorted(documented)


def test_every_method_has_one_grant_and_every_grant_a_method() -> None:
    methods = {
        f"/{service.full_name}/{method.name}"
        for module in (identity_pb2, trust_pb2, delegation_pb2, transparency_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert GRANTS.mismatch(methods) == ""
    assert len(methods) == 43


def test_every_value_on_the_wire_is_a_value_of_the_model() -> None:
    assert values(trust_pb2.SignalKind) == set(KINDS)
    assert set(KINDS.values()) == set(SignalKind)
    assert values(trust_pb2.SignalOutcome) == set(OUTCOMES.values())
    assert set(OUTCOMES) == set(Outcome)
    assert values(identity_pb2.IdentityStatus) == set(STATUSES.values())
    assert set(STATUSES) == set(IdentityStatus)
