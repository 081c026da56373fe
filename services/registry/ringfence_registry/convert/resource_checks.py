"""What requests about tools, external systems and boundaries have in common, judged in one place."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1 import tool_pb2
from ringfence_kit.events import Revision
from ringfence_kit.names import ID_PATTERN, is_resource_id, parse_namespace
from ringfence_kit.validation import Violations
from ringfence_kit.wire import page_arguments, to_timestamp

from ringfence_registry.model import Owner, RiskTier
from ringfence_registry.resources.patches import Patch
from ringfence_registry.resources.reading import ListQuery
from ringfence_registry.resources.switches import Switch, SwitchState
from ringfence_registry.resources.watching import WatchQuery

T = TypeVar("T")

EVERY_NAMESPACE = "-"
"""AIP-159: the wildcard in `namespaces/-`."""

LABEL_SHAPE = "of a letter, then letters, digits or -, lower case (RFC 1034), at most 63 characters"
_CONTACT = re.compile(r"[^\s@]+@[^\s@]+|[A-Za-z][A-Za-z0-9+.-]*:\S+")

SWITCH_STATES = {
    SwitchState.ENABLED: tool_pb2.SWITCH_STATE_ENABLED,
    SwitchState.DISABLED: tool_pb2.SWITCH_STATE_DISABLED,
}
RISK_TIERS: Mapping[int, RiskTier] = {pb.RiskTier.Value(f"RISK_TIER_{tier.value}"): tier for tier in RiskTier}

Check: TypeAlias = Callable[[Violations, Any], Any]
"""Judges one field of a message and returns its value."""


class Listing(Protocol):
    """A List request."""

    parent: str
    filter: str
    page_size: int
    page_token: str


class Watching(Protocol):
    """A Watch request."""

    parent: str
    start_revision: int
    send_initial_state: bool


class Turning(Protocol):
    """A request to switch something off or on."""

    name: str
    reason: str
    etag: str
    request_id: str


class Deleting(Protocol):
    """A request to delete something."""

    name: str
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Generic[T]):
    """What somebody wants switched, and why."""

    name: T
    reason: str
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Generic[T]):
    """What somebody wants deleted."""

    name: T
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Naming(Generic[T]):
    """How one kind of resource is named."""

    parse: Callable[[str], T | None]
    shape: str

    def read(self, found: Violations, value: str, field: str = "name") -> T | None:
        """Return the name in `value`, or report that it is none."""
        return found.resource_name(value, field, self.parse, shape=self.shape)

    def only(self, value: str) -> T:
        """Return the name that is all a request says."""
        found = Violations()
        return found.ok(self.read(found, value))

    def turn(self, request: Turning) -> Turn[T]:
        """Return what is to be switched."""
        found = Violations()
        name = self.read(found, request.name)
        reason = found.text(request.reason, "reason", max_bytes=500)
        etag, request_id = found.etag(request.etag), found.request_id(request.request_id)
        return Turn(name=found.ok(name), reason=reason, etag=etag, request_id=request_id)

    def delete(self, request: Deleting) -> Delete[T]:
        """Return what is to be deleted."""
        found = Violations()
        name = self.read(found, request.name)
        etag, request_id = found.etag(request.etag), found.request_id(request.request_id)
        return Delete(name=found.ok(name), etag=etag, request_id=request_id)

    def each(self, found: Violations, values: Collection[str], field: str, *, max_items: int) -> tuple[str, ...]:
        """Check names of other resources; return them as they are."""
        for path, value in found.items(list(values), field, max_items=max_items):
            self.read(found, value, path)
        found.distinct(list(values)[:max_items], field)
        return tuple(values)


def namespace(found: Violations, value: str) -> str | None:
    """Return the id of the namespace something is to be made in."""
    return found.resource_name(value, "parent", parse_namespace, shape="namespaces/{namespace}")


def list_query(request: Any) -> ListQuery:
    """Return what a List asks for. The filter and the page token are judged where they are used."""
    found = Violations()
    parent, page_size = _parent(found, request.parent), found.page_size(request.page_size)
    return ListQuery(
        namespace=_unless_every(found.ok(parent)),
        filter=request.filter,
        page_size=page_size,
        page_token=request.page_token,
        arguments=page_arguments(request),
    )


def watch_query(request: Watching) -> WatchQuery:
    """Return what a Watch asks for."""
    found = Violations()
    parent, start = _parent(found, request.parent), request.start_revision
    if start < 0:
        found.add("start_revision", "must not be negative")
    if start > 0 and request.send_initial_state:
        found.add("start_revision", "must be 0 with send_initial_state: the state stands at one revision, the newest")
    return WatchQuery(
        namespace=_unless_every(found.ok(parent)),
        start_revision=Revision(start) if start else None,
        send_initial_state=request.send_initial_state,
    )


def _parent(found: Violations, value: str) -> str | None:
    def parse(text: str) -> str | None:
        return EVERY_NAMESPACE if text == f"namespaces/{EVERY_NAMESPACE}" else parse_namespace(text)

    return found.resource_name(value, "parent", parse, shape="namespaces/{namespace} or namespaces/-")


def _unless_every(parent: str) -> str | None:
    return None if parent == EVERY_NAMESPACE else parent


# Fields


def text(field: str, *, max_bytes: int, multiline: bool = False) -> Check:
    """Return the check of an optional text."""
    return lambda found, message: found.text(
        getattr(message, field), field, max_bytes=max_bytes, required=False, multiline=multiline
    )


def labels(found: Violations, message: Any) -> Mapping[str, str]:
    """Check the labels of a resource, or those a selector asks for."""
    return found.mapping(
        message.labels, "labels", max_entries=64, keys=ID_PATTERN, keys_shape=LABEL_SHAPE, max_value_bytes=256
    )


def identifiers(field: str, *, max_items: int) -> Check:
    """Return the check of a list of RFC 1034 labels: data classes, environments."""

    def check(found: Violations, message: Any) -> tuple[str, ...]:
        values = list(getattr(message, field))
        for path, value in found.items(values, field, max_items=max_items):
            if not is_resource_id(value):
                found.add(path, f"must have the form {LABEL_SHAPE}")
        found.distinct(values[:max_items], field)
        return tuple(values)

    return check


OWNER_CHECKS: Mapping[str, Check] = {
    "owner.display_name": lambda found, message: found.text(
        message.owner.display_name, "owner.display_name", max_bytes=200
    ),
    "owner.contact": lambda found, message: found.text(
        message.owner.contact, "owner.contact", max_bytes=320, pattern=_CONTACT, shape="of an e-mail address or a URL"
    ),
}


@dataclass(frozen=True, slots=True)
class Fields:
    """What may be said about one kind of resource: field path → its check."""

    checks: Mapping[str, Check]
    """Without the owner's, which every kind has."""

    def all(self, found: Violations, message: Message) -> dict[str, Any]:
        """Return every fact, for a resource that is to be made; `owner` is one of them."""
        facts = self._facts(found, message, frozenset({*self.checks, *OWNER_CHECKS}))
        owner = Owner(display_name=facts.pop("owner.display_name"), contact=facts.pop("owner.contact"))
        return {**facts, "owner": owner}

    def masked(self, found: Violations, request: Any, resource: str) -> dict[str, Any]:
        """Return the facts of the request's field `resource` that its mask names (AIP-134), the owner's by path."""
        message: Message = getattr(request, resource)
        allowed = frozenset({*self.checks, *OWNER_CHECKS, "owner"})
        populated = _populated(message) & allowed
        fields = found.update_mask(list(request.update_mask.paths), allowed, when_empty=populated)
        if not request.update_mask.paths and not populated:
            found.add("update_mask", "names nothing to change, and nothing that may be changed is set")
        return self._facts(found.at(resource), message, fields | OWNER_CHECKS.keys() if "owner" in fields else fields)

    def _facts(self, found: Violations, message: Message, fields: frozenset[str]) -> dict[str, Any]:
        return {
            field: check(found, message) for field, check in {**self.checks, **OWNER_CHECKS}.items() if field in fields
        }


def patch_of(facts: Mapping[str, Any]) -> Patch:
    """Return the change that makes these facts different."""
    return Patch(
        facts={name: value for name, value in facts.items() if name not in OWNER_CHECKS},
        owner_display_name=facts.get("owner.display_name"),
        owner_contact=facts.get("owner.contact"),
    )


def _populated(message: Any) -> frozenset[str]:
    said = {descriptor.name for descriptor, _ in message.ListFields()} - {"owner"}
    return frozenset(said | {f"owner.{descriptor.name}" for descriptor, _ in message.owner.ListFields()})


# Messages


def owner_message(owner: Owner) -> pb.Owner:
    """Return an owner's message."""
    return pb.Owner(display_name=owner.display_name, contact=owner.contact)


def switch_change(switch: Switch) -> tool_pb2.SwitchChange | None:
    """Return who switched something last, None when nobody did."""
    if switch.last is None:
        return None
    return tool_pb2.SwitchChange(
        reason=switch.last.reason, actor=switch.last.actor, change_time=to_timestamp(switch.last.at)
    )
