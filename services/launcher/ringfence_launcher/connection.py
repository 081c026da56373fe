"""How commands speak to the services: the public client's channels, with every failure explained.

A command asks for a channel and gives it to the generated stub; nothing else stands between it and the API:

    agents = RegistryServiceStub(mesh.channel("registry"))
    agent = agents.GetAgent(GetAgentRequest(name=…)).agent

A call that fails raises a `Problem` that says what to do, so commands need no error handling of their own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Self, TypeVar

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from ringfence.channel import ChannelOptions, open_channel
from ringfence.credentials import ChannelError
from ringfence.errors import RingfenceError
from ringfence.retry import RetryPolicy
from ringfence.watch import Step, Watch, WatchMethod, WatchRequest
from ringfence.watch_position import WatchAnswer

from ringfence_launcher.endpoints import Endpoints, Sourced, refuse_plaintext_secrets
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem
from ringfence_launcher.service_errors import problem_of

Q = TypeVar("Q", bound=WatchRequest)
A = TypeVar("A", bound=WatchAnswer)


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
        plain = self._plain_channel(service, anonymous=anonymous)
        return grpc.intercept_channel(plain, _Explained(service, self.endpoints.address(service)))

    def watch(
        self, service: str, method: Callable[[grpc.Channel], WatchMethod[Q, A]], request: Q, *, initial_state: bool
    ) -> Iterator[Step[A]]:
        """Follow a Watch method through every break; a service that is not there to begin with is a Problem."""
        HealthStub(self.channel(service, anonymous=True)).Check(HealthCheckRequest())
        watch = Watch(method(self._plain_channel(service, anonymous=False)), request, initial_state=initial_state)
        try:
            yield from watch
        except RingfenceError as error:
            raise problem_of(error, service=service, address=self.endpoints.address(service)) from None
        finally:
            watch.close()

    def _plain_channel(self, service: str, *, anonymous: bool) -> grpc.Channel:
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
            return self._open.enter_context(open_channel(address.value, options))
        except ChannelError as error:
            raise Problem(
                str(error), code=ExitCode.CONFIGURATION, mend="check --tls-ca, --tls-cert, --tls-key and --token"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()


class _Explained(grpc.UnaryUnaryClientInterceptor):
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
