"""The leader's door for its workers: a Unix socket in a private folder, where everything is served that they serve.

What is passed on is counted as a service of its own, `<name>-leader`: the workers count it as calls already.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from ringfence_kit.methods import Handler
from ringfence_kit.refusals import StartRefused
from ringfence_kit.server_config import LimitsConfig, QuotasConfig
from ringfence_kit.service import Face, Listener, Service, Workers
from ringfence_kit.wire_server import WireServer

LARGEST_MESSAGE: Final = 64 << 20
"""The most a request may be configured to have: what is too large the workers have refused."""
LARGEST_METADATA: Final = 8 << 20
"""A caller may be bound to a thousand agents, and travels as metadata."""

NO_QUOTAS: Final = QuotasConfig(open_per_second=0, refused_per_second=0)
"""Of addresses: here everybody comes from the same."""


def inside(service: Service) -> Service:
    """Return the service as its workers see it: one listener with every face."""
    faces: list[Face] = []
    for listener in service.listeners:
        faces += [face for face in listener.faces if face not in faces]
    listener = Listener(address="", setting=f"{service.name}.workers", faces=faces)
    return replace(service, name=f"{service.name}-leader", listeners=[listener])


def open_door(handlers: Mapping[str, Handler], unknown: Handler, socket: Path, limits: LimitsConfig) -> WireServer:
    """Return the server of the door, bound. Nobody but us may enter its folder."""
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket.parent.chmod(0o700)
    server = WireServer(
        handlers,
        unknown,
        options=(
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", LARGEST_METADATA),
            ("grpc.absolute_max_metadata_size", LARGEST_METADATA),
            ("grpc.max_concurrent_streams", limits.max_calls),
            ("grpc.keepalive_permit_without_calls", 1),
        ),
    )
    if not server.add_port(f"unix:{socket}", None):
        raise StartRefused(f"the socket {socket}, by which workers reach the process that leads them, cannot be made")
    socket.chmod(0o600)
    return server


def close(workers: Workers) -> None:
    """Take the door away."""
    with suppress(FileNotFoundError):
        workers.socket.unlink()


def clear(folder: Path, *, but: Path) -> None:
    """Remove the doors that leaders left behind who were killed; for whoever has made sure to be the only leader."""
    for left in folder.glob("*.sock"):
        if left.name != but.name:
            left.unlink(missing_ok=True)
