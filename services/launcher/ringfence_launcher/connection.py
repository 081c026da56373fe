"""How commands speak to the services: the public client's channels, with every failure explained.

A command asks for a channel and gives it to the generated stub; nothing else stands between it and the API:

    agents = RegistryServiceStub(mesh.channel("registry"))
    agent = agents.GetAgent(GetAgentRequest(name=…)).agent

A call that fails raises a `Problem` that says what to do, so commands need no error handling of their own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Self

import grpc
from ringfence.channel import ChannelOptions, open_channel
from ringfence.credentials import ChannelError
from ringfence.errors import RingfenceError
from ringfence.retry import RetryPolicy

from ringfence_launcher.endpoints import Endpoints, Sourced, refuse_plaintext_secrets
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem
from ringfence_launcher.service_errors import problem_of


class Mesh:
    """The services as one command line reaches them. Use it in a `with` block: leaving it closes every channel."""

    def __init__(self, endpoints: Endpoints, *, timeout: float) -> None:
        self.endpoints = endpoints
        self.timeout = timeout
        """Seconds a single answer may take; streams may last."""
        self._channels: dict[tuple[str, bool], grpc.Channel] = {}
        self._open = ExitStack()

    def channel(self, service: str, *, anonymous: bool = False) -> grpc.Channel:
        """Return the channel to a service; it connects at the first call. Anonymous, it shows no token."""
        key = (service, anonymous)
        if key not in self._channels:
            self._channels[key] = self._connect(service, anonymous=anonymous)
        return self._channels[key]

    def _connect(self, service: str, *, anonymous: bool) -> grpc.Channel:
        address = self.endpoints.address(service)
        token = None if anonymous else self.endpoints.token(address.value)
        tls = self.endpoints.tls()
        refuse_plaintext_secrets(address.value, token=token, tls=tls)
        shown = None if token is None else token.value
        options = ChannelOptions(tls=tls, token=shown, retry=RetryPolicy(timeout=self.timeout))
        try:
            channel = self._open.enter_context(open_channel(address.value, options))
        except ChannelError as error:
            raise Problem(
                str(error), code=ExitCode.CONFIGURATION, mend="check --tls-ca, --tls-cert, --tls-key and --token"
            ) from error
        return grpc.intercept_channel(channel, _Explained(service, address))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


class _Explained(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Turns what the client raises into what a person can act on. It knows where the call went."""

    def __init__(self, service: str, address: Sourced) -> None:
        self._service = service
        self._address = address

    def intercept_unary_unary(
        self, continuation: Callable[[Any, Any], Any], client_call_details: Any, request: Any
    ) -> Any:
        """Make one call."""
        call = continuation(client_call_details, request)
        if isinstance(error := call.exception(), RingfenceError):
            raise problem_of(error, service=self._service, address=self._address) from None
        return call

    def intercept_unary_stream(
        self, continuation: Callable[[Any, Any], Any], client_call_details: Any, request: Any
    ) -> Any:
        """Open one stream."""
        return self._answers(continuation(client_call_details, request))

    def _answers(self, stream: Any) -> Iterator[Any]:
        try:
            yield from stream
        except RingfenceError as error:
            raise problem_of(error, service=self._service, address=self._address) from None
        finally:
            stream.cancel()
