"""How one of our services reaches another: its address, and who to be there.

The rules, in this order:

- with TLS configured for ourselves, our own certificate is shown (mutual TLS), and the peer's is checked against
  `ca_file` or, without one, against the CAs our own clients must come from;
- with a token file, its token is sent as well, read anew for every call;
- in development mode, the service token of the data directory is sent to loopback;
- otherwise nothing is shown, and the peer will say what it lacks.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc.aio
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import Tls, Token, token_file

from ringfence_kit.config import setting
from ringfence_kit.dev_tokens import token_path
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.tls import TlsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    """Where another of the mesh's services is."""

    address: str = setting(doc="Where it serves gRPC, host:port.")
    ca_file: Path | None = setting(
        None, doc="Who signs its certificate, PEM; empty takes the CAs of our own clients. Used with TLS only."
    )
    server_name: str = setting("", doc="The name in its certificate, when it is not the one in the address.")
    token_file: Path | None = setting(None, doc="A file with a bearer token to show, where certificates are not used.")


def open_peer(peer: PeerConfig, *, server: ServerConfig, tls: TlsConfig | None) -> grpc.aio.Channel:
    """Open a channel to `peer`, on the event loop that will use it; `tls` is our own certificate. Close it yourself."""
    return open_aio_channel(peer.address, options_for(peer, server=server, tls=tls or server.tls))


class Peers:
    """The channels of one service to others, open inside `async with`."""

    def __init__(self, *, server: ServerConfig, tls: TlsConfig | None) -> None:
        self._server = server
        self._tls = tls
        self._channels: dict[PeerConfig, grpc.aio.Channel] = {}

    def channel(self, peer: PeerConfig) -> grpc.aio.Channel:
        """Return the channel to `peer`, opened at first use."""
        if peer not in self._channels:
            self._channels[peer] = open_peer(peer, server=self._server, tls=self._tls)
        return self._channels[peer]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()


def options_for(peer: PeerConfig, *, server: ServerConfig, tls: TlsConfig | None) -> ChannelOptions:
    """Return who to be at `peer`."""
    return ChannelOptions(tls=_tls(peer, tls), token=_token(peer, server))


def _tls(peer: PeerConfig, own: TlsConfig | None) -> Tls | None:
    if own is None and peer.ca_file is None:
        return None
    ca_file = peer.ca_file or (own.client_ca_file if own is not None else None)
    if own is None:
        return Tls(ca_file=ca_file, server_name=peer.server_name)
    return Tls(ca_file=ca_file, cert_file=own.cert_file, key_file=own.key_file, server_name=peer.server_name)


def _token(peer: PeerConfig, server: ServerConfig) -> Token | None:
    if peer.token_file is not None:
        return token_file(peer.token_file)
    return token_file(token_path(server.data, "service")) if server.dev else None
