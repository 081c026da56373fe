"""Every failure the registry answers with has its reason in the contract, and the contract promises no other."""

from google.rpc.code_pb2 import Code
from ringfence.registry.v1 import errors_pb2
from ringfence_kit.errors import Failure
from ringfence_registry.cards.strict_json import MAX_FAULTS, JsonFault
from ringfence_registry.errors import (
    FAILURES,
    AgentAlreadyExists,
    AgentNotFound,
    AgentRetired,
    CardIncompatible,
    CardInvalid,
    CardSignatureRefused,
    FilterInvalid,
)

PREFIX = "ERROR_REASON_"


def test_reasons_and_failures_are_one_to_one() -> None:
    promised = {name.removeprefix(PREFIX) for name in errors_pb2.ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - not a dict
    reasons = [failure.reason for failure in FAILURES]
    assert sorted(reasons) == sorted(promised)


def test_the_codes_are_those_the_contract_names() -> None:
    documented: dict[type[Failure], int] = {
        AgentNotFound: Code.NOT_FOUND,
        AgentAlreadyExists: Code.ALREADY_EXISTS,
        AgentRetired: Code.FAILED_PRECONDITION,
        CardInvalid: Code.INVALID_ARGUMENT,
        FilterInvalid: Code.INVALID_ARGUMENT,
    }
    assert {failure: failure.kind.value for failure in documented} == documented


def test_every_dynamic_part_of_a_message_is_in_its_metadata_or_violations() -> None:
    assert AgentNotFound(name="n").metadata == {"name": "n"}
    assert AgentAlreadyExists(name="n", state="ACTIVE").metadata == {"name": "n", "state": "ACTIVE"}
    assert AgentRetired(name="n").metadata == {"name": "n"}
    card = CardInvalid([JsonFault("", "is empty"), JsonFault("/a/0", "is odd")])
    assert [(each.field, each.problem) for each in card.violations] == [("card", "is empty"), ("card#/a/0", "is odd")]
    assert card.message == "the card cannot be admitted: card: is empty; card#/a/0: is odd"
    assert FilterInvalid(column=3, problem="p").metadata == {"column": "3", "problem": "p"}


def test_however_much_is_wrong_the_answer_fits_into_a_status() -> None:
    faults = [JsonFault(f"/skills/{number}/description", "x" * 200) for number in range(5_000)]
    refused = CardSignatureRefused(needed="one has to verify", problems=[fault.problem for fault in faults])
    for failure in (CardIncompatible(name="n", differences=faults), refused):
        assert len(failure.violations) == MAX_FAULTS
        assert len(failure.message) < 6_000
