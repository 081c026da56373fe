"""The server beneath the kit: refuses a grpcio it does not know, and its end is noticed."""

import grpc
import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined] # compiled, and published without types
from ringfence_kit.methods import Handler
from ringfence_kit.refusals import StartRefused
from ringfence_kit.room import Room
from ringfence_kit.running import Running
from ringfence_kit.server import stay_up
from ringfence_kit.wire_server import WireServer, check_grpcio
from support.echo import Echo, echo_service


def nobody() -> Handler:
    async def answer(_requests: object, _context: object) -> bytes:
        return b""

    return grpc.stream_unary_rpc_method_handler(answer)


def test_the_installed_grpcio_has_what_is_needed() -> None:
    check_grpcio()


def test_a_grpcio_without_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cygrpc, "_handle_rpc")
    with pytest.raises(StartRefused, match=r"grpcio .* is not supported \(no _handle_rpc\)"):
        check_grpcio()


async def test_a_server_that_ends_unasked_is_an_error() -> None:
    server = WireServer({}, nobody(), options=())
    running = Running(service=echo_service(Echo()), room=Room(1), servers=[server])
    await server.start()
    await server.stop(None)
    with pytest.raises(RuntimeError, match="the gRPC server of echo ended by itself"):
        await stay_up(server, running)


async def test_a_server_that_was_asked_to_end_is_none() -> None:
    server = WireServer({}, nobody(), options=())
    running = Running(service=echo_service(Echo()), room=Room(1), servers=[server])
    await server.start()
    running.room.drain()
    await server.stop(None)
    await stay_up(server, running)


async def test_a_port_that_cannot_be_bound_is_zero() -> None:
    server = WireServer({}, nobody(), options=(("grpc.so_reuseport", 0),))
    port = server.add_port("127.0.0.1:0", None)
    assert port > 0
    other = WireServer({}, nobody(), options=(("grpc.so_reuseport", 0),))
    assert other.add_port(f"127.0.0.1:{port}", None) == 0
    for each in (server, other):
        await each.start()
        await each.stop(None)
