"""What an address may do before anybody there is known."""

import pytest
from ringfence_kit.address_quotas import AddressQuotas
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.calls import Call
from ringfence_kit.clock import ManualClock, Millis
from ringfence_kit.errors import QuotaExceeded
from ringfence_kit.grants import Grant, MethodClass
from ringfence_kit.methods import Method
from ringfence_kit.metrics import Metrics
from ringfence_kit.server_config import QuotasConfig

LIMITS = QuotasConfig(open_per_second=2, open_burst=3, refused_per_second=1, refused_burst=2)
ANA = Caller(principal="ana")
HERE, THERE = "ipv4:10.0.0.1:1234", "ipv4:10.0.0.2:1234"


def method(grant: Grant, *, always: bool = False) -> Method:
    async def behavior(_request: object, _context: object) -> bytes:
        return b""

    return Method(
        path="/echo/Say",
        grant=grant,
        behavior=behavior,
        decode=None,
        encode=None,
        request_streaming=False,
        response_streaming=False,
        max_request_bytes=1,
        meter=Metrics().meter("echo", "echo/Say", is_stream=False),
        traced=False,
        always=always,
    )


OPEN = method(Grant.open(does=MethodClass.WRITE))
CLOSED = method(Grant.to(Role.AUDITOR, does=MethodClass.WRITE))
HEALTH = method(Grant.open(does=MethodClass.READ), always=True)


def call(peer: str = HERE, *, caller: Caller = ANONYMOUS, token: str = "", of: Method = OPEN) -> Call:
    made = Call(of, [("authorization", f"Bearer {token}")] if token else [], peer)
    made.caller = caller
    return made


def test_open_calls_of_nobody_count_against_where_they_come_from() -> None:
    clock = ManualClock()
    quotas = AddressQuotas(LIMITS, clock)
    for port in range(3):
        quotas.before_answering(call(f"ipv4:10.0.0.1:{port}"))
    with pytest.raises(QuotaExceeded) as refused:
        quotas.before_answering(call())
    assert refused.value.retry_after == 500
    assert refused.value.metadata == {"principal": "anonymous at 10.0.0.1", "method_class": "open"}
    quotas.before_answering(call(THERE))
    clock.advance(Millis(500))
    quotas.before_answering(call())


def test_who_is_known_has_a_quota_of_its_own() -> None:
    quotas = AddressQuotas(LIMITS, ManualClock())
    for _ in range(100):
        quotas.before_answering(call(caller=ANA))
        quotas.before_answering(call(of=HEALTH))


def test_an_address_that_used_up_its_refusals_is_not_read_until_it_earned_another() -> None:
    clock = ManualClock()
    quotas = AddressQuotas(LIMITS, clock)
    for _ in range(2):
        guess = call(token="guess")
        quotas.before_reading(guess)
        quotas.refused(guess)
    with pytest.raises(QuotaExceeded) as refused:
        quotas.before_reading(call(token="guess"))
    assert refused.value.retry_after == 1_000
    assert refused.value.metadata["method_class"] == "refused credential"
    quotas.before_reading(call(THERE, token="guess"))
    clock.advance(Millis(1_000))
    quotas.before_reading(call(token="guess"))


def test_a_proof_refused_inside_of_an_open_call_counts_as_well() -> None:
    quotas = AddressQuotas(LIMITS, ManualClock())
    for _ in range(2):
        quotas.refused(call())
    with pytest.raises(QuotaExceeded):
        quotas.before_answering(call())
    with pytest.raises(QuotaExceeded):
        quotas.before_reading(call(token="perhaps good"))
    quotas.before_reading(call())


def test_to_bring_no_credential_is_no_guess() -> None:
    quotas = AddressQuotas(LIMITS, ManualClock())
    for _ in range(100):
        quotas.refused(call(of=CLOSED))
    quotas.before_reading(call(token="t"))


def test_what_is_set_to_nothing_is_not_limited() -> None:
    quotas = AddressQuotas(QuotasConfig(open_per_second=0, refused_per_second=0), ManualClock())
    for _ in range(10_000):
        quotas.refused(call(token="guess"))
        quotas.before_reading(call(token="guess"))
        quotas.before_answering(call())


def test_the_addresses_of_one_network_count_as_one() -> None:
    quotas = AddressQuotas(LIMITS, ManualClock())
    for number in range(3):
        quotas.before_answering(call(f"ipv6:%5B2001:db8::{number}%5D:1234"))
    with pytest.raises(QuotaExceeded):
        quotas.before_answering(call("ipv6:%5B2001:db8::ffff:1%5D:1"))
    quotas.before_answering(call("ipv6:%5B2001:db8:0:1::1%5D:1"))


def test_memory_is_bounded_however_many_addresses_flood() -> None:
    quotas = AddressQuotas(LIMITS, ManualClock(), max_addresses=100)
    for number in range(10_000):
        flooding = call(f"ipv4:10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:1", token="guess")
        quotas.before_answering(flooding)
        quotas.refused(flooding)
    assert quotas.addresses_held <= 200
