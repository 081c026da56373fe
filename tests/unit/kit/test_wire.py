"""What stands for a request, and instants there and back."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence.pdp.v1.bundle_pb2 import ListKillSwitchesRequest, ReleaseKillSwitchRequest
from ringfence.telemetry.v1.audit_pb2 import ListEntriesRequest
from ringfence_kit.clock import Instant
from ringfence_kit.wire import mutation_of, page_arguments, to_instant, to_timestamp

NOW = Instant(1_767_225_600_000)


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_an_instant_survives_the_way_there_and_back(millis: int) -> None:
    assert to_instant(to_timestamp(Instant(millis))) == millis


def release(name: str, request_id: str = "one") -> ReleaseKillSwitchRequest:
    return ReleaseKillSwitchRequest(name=name, reason="it is safe", request_id=request_id)


def test_the_same_request_has_the_same_fingerprint_whatever_its_id() -> None:
    first = mutation_of(release("killSwitches/a", "one"), request_id="one", principal="p", now=NOW)
    second = mutation_of(release("killSwitches/a", "two"), request_id="two", principal="p", now=NOW)
    assert first.fingerprint == second.fingerprint


def test_another_request_has_another_fingerprint() -> None:
    first = mutation_of(release("killSwitches/a"), request_id="one", principal="p", now=NOW)
    second = mutation_of(release("killSwitches/b"), request_id="one", principal="p", now=NOW)
    assert first.fingerprint != second.fingerprint


def test_unknown_fields_are_part_of_the_request() -> None:
    request = release("killSwitches/a")
    more = ReleaseKillSwitchRequest.FromString(request.SerializeToString() + b"\x9a\x06\x01x")
    first = mutation_of(request, request_id="one", principal="p", now=NOW)
    assert mutation_of(more, request_id="one", principal="p", now=NOW).fingerprint != first.fingerprint


def test_the_method_is_told_by_the_message() -> None:
    mutation = mutation_of(release("killSwitches/a"), request_id="one", principal="p", now=NOW)
    assert mutation.method == "ringfence.pdp.v1.ReleaseKillSwitchRequest"


def test_a_request_is_not_changed_by_being_looked_at() -> None:
    request = release("killSwitches/a")
    mutation_of(request, request_id="one", principal="p", now=NOW)
    assert request.request_id == "one"


def test_a_page_token_is_not_bound_to_the_page() -> None:
    first = page_arguments(ListKillSwitchesRequest(page_size=5))
    assert first == page_arguments(ListKillSwitchesRequest(page_size=7, page_token="t"))


def test_a_page_token_is_bound_to_the_kind_of_list() -> None:
    assert page_arguments(ListKillSwitchesRequest()) != page_arguments(ListEntriesRequest())
