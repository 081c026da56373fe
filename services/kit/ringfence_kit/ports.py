"""One gRPC port of a service, from its faces to its handlers, with health, reflection and channelz beside them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from grpc_channelz.v1._async import ChannelzServicer
from grpc_channelz.v1.channelz_pb2_grpc import add_ChannelzServicer_to_server
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha._async import ReflectionServicer
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

from ringfence_kit import health
from ringfence_kit.callers import Role
from ringfence_kit.errors import MethodUnknown
from ringfence_kit.grants import Grant, Grants, MethodClass
from ringfence_kit.health import Health
from ringfence_kit.methods import Handler, Method, handlers_of, served_method
from ringfence_kit.metrics import Metrics
from ringfence_kit.service import Face, Listener, Service
from ringfence_kit.wire_server import UNKNOWN

REFLECTION = "grpc.reflection.v1alpha.ServerReflection"
REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
"""The same messages under the name newer tools ask for first."""

_OPERATORS = Grant.to(Role.PLATFORM_ADMIN, Role.AUDITOR, does=MethodClass.READ)
_REFLECT = {"ServerReflectionInfo": Grant.open(does=MethodClass.STREAM)}

INFRASTRUCTURE_GRANTS = (
    # Open, because probes carry no credential, and they learn no more than that we run.
    Grants.of(
        health.NAME,
        {
            "Check": Grant.open(does=MethodClass.READ),
            "List": Grant.open(does=MethodClass.READ),
            "Watch": Grant.open(does=MethodClass.STREAM),
        },
    )
    # Open, because the contract is public; server.reflection = false leaves it out.
    | Grants.of(REFLECTION, _REFLECT)
    | Grants.of(REFLECTION_V1, _REFLECT)
    # Not open: it names every peer.
    | Grants.of(
        "grpc.channelz.v1.Channelz",
        dict.fromkeys(
            (
                "GetTopChannels",
                "GetServers",
                "GetServer",
                "GetServerSockets",
                "GetChannel",
                "GetSubchannel",
                "GetSocket",
            ),
            _OPERATORS,
        ),
    )
)


class Port(NamedTuple):
    """What is served on a port."""

    methods: Sequence[Method]
    health: Health


def check_grants(service: Service) -> None:
    """Raise ValueError unless the service's table has a row for each method it serves, and no other."""
    served = [path for listener in service.listeners for face in listener.faces for path in handlers_of(face)]
    mismatch = service.grants.mismatch(served)
    if mismatch:
        raise ValueError(f"the grants of {service.name} do not fit what it serves: {mismatch}")


def port_of(
    service: Service, listener: Listener, *, max_request_bytes: int, reflection: bool, metrics: Metrics
) -> Port:
    """Put together everything one port serves."""
    handlers: dict[str, Handler] = {}
    readers: dict[str, Callable[[bytes], Any]] = {}
    for face in listener.faces:
        served = handlers_of(face)
        handlers.update(served)
        readers.update(
            (path, face.readers[name]) for path in served if (name := path.rpartition("/")[2]) in face.readers
        )
    names = sorted({path.split("/")[1] for path in handlers})
    beside = Health(names)
    infrastructure = _infrastructure(beside, names, reflection=reflection, channelz=not listener.fast)
    methods = [
        served_method(
            path,
            handler,
            service=service.name,
            grant=service.grants[path],
            max_request_bytes=max_request_bytes,
            metrics=metrics,
            traced=True,
            always=False,
            decode=readers.get(path),
        )
        for path, handler in handlers.items()
    ]
    methods += [
        served_method(
            path,
            handler,
            service=service.name,
            grant=INFRASTRUCTURE_GRANTS[path],
            max_request_bytes=max_request_bytes,
            metrics=metrics,
            traced=False,
            always=True,
        )
        for path, handler in infrastructure.items()
    ]
    return Port(methods, beside)


def _infrastructure(beside: Health, names: Sequence[str], *, reflection: bool, channelz: bool) -> Mapping[str, Handler]:
    handlers = dict(handlers_of(Face(add_HealthServicer_to_server, beside)))
    if channelz:
        # What gRPC core knows of its own connections; it has none on a port it does not serve.
        handlers |= handlers_of(Face(add_ChannelzServicer_to_server, ChannelzServicer()))
    if reflection:
        described = (*names, health.NAME, REFLECTION)
        face = Face(add_ServerReflectionServicer_to_server, ReflectionServicer(described))
        for path, handler in handlers_of(face).items():
            handlers[path] = handlers[path.replace(REFLECTION, REFLECTION_V1)] = handler
    return handlers


def unknown_method(service: str, metrics: Metrics) -> Method:
    """Return what answers calls of methods that are not served; all of them are counted as one."""

    async def refuse(_requests: object, _context: object) -> bytes:
        raise MethodUnknown

    return Method(
        path=f"/{UNKNOWN}",
        grant=Grant.open(does=MethodClass.READ),
        behavior=refuse,
        decode=None,
        encode=None,
        request_streaming=True,
        response_streaming=False,
        max_request_bytes=0,
        meter=metrics.meter(service, UNKNOWN, is_stream=True),
        traced=False,
        always=True,
    )
