"""Opening ports: which addresses may be listened on, with what protection, and what to say when one cannot be had.

The rules:

- everything is judged before anything is opened: a refused start leaves no port, file or task behind;
- SO_REUSEPORT is off unless asked for: left at gRPC's default, a second copy starts on the same port without an error,
  and calls are split between two databases;
- gRPC's own limit for a message stands above ours, so that ours answers first and says what the limit is.
"""

import errno
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import grpc
import grpc.aio
import structlog

from ringfence_kit.addresses import Address, parse_address
from ringfence_kit.methods import Handler
from ringfence_kit.metrics import FastPort
from ringfence_kit.refusals import (
    AddressUnusable,
    NoAuthentication,
    NotLoopback,
    PlaintextTokens,
    PortTaken,
)
from ringfence_kit.running import GrpcServer
from ringfence_kit.server_config import LimitsConfig, ServerConfig
from ringfence_kit.service import Listener, Service
from ringfence_kit.tls import Certificates, TlsConfig
from ringfence_kit.wire_server import WireServer

_log = structlog.get_logger(__name__)

CORE_LIMIT_FACTOR = 4
BACKLOG = 1_024


def check_addresses(service: Service, config: ServerConfig) -> None:
    """Raise the StartRefused that says why a service must not listen where it is told to, if it must not."""
    tls = service.tls or config.tls
    for listener in service.listeners:
        address = address_of(listener.address, listener.setting)
        if address.is_loopback:
            continue
        if config.dev:
            raise NotLoopback(address=listener.address, setting=listener.setting)
        if not _authenticates(service, config, tls):
            raise NoAuthentication(address=listener.address, setting=listener.setting)
        if tls is None and not config.plaintext_behind_proxy:
            raise PlaintextTokens(address=listener.address, setting=listener.setting)
    if service.http is not None:
        address = address_of(service.http.address, service.http.setting)
        if config.dev and not address.is_loopback:
            raise NotLoopback(address=service.http.address, setting=service.http.setting)


def _authenticates(service: Service, config: ServerConfig, tls: TlsConfig | None) -> bool:
    by_certificate = tls is not None and tls.client_ca_file is not None and bool(config.auth.certificates)
    return by_certificate or bool(config.auth.issuers) or bool(service.issuers)


def address_of(text: str, setting: str) -> Address:
    """Return the address `text` names, or refuse."""
    address = parse_address(text)
    if address is None:
        problem = "it is not HOST:PORT with a port from 0 to 65535"
        raise AddressUnusable(address=text, setting=setting, problem=problem)
    return address


def channel_options(limits: LimitsConfig, *, max_request_bytes: int, reuse_port: bool) -> Sequence[tuple[str, Any]]:
    """Return gRPC's options for a port."""
    return (
        ("grpc.so_reuseport", int(reuse_port)),
        ("grpc.max_receive_message_length", CORE_LIMIT_FACTOR * max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", limits.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", limits.max_metadata_bytes),
        ("grpc.max_allowed_incoming_connections", limits.max_connections),
        ("grpc.max_concurrent_streams", limits.max_streams_per_connection),
        ("grpc.max_connection_age_ms", limits.max_connection_age),
        ("grpc.max_connection_age_grace_ms", limits.max_connection_grace),
        ("grpc.max_connection_idle_ms", limits.max_connection_idle),
        ("grpc.keepalive_time_ms", limits.keepalive_interval),
        ("grpc.keepalive_timeout_ms", limits.keepalive_timeout),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", limits.min_ping_interval),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", limits.min_ping_interval),
        ("grpc.enable_channelz", 1),
    )


def open_grpc_port(
    server: WireServer,
    address: Address,
    setting: str,
    *,
    credentials: grpc.ServerCredentials | None,
    reuse_port: bool,
) -> Address:
    """Bind a port of `server`; return the address with the port that was chosen."""
    # Tried by hand first: gRPC does not say why it cannot, and of a name's several addresses one is enough for it.
    for target in _targets(address, setting):
        _bound(target, address, setting, reuse_port=reuse_port).close()
    port = server.add_port(str(address), credentials)
    if port == 0:
        raise AddressUnusable(address=str(address), setting=setting, problem="gRPC could not bind it")
    return Address(address.host, port)


