"""Network addresses as operators write them: `127.0.0.1:7401`, `[::1]:7401`, `localhost:0`."""

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback_host(self.host)


def parse_address(text: str) -> Address | None:
    """Return the address, or None when `text` is not `host:port` with a port from 0 to 65535."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        return None
    return Address(host, int(port))


def is_loopback_host(host: str) -> bool:
    """Say whether a host, given as a name or a literal, is this machine only.

    Of names only `localhost` is taken at its word: what any other resolves to is somebody else's decision.
    """
    if host.lower() == "localhost":
        return True
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = literal.ipv4_mapped if isinstance(literal, ipaddress.IPv6Address) else None
    return (mapped or literal).is_loopback
