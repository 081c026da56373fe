"""What the contract promises and what the pdp answers are one: reasons of failures, of decisions, and their numbers."""

from ringfence.pdp.v1 import decision_pb2, errors_pb2
from ringfence_kit.errors import Kind
from ringfence_pdp.errors import FAILURES, BundleInvalid, BundleNotFound, KillSwitchAlreadyEngaged, KillSwitchNotFound
from ringfence_pdp.explain import Truth
from ringfence_pdp.model import Effect, Reason, Side, SideEffects, Stage


def test_reasons_of_failures_are_one_to_one() -> None:
    promised = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - not a dict
    assert sorted(failure.reason for failure in FAILURES) == sorted(promised)


def test_the_codes_are_those_the_contract_names() -> None:
    assert {failure: failure.kind for failure in FAILURES[-11:-7]} == {
        BundleInvalid: Kind.INVALID_ARGUMENT,
        BundleNotFound: Kind.NOT_FOUND,
        KillSwitchNotFound: Kind.NOT_FOUND,
        KillSwitchAlreadyEngaged: Kind.ALREADY_EXISTS,
    }


def test_effects_reasons_sides_and_truths_have_the_numbers_of_the_contract() -> None:
    for ours, prefix, theirs in (
        (Effect, "EFFECT_", decision_pb2.Effect),
        (Reason, "DECISION_REASON_", decision_pb2.DecisionReason),
        (Side, "SIDE_", decision_pb2.Side),
        (Truth, "CONDITION_RESULT_", decision_pb2.ConditionResult),
    ):
        numbers = {name.removeprefix(prefix): number for name, number in theirs.items() if number}
        assert {member.name: member.value for member in ours} == numbers


def test_side_effects_have_the_numbers_of_the_contract() -> None:
    numbers = {name.removeprefix("SIDE_EFFECTS_"): number for name, number in decision_pb2.SideEffects.items()}
    assert {member.name: member.value for member in SideEffects if member.value} | {"UNSPECIFIED": 0} == numbers


def test_stages_are_those_the_contract_names() -> None:
    assert [stage.value for stage in Stage] == [
        "kill",
        "validity",
        "identity",
        "ring",
        "environment",
        "tools",
        "rules",
        "filters",
        "obligations",
        "limits",
        "approval",
    ]