def hold_port(listener: Listener) -> tuple[socket.socket, Address]:
    """Hold the port of a listener that other processes of ours share; return the socket that does and the address.

    Nobody else may have it: shared with a stranger, calls would be split between two services. It is not listened on,
    so it gets no connections.
    """
    address = address_of(listener.address, listener.setting)
    target = min(_targets(address, listener.setting), key=lambda each: each.family != socket.AF_INET)
    # With SO_REUSEPORT it would be had from whoever shares it already.
    free = _bound(target, address, listener.setting, reuse_port=False)
    port = free.getsockname()[1]
    free.close()
    held = socket.socket(target.family, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Only to bind, for connections of whoever was here before may be ending still; kept, it would let others in.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((target.address[0], port, *target.address[2:]))
    except OSError:
        held.close()
        raise PortTaken(address=str(address), setting=listener.setting) from None
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    return held, Address(address.host, port)


class FastGrpcServer(GrpcServer, FastPort, Protocol):
    """`fast.server.FastServer`, which is imported where libnghttp2 is installed only."""


def servable(listeners: Sequence[Listener]) -> Sequence[Listener]:
    """Return the listeners that can be served with what is installed; the others are named once, in the log."""
    if find_spec("ngh2") is not None:
        return listeners
    for listener in listeners:
        if listener.fast:
            _log.warning(
                "the fast port is not served, as ngh2 is not installed (the extra `fast`)", setting=listener.setting
            )
    return [listener for listener in listeners if not listener.fast]


def open_fast_port(
    handlers: Mapping[str, Handler],
    unknown: Handler,
    address: Address,
    setting: str,
    *,
    config: ServerConfig,
    limit: int,
    certificates: Certificates | None,
) -> tuple[FastGrpcServer, Address]:
    """Bind a port that libnghttp2 serves; return its server and the address with the port that was chosen."""
    # Imported here, where it is known to be installed.
    fast: Any = import_module("ringfence_kit.fast.server")
    bound = open_http_port(address, setting, reuse_port=config.reuse_port)
    server: FastGrpcServer = fast.FastServer(
        handlers,
        unknown,
        bound=bound,
        limits=fast.wire_limits(config.limits, max_message_bytes=CORE_LIMIT_FACTOR * limit),
        max_connections=config.limits.max_connections,
        tls=None if certificates is None else certificates.http2_context(),
    )
    return server, Address(address.host, bound.getsockname()[1])


async def release(server: GrpcServer) -> None:
    """Let go of the ports of a server, whether it ever started or not."""
    # gRPC keeps the ports of a server that is stopped without having been started; once started it says so by raising.
    with suppress(grpc.aio.UsageError):
        await server.start()
    await server.stop(None)


def open_http_port(address: Address, setting: str, *, reuse_port: bool) -> socket.socket:
    """Return a bound socket for the HTTP port; of a name's several addresses an IPv4 one, which people type."""
    targets = sorted(_targets(address, setting), key=lambda target: target.family != socket.AF_INET)
    return _bound(targets[0], address, setting, reuse_port=reuse_port)


class _Target(NamedTuple):
    """One socket address behind a host and a port."""

    family: int
    address: Any


def _targets(address: Address, setting: str) -> Sequence[_Target]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise AddressUnusable(address=str(address), setting=setting, problem="the host is not known here") from None
    return [_Target(family, target) for family, _, _, _, target in found]


def _bound(target: _Target, address: Address, setting: str, *, reuse_port: bool) -> socket.socket:
    bound = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(target.address)
        if not reuse_port:
            # Two processes may both have bound with SO_REUSEADDR; only one of them may listen. Where they share it,
            # calls come to whoever does.
            bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(address=str(address), setting=setting) from None
        problem = os.strerror(error.errno or 0)
        raise AddressUnusable(address=str(address), setting=setting, problem=problem) from None
    bound.setblocking(False)
    return bound
