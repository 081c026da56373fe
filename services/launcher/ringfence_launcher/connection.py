"""How commands speak to the services: one channel a service, with credentials, a deadline, and errors explained.

A command asks for a channel and gives it to the generated stub; nothing else stands between it and the API:

    agents = RegistryServiceStub(mesh.channel("registry"))
    agent = agents.GetAgent(GetAgentRequest(name=…)).agent

A call that fails raises a `Problem` that says what to do, so commands need no error handling of their own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple, Self

import grpc

from ringfence_launcher.endpoints import Endpoints, Sourced, TlsFiles, refuse_plaintext_secrets
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem
from ringfence_launcher.service_errors import problem_of

_CHANNEL_OPTIONS = [
    ("grpc.enable_retries", 0),  # a person decides about trying again, and sees why at once
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_metadata_size", 16 * 1024),  # error details with many violations
]


class Mesh:
    """The services as one command line reaches them. Use it in a `with` block: leaving it closes every channel."""

    def __init__(self, endpoints: Endpoints, *, timeout: float) -> None:
        self.endpoints = endpoints
        self.timeout = timeout
        """Seconds a single answer may take; streams may last."""
        self._channels: dict[str, grpc.Channel] = {}
        self._open = ExitStack()

    def channel(self, service: str) -> grpc.Channel:
        """Return the channel to a service; it connects at the first call."""
        if service not in self._channels:
            self._channels[service] = self._connect(service)
        return self._channels[service]

    def _connect(self, service: str) -> grpc.Channel:
        address = self.endpoints.address(service)
        token, tls = self.endpoints.token(address.value), self.endpoints.tls()
        refuse_plaintext_secrets(address.value, token=token, tls=tls)
        channel = self._open.enter_context(open_channel(address.value, tls))
        return grpc.intercept_channel(channel, _Caller(service, address, token=token, timeout=self.timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


def open_channel(address: str, tls: TlsFiles | None) -> grpc.Channel:
    """Return a bare channel: TLS when there are files for it, plaintext otherwise."""
    if tls is None:
        return grpc.insecure_channel(address, _CHANNEL_OPTIONS)
    ca, key, cert = (None if path is None else _read_pem(path) for path in (tls.ca, tls.key, tls.cert))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, cert), _CHANNEL_OPTIONS)


def _read_pem(path: Any) -> bytes:
    try:
        return bytes(path.read_bytes())
    except OSError as error:
        raise Problem(
            f"{path} cannot be read: {error.strerror}",
            code=ExitCode.CONFIGURATION,
            mend="check --tls-ca, --tls-cert and --tls-key, or their RINGFENCE_TLS_… variables",
        ) from error


class _CallDetails(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _Caller(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the token and a deadline to every call, and explains the errors."""

    def __init__(self, service: str, address: Sourced, *, token: Sourced | None, timeout: float) -> None:
        self._service = service
        self._address = address
        self._metadata = [] if token is None else [("authorization", f"Bearer {token.value}")]
        self._timeout = timeout

    def intercept_unary_unary(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        """Make one call."""
        call = continuation(self._details(details, self._timeout), request)
        if (error := call.exception()) is not None:
            raise problem_of(error, service=self._service, address=self._address) from None
        return call

    def intercept_unary_stream(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        """Open one stream."""
        return self._explained(continuation(self._details(details, None), request))

    def _explained(self, stream: Any) -> Iterator[Any]:
        try:
            yield from stream
        except grpc.RpcError:
            raise problem_of(stream, service=self._service, address=self._address) from None
        finally:
            stream.cancel()

    def _details(self, details: Any, timeout: float | None) -> _CallDetails:
        return _CallDetails(
            method=details.method,
            timeout=timeout if details.timeout is None else details.timeout,
            metadata=[*(details.metadata or ()), *self._metadata],
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
            compression=details.compression,
        )
