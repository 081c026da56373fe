"""The contract as it is served: every method of the four services, OTLP included, and every reason they document."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from ringfence.identity.v1 import errors_pb2 as identity_errors
from ringfence.pdp.v1 import errors_pb2 as pdp_errors
from ringfence.registry.v1 import errors_pb2 as registry_errors
from ringfence.telemetry.v1 import errors_pb2 as telemetry_errors
from ringfence_kit.clock import SystemClock
from ringfence_kit.entry import load_configuration
from ringfence_kit.ids import random_ids
from ringfence_kit.methods import handlers_of
from ringfence_launcher.service_table import ENTRIES

from support.mesh.layout import SERVICES

PREFIX = "ERROR_REASON_"

REASONS: Mapping[str, frozenset[str]] = {
    service: frozenset(name.removeprefix(PREFIX) for name in errors.ErrorReason.keys())  # noqa: SIM118 - not a mapping
    for service, errors in {
        "registry": registry_errors,
        "identity": identity_errors,
        "pdp": pdp_errors,
        "telemetry": telemetry_errors,
    }.items()
}
"""Service → what its errors.proto documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc:
    """One method on one port."""

    path: str
    """`/ringfence.registry.v1.RegistryService/GetAgent`."""
    service: str
    setting: str
    """The port: `registry.listen`."""
    method: MethodDescriptor
    streams: bool
    """Whether it answers with a stream."""
    is_open: bool
    """Whether it needs no credential."""

    @property
    def name(self) -> str:
        """`RegistryService/GetAgent`."""
        return self.path.rpartition(".")[2]

    @property
    def fields(self) -> Descriptor:
        """The request's fields."""
        return self.method.input_type

    @property
    def request(self) -> type[Message]:
        """The request's class."""
        return GetMessageClass(self.method.input_type)

    @property
    def response(self) -> type[Message]:
        """The class of an answer."""
        return GetMessageClass(self.method.output_type)

    def has(self, name: str) -> bool:
        """Say whether the request has a field of this name."""
        return name in self.fields.fields_by_name

    def __str__(self) -> str:
        return self.name if self.setting == f"{self.service}.listen" else f"{self.name}@{self.setting}"


@functools.cache
def every_rpc() -> tuple[Rpc, ...]:
    """Return every method the services serve themselves, by asking them; nothing is opened for it."""
    configuration = load_configuration(
        {name: ENTRIES[name].config_kind() for name in SERVICES},
        file=None,
        environment={},
        flags={"server.dev": "true"},
    )
    return tuple(
        Rpc(
            path=path,
            service=name,
            setting=listener.setting,
            method=Default().FindMethodByName(path[1:].replace("/", ".")),
            streams=handler.response_streaming,
            is_open=service.grants[path].is_open,
        )
        for name in SERVICES
        for service in [ENTRIES[name].build(configuration, clock=SystemClock(), new_id=random_ids)]
        for listener in service.listeners
        for face in listener.faces
        for path, handler in handlers_of(face).items()
    )


def names_a_field(descriptor: Descriptor, path: str) -> bool:
    """Say whether `agent.environments[0]` and its like lead to a field of the message, or to a oneof."""
    name, _, rest = path.partition(".")
    name = name.partition("[")[0]
    field = descriptor.fields_by_name.get(name)
    if field is None:
        return name in descriptor.oneofs_by_name and not rest
    return (
        not rest or is_open_ended(field) or (field.message_type is not None and names_a_field(field.message_type, rest))
    )


def is_open_ended(field: FieldDescriptor) -> bool:
    """Say whether what is below a field is named by who sends it: maps, and JSON as protobuf has it."""
    message = field.message_type
    return message is not None and (message.GetOptions().map_entry or message.file.package == "google.protobuf")


def is_output_only(field: FieldDescriptor) -> bool:
    """Say whether only the server sets a field; what comes in there is ignored."""
    return field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
