"""Opens channels to the services of the mesh: asyncio or threads, TLS or loopback, certificate or token.

The rules:

- calls follow `ringfence.calls`: a token on each attempt, retries where they are safe, typed errors;
- gRPC's own retries are off, because two layers of them multiply;
- a connection is pinged while calls are on it, so a peer that vanished is noticed within 40 s; replicas behind one name
  share the calls;
- certificates may be replaced while a channel is open: calls that begin afterwards show the new ones;
- whoever opens a channel closes it.
"""

from dataclasses import dataclass, field

import grpc

from ringfence.calls import AioStreams, AioUnaryCalls, CallRules
from ringfence.credentials import Tls, Token, check_token_is_safe
from ringfence.pace import Pace
from ringfence.renewed_channel import RenewedChannel
from ringfence.renewed_sync_channel import RenewedSyncChannel
from ringfence.retry import RetryBudget, RetryPolicy
from ringfence.sync_channel import SyncChannel
from ringfence.tls_files import TlsFiles

_OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),  # an idle connection is the server's to close
    ("grpc.http2.max_pings_without_data", 0),  # a quiet watch sends no data and must still notice its peer is gone
    ("grpc.initial_reconnect_backoff_ms", 200),
    # The name misleads: it is how long one attempt to connect may take, TLS and the server's greeting included.
    ("grpc.min_reconnect_backoff_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", 16 * 2**20),
    ("grpc.max_metadata_size", 16 * 2**10),
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.primary_user_agent", "ringfence-python"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions:
    """How to reach a service and who to be there. `extra` are channel arguments of gRPC, and win over ours."""

    tls: Tls | None = None
    """None is plaintext."""
    token: Token | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    pace: Pace = field(default_factory=Pace)
    extra: tuple[tuple[str, str | int], ...] = ()

    def rules(self) -> CallRules:
        """Return what the calls of one channel share."""
        return CallRules(self.token, self.retry, RetryBudget(self.retry), self.pace)

    def arguments(self) -> list[tuple[str, str | int]]:
        """Return the channel arguments of gRPC."""
        arguments = dict(_OPTIONS)
        if self.tls is not None and self.tls.server_name:
            arguments["grpc.ssl_target_name_override"] = self.tls.server_name
        return list((arguments | dict(self.extra)).items())


def open_aio_channel(address: str, options: ChannelOptions | None = None) -> grpc.aio.Channel:
    """Open a channel for asyncio. Call it on the event loop that will use it. Raises ChannelError."""
    options = options or ChannelOptions()
    rules = options.rules()
    interceptors = (AioUnaryCalls(rules), AioStreams(rules))
    if options.tls is not None:

        def open_with(credentials: grpc.ChannelCredentials) -> grpc.aio.Channel:
            return grpc.aio.secure_channel(address, credentials, options=options.arguments(), interceptors=interceptors)

        if not options.tls.names_files:
            return open_with(options.tls.credentials())
        return RenewedChannel(TlsFiles(options.tls, options.pace.now), open_with)
    if options.token is not None:
        check_token_is_safe(address)
    return grpc.aio.insecure_channel(address, options=options.arguments(), interceptors=interceptors)


def open_channel(address: str, options: ChannelOptions | None = None) -> SyncChannel:
    """Open a channel for threads. Raises ChannelError."""
    options = options or ChannelOptions()
    rules = options.rules()
    channel: grpc.Channel
    if options.tls is not None:

        def open_with(credentials: grpc.ChannelCredentials) -> grpc.Channel:
            return grpc.secure_channel(address, credentials, options=options.arguments())

        if options.tls.names_files:
            channel = RenewedSyncChannel(TlsFiles(options.tls, options.pace.now), open_with)
        else:
            channel = open_with(options.tls.credentials())
    else:
        if options.token is not None:
            check_token_is_safe(address)
        channel = grpc.insecure_channel(address, options=options.arguments())
    return SyncChannel(channel, rules)
