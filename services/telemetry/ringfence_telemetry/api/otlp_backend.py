"""An OTLP backend, as a client: requests are sent as the bytes they came as."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from ringfence_kit.clock import MINUTE, Millis

from ringfence_telemetry.config import ForwardConfig
from ringfence_telemetry.convert.otlp import SERVICES, rejected_items
from ringfence_telemetry.forwarding import Forwarder, Later, Never
from ringfence_telemetry.ingest import Ingest
from ringfence_telemetry.otlp_signal import OtlpSignal

DEADLINE_SECONDS = 30

DELAY_MAX = Millis(5 * MINUTE)
"""What a backend may ask for: one that asks for longer is asked again, or what waits would be lost without a try."""

_RETRY_INFO = "google.rpc.retryinfo-bin"

_NEVER = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
    }
)
"""Answers to the request itself. Who is not let in waits: a credential gets mended, and nothing is lost meanwhile."""


class OtlpBackend:
    """Any OTLP server over gRPC."""

    def __init__(self, channel: grpc.aio.Channel, headers: list[tuple[str, str]]) -> None:
        self._headers = tuple(headers)
        self._exports: dict[OtlpSignal, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {
            signal: channel.unary_unary(f"/{service}/Export", request_serializer=None, response_deserializer=None)
            for signal, service in SERVICES.items()
        }

    async def send(self, signal: OtlpSignal, payload: bytes) -> int:
        """Return how many items it rejected, once it has taken a request. Raises Later and Never."""
        try:
            answer = await self._exports[signal](payload, timeout=DEADLINE_SECONDS, metadata=self._headers)
        except grpc.aio.AioRpcError as error:
            problem = f"{error.code().name}: {error.details()}"
            if error.code() in _NEVER:
                raise Never(problem) from None
            delay = _asked_for(error)
            # OTLP: without RetryInfo it does not say that it is busy; it may be the request that is too large.
            refused = error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and not delay
            raise Later(problem, delay=delay, refused=refused) from None
        return rejected_items(signal, answer)


@asynccontextmanager
async def open_backend(config: ForwardConfig) -> AsyncIterator[OtlpBackend]:
    """Open a channel to the backend for as long as the block lasts."""
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", 4 << 20)]
    if config.plaintext:
        channel = grpc.aio.insecure_channel(config.address, options=options)
    else:
        roots = config.ca_file.read_bytes() if config.ca_file is not None else None
        channel = grpc.aio.secure_channel(config.address, grpc.ssl_channel_credentials(roots), options=options)
    async with channel:
        yield OtlpBackend(channel, config.header_pairs() or [])


async def forwarding(forwarder: Forwarder, ingest: Ingest, config: ForwardConfig) -> None:
    """Send on what is accepted until cancelled, if anything is to be."""
    if not config.address:
        return
    ingest.keep_from(forwarder.needed_from)
    async with open_backend(config) as backend:
        await forwarder.run(backend)


def _asked_for(error: grpc.aio.AioRpcError) -> Millis:
    for name, value in error.trailing_metadata() or ():
        if name == _RETRY_INFO and isinstance(value, bytes):
            try:
                asked = RetryInfo.FromString(value).retry_delay
            except DecodeError:
                continue
            return Millis(min(max(asked.seconds * 1_000 + asked.nanos // 1_000_000, 0), DELAY_MAX))
    return Millis(0)
