"""What a channel shows to a server, and what it demands to see.

The rules:

- files are read when the channel is opened, and a missing or half-given pair is refused with a sentence; replaced ones
  are read again (`ringfence.tls_files`);
- a bearer token leaves this machine only over TLS: without it the address has to be a loopback address;
- a token source is asked before every attempt of every call, so a refreshed token is used at once.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import grpc

TokenSource: TypeAlias = Callable[[], str | Awaitable[str]]
"""Returns a bearer token that is good now. Synchronous channels need one that returns the text itself."""

Token: TypeAlias = str | TokenSource


class ChannelError(ValueError):
    """A channel that cannot be opened as asked; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS with the server, and with a certificate of ours when both files are given (mutual TLS). Files are PEM."""

    ca_file: Path | None = None
    """Who may sign the server's certificate; None trusts the authorities of gRPC's own list."""
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str = ""
    """The name to expect in the server's certificate when it is not the one in the address."""

    @property
    def names_files(self) -> bool:
        """Whether there is anything that may be replaced."""
        return self.ca_file is not None or self.cert_file is not None or self.key_file is not None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files. Raises ChannelError."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ChannelError("a client certificate needs both cert_file and key_file")
        return grpc.ssl_channel_credentials(_read(self.ca_file), _read(self.key_file), _read(self.cert_file))


def token_file(path: Path) -> Callable[[], str]:
    """Return a source that reads the token from a file each time, so that the file may be replaced."""
    return lambda: path.read_text(encoding="ascii").strip()


def check_token_is_safe(address: str) -> None:
    """Raise ChannelError unless what is sent in clear to `address` stays on this machine."""
    if not is_loopback(address):
        raise ChannelError(f"a token must not travel to {address} in clear; give tls, or use a loopback address")


def is_loopback(address: str) -> bool:
    """Say whether a gRPC target names this machine only."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    for scheme in ("dns:///", "dns:", "ipv4:", "ipv6:"):
        if address.startswith(scheme):
            address = address.removeprefix(scheme)
            break
    # A list of addresses is loopback when each one is.
    return all(_is_loopback_host(_host(one)) for one in address.split(","))


def bearer(token: str) -> str:
    """Return the value of the authorization header. Raises ChannelError on what is not one token."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ChannelError("the token is empty or is not one line of printable ASCII without spaces")
    return f"Bearer {token}"


def _host(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def _is_loopback_host(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ChannelError(f"{path} cannot be read: {error.strerror}") from error
