"""The small pieces of serving: addresses, grants, readiness, methods, and where anonymous callers come from."""

import asyncio

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from ringfence_kit.addresses import Address, is_loopback_host, parse_address
from ringfence_kit.callers import ANONYMOUS, Caller, Role, calling_as, current_caller
from ringfence_kit.calls import network_of
from ringfence_kit.grants import Grant, Grants, MethodClass
from ringfence_kit.methods import handlers_of
from ringfence_kit.observation import outcome_of
from ringfence_kit.readiness import Readiness
from ringfence_kit.refusals import variable_of
from ringfence_kit.room import Room
from ringfence_kit.service import Face
from support.echo import GRANTS, Echo, add_echo_to_server


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [
            ("127.0.0.1:7401", "127.0.0.1", 7401),
            ("[::1]:0", "::1", 0),
            ("localhost:65535", "localhost", 65535),
        ],
    )
    def test_parsed_and_printed(self, text: str, host: str, port: int) -> None:
        address = parse_address(text)
        assert address == Address(host, port)
        assert str(address) == text

    @pytest.mark.parametrize("text", ["", ":", "a", "a:", ":1", "::1:1", "a:-1", "a:65536", "a:\u0661", "a:1 ", "[]:1"])
    def test_not_an_address(self, text: str) -> None:
        assert parse_address(text) is None

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST", "::ffff:127.0.0.1"])
    def test_loopback(self, host: str) -> None:
        assert is_loopback_host(host)

    @pytest.mark.parametrize(
        "host", ["0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil.example", "0177.0.0.1", ""]
    )
    def test_not_loopback(self, host: str) -> None:
        assert not is_loopback_host(host)


class TestGrants:
    def test_who_may(self) -> None:
        grant = Grant.to(Role.APPROVER, Role.AUDITOR, does=MethodClass.READ)
        assert grant.allows(Caller(principal="a", roles=frozenset({Role.AUDITOR, Role.AGENT})))
        assert not grant.allows(Caller(principal="a", roles=frozenset({Role.AGENT})))
        assert not grant.allows(ANONYMOUS)
        assert grant.needed == "approver or auditor"
        assert Grant.open(does=MethodClass.READ).allows(ANONYMOUS)

    def test_a_grant_to_nobody_is_a_mistake(self) -> None:
        with pytest.raises(ValueError, match="nobody"):
            Grant.to(does=MethodClass.READ)

    def test_tables_join_without_losing_a_row(self) -> None:
        row = Grant.open(does=MethodClass.READ)
        both = Grants.of("a.A", {"X": row}) | Grants.of("b.B", {"X": row})
        assert set(both) == {"/a.A/X", "/b.B/X"}
        with pytest.raises(ValueError, match=r"granted twice: /a\.A/X"):
            _ = both | Grants.of("a.A", {"X": row})

    def test_what_does_not_fit(self) -> None:
        table = Grants.of("a.A", {"X": Grant.open(does=MethodClass.READ)})
        assert table.mismatch(["/a.A/X"]) == ""
        assert table.mismatch(["/a.A/Y"]) == "/a.A/Y is served and has no grant; /a.A/X has a grant and is not served"


class TestReadiness:
    def test_conditions_come_and_go(self) -> None:
        readiness = Readiness()
        told: list[bool] = []
        readiness.on_change(lambda: told.append(readiness.ready))
        assert readiness.ready
        readiness.require("feed")
        readiness.require("store", why="migrating")
        assert readiness.unmet == {"feed": "not reached yet", "store": "migrating"}
        readiness.met("feed")
        readiness.met("feed")
        readiness.met("store")
        readiness.lost("feed", why="no heartbeat")
        readiness.lost("feed", why="no heartbeat")
        assert told == [False, False, False, True, False]

    def test_why_may_change(self) -> None:
        readiness = Readiness()
        readiness.lost("feed", why="a")
        readiness.lost("feed", why="b")
        assert readiness.unmet == {"feed": "b"}


class TestMethods:
    def test_what_generated_code_registers(self) -> None:
        assert set(handlers_of(Face(add_echo_to_server, Echo()))) == set(GRANTS)

    def test_what_older_generated_code_registers(self) -> None:
        class Traces(TraceServiceServicer):
            async def Export(self, request: object, context: object) -> None:
                """Take spans."""

        handlers = handlers_of(Face(add_TraceServiceServicer_to_server, Traces()))
        assert list(handlers) == ["/opentelemetry.proto.collector.trace.v1.TraceService/Export"]

    def test_what_is_not_implemented(self) -> None:
        with pytest.raises(TypeError, match="TraceService/Export is not implemented"):
            handlers_of(Face(add_TraceServiceServicer_to_server, TraceServiceServicer()))


class TestCallers:
    def test_nobody_outside_a_call(self) -> None:
        with pytest.raises(LookupError):
            current_caller()

    def test_set_for_a_block(self) -> None:
        with calling_as(Caller(principal="ana")):
            assert current_caller().principal == "ana"
        with pytest.raises(LookupError):
            current_caller()


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("ipv4:10.0.0.1:1234", "10.0.0.1"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:1234", "2001:db8:1:2::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:1234", "fe80::/64"),
        ("ipv6:%5B::ffff:10.0.0.1%5D:1234", "10.0.0.1"),
        ("unix:/run/x.sock", "unix"),
        ("", ""),
    ],
)
def test_where_anonymous_callers_come_from(peer: str, network: str) -> None:
    assert network_of(peer) == network


@pytest.mark.parametrize(
    ("code", "name"),
    [(5, "NOT_FOUND"), (grpc.StatusCode.NOT_FOUND, "NOT_FOUND"), (99, "UNKNOWN"), (None, "UNKNOWN")],
)
def test_how_a_bare_abort_ended(code: object, name: str) -> None:
    assert outcome_of(grpc.aio.AbortError(), code).code == name


def test_variables_are_named_after_settings() -> None:
    assert variable_of("registry.tls.cert_file") == "RINGFENCE_REGISTRY_TLS__CERT_FILE"
    assert variable_of("server.dev") == "RINGFENCE_SERVER_DEV"


async def test_a_drain_passes_over_a_stream_whose_time_has_just_run_out() -> None:
    room, timer, drained = Room(1), asyncio.timeout(0), asyncio.Event()

    def drain() -> None:
        room.drain()
        drained.set()

    async def stream() -> None:
        async with timer:
            room.hold(timer)
            # Called once the timer has run out, and before the task has heard of it.
            asyncio.get_running_loop().call_soon(drain)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await stream()
    assert drained.is_set()
