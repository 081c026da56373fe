"""Tools between messages and model. A schema has failures of its own, and is read after the rest was found in order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1 import tool_pb2 as pb
from ringfence_kit import records
from ringfence_kit.clock import HOUR, MINUTE, Instant, Millis
from ringfence_kit.events import Bookmark, Change, Event
from ringfence_kit.state_watch import Standing, StateComplete, StateWatchItem
from ringfence_kit.validation import Violations
from ringfence_kit.wire import page_arguments, to_timestamp

from ringfence_registry.convert import resource_checks as checks
from ringfence_registry.convert.resource_checks import SWITCH_STATES, Fields, Naming, patch_of
from ringfence_registry.resources.names import TOOL_ID, ExternalSystemName, ToolName
from ringfence_registry.resources.reading import Listed
from ringfence_registry.tools.amendment import ToolPatch, UpdatedTool
from ringfence_registry.tools.model import (
    ArgumentType,
    CostHint,
    FailureBehaviour,
    RetryPolicy,
    SideEffect,
    Tool,
    ToolProtocol,
    ToolRevision,
    ToolSpec,
)
from ringfence_registry.tools.reading import RevisionList, RevisionQuery
from ringfence_registry.tools.registration import NewTool
from ringfence_registry.tools.schemas import read_schemas

_PROTOCOL_OF = {each: pb.ToolProtocol.Value(f"TOOL_PROTOCOL_{each.value}") for each in ToolProtocol}
_SIDE_EFFECT_OF = {each: pb.SideEffect.Value(f"SIDE_EFFECT_{each.value}") for each in SideEffect}
_BEHAVIOUR_OF = {each: pb.FailureBehaviour.Value(f"FAILURE_BEHAVIOUR_{each.value}") for each in FailureBehaviour}
_PROTOCOLS: Mapping[int, ToolProtocol] = {number: each for each, number in _PROTOCOL_OF.items()}
_SIDE_EFFECTS: Mapping[int, SideEffect] = {number: each for each, number in _SIDE_EFFECT_OF.items()}
_BEHAVIOURS: Mapping[int, FailureBehaviour] = {number: each for each, number in _BEHAVIOUR_OF.items()}
_ARGUMENT_TYPE_OF = {each: pb.ArgumentType.Value(f"ARGUMENT_TYPE_{each.value}") for each in ArgumentType}
_ARGUMENT_TYPES: Mapping[int, ArgumentType] = {number: each for each, number in _ARGUMENT_TYPE_OF.items()}

CHANGES = {
    Change.ADDED: registry_pb2.WATCH_EVENT_TYPE_ADDED,
    Change.MODIFIED: registry_pb2.WATCH_EVENT_TYPE_MODIFIED,
    Change.DELETED: registry_pb2.WATCH_EVENT_TYPE_DELETED,
}

TOOL = Naming(ToolName.parse, "namespaces/{namespace}/tools/{tool}")
SYSTEM = Naming(ExternalSystemName.parse, "namespaces/{namespace}/externalSystems/{system}")

_ANYWHERE = "namespaces/-/tools/"
_CURRENCY = re.compile(r"[A-Z]{3}")
_POINTER = re.compile(r"(?:/(?:[^~/\x00-\x1f]|~[01])+){1,32}")  # RFC 6901 3; the whole of the arguments has no type
_POINTER_BYTES_MAX = 256
_ARGUMENTS_MAX = 64
_INT64_MAX = 2**63 - 1
_SCHEMAS = frozenset({"input_schema", "output_schema"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTool:
    """What a GetToolRequest asks for."""

    tool_id: str
    name: ToolName | None
    """None asks for the tool of this id wherever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterTool:
    """What a RegisterToolRequest asks for."""

    tool: NewTool
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTool:
    """What an UpdateToolRequest asks for."""

    name: ToolName
    patch: ToolPatch
    etag: str
    request_id: str


def register_tool(request: pb.RegisterToolRequest) -> RegisterTool:
    """Return the tool to be."""
    found = Violations()
    namespace = checks.namespace(found, request.parent)
    tool_id = found.text(request.tool_id, "tool_id", max_bytes=128, pattern=TOOL_ID, shape="[a-z0-9._-]")
    facts = _FIELDS.all(found.at("tool"), request.tool)
    request_id = found.request_id(request.request_id)
    name = ToolName(found.ok(namespace), tool_id)
    schema = read_schemas(facts.pop("input_schema"), facts.pop("output_schema"), facts.get("description", ""))
    return RegisterTool(tool=NewTool(name=name, spec=ToolSpec(**facts, schema=schema)), request_id=request_id)


def get_tool(request: pb.GetToolRequest) -> GetTool:
    """Return the tool that is asked for; in no namespace when it is asked for wherever it is."""
    found = Violations()

    def parse(text: str) -> GetTool | None:
        tool_id, name = text.removeprefix(_ANYWHERE), ToolName.parse(text)
        if tool_id != text and TOOL_ID.fullmatch(tool_id):
            return GetTool(tool_id=tool_id, name=None)
        return None if name is None else GetTool(tool_id=name.tool, name=name)

    return found.ok(found.resource_name(request.name, "name", parse, shape=f"{TOOL.shape} or {_ANYWHERE}{{tool}}"))


def update_tool(request: pb.UpdateToolRequest) -> UpdateTool:
    """Return the change that is asked for. A tool sent with its etag, as it was read, need not repeat it beside."""
    found = Violations()
    name = TOOL.read(found, request.tool.name, "tool.name")
    facts = _FIELDS.masked(found, request, "tool")
    etag = found.etag(request.etag) or found.etag(request.tool.etag, "tool.etag")
    request_id = found.request_id(request.request_id)
    named = found.ok(name)
    schemas = {field: facts.pop(field) for field in _SCHEMAS & facts.keys()}
    # Judged here, though the half that stays is only known later: one schema is valid or not whatever the other says.
    read_schemas(schemas.get("input_schema", "{}"), schemas.get("output_schema", ""))
    return UpdateTool(name=named, patch=ToolPatch(spec=patch_of(facts), **schemas), etag=etag, request_id=request_id)


def list_revisions(request: pb.ListToolRevisionsRequest) -> RevisionQuery:
    """Return whose schemas are to be listed."""
    found = Violations()
    name, page_size = TOOL.read(found, request.parent, "parent"), found.page_size(request.page_size)
    return RevisionQuery(
        tool=found.ok(name),
        page_size=page_size,
        page_token=request.page_token,
        arguments=page_arguments(request),
    )


def _input_schema(found: Violations, tool: pb.Tool) -> str:
    if not tool.input_schema:
        found.add("input_schema", "must not be empty; {} takes anything")
    return tool.input_schema


def _permissions(found: Violations, tool: pb.Tool) -> tuple[str, ...]:
    for path, value in found.items(tool.required_permissions, "required_permissions", max_items=32):
        found.text(value, path, max_bytes=200)
    found.distinct(list(tool.required_permissions)[:32], "required_permissions")
    return tuple(tool.required_permissions)


def _timeout(found: Violations, tool: pb.Tool) -> Millis | None:
    if not tool.HasField("timeout"):
        return None
    return found.duration(tool.timeout, "timeout", minimum=Millis(1), maximum=Millis(HOUR))


def _retry(found: Violations, tool: pb.Tool) -> RetryPolicy | None:
    if not tool.HasField("retry"):
        return None
    at, retry = found.at("retry"), tool.retry
    backoff = None
    if retry.HasField("initial_backoff"):
        backoff = at.duration(retry.initial_backoff, "initial_backoff", minimum=Millis(0), maximum=Millis(MINUTE))
    attempts = at.integer(retry.max_attempts, "max_attempts", minimum=0, maximum=10)
    return RetryPolicy(max_attempts=attempts, initial_backoff=backoff, idempotent=retry.idempotent)


def _cost_hint(found: Violations, tool: pb.Tool) -> CostHint | None:
    if not tool.HasField("cost_hint"):
        return None
    at, hint = found.at("cost_hint"), tool.cost_hint
    return CostHint(
        micros_per_call=at.integer(hint.micros_per_call, "micros_per_call", minimum=0, maximum=_INT64_MAX),
        currency=at.text(hint.currency, "currency", max_bytes=3, pattern=_CURRENCY, shape="of three capital letters"),
    )


def _argument_types(found: Violations, tool: pb.Tool) -> Mapping[str, ArgumentType]:
    if len(tool.argument_types) > _ARGUMENTS_MAX:
        count = len(tool.argument_types)
        found.add("argument_types", f"has {count} entries; at most {_ARGUMENTS_MAX} are allowed")
        return {}
    types = {}
    for pointer, number in sorted(tool.argument_types.items()):
        # A key goes into the field's path, so it is only named when it is sound.
        if len(pointer.encode()) > _POINTER_BYTES_MAX or _POINTER.fullmatch(pointer) is None:
            found.add(
                "argument_types", f"keys must be JSON Pointers, e.g. /query, of at most {_POINTER_BYTES_MAX} bytes"
            )
            continue
        types[pointer] = found.enum(number, f"argument_types[{pointer}]", _ARGUMENT_TYPES)
    return {pointer: each for pointer, each in types.items() if each is not None}


_FIELDS = Fields(
    {
        "display_name": checks.text("display_name", max_bytes=200),
        "description": checks.text("description", max_bytes=4_096, multiline=True),
        "version": checks.text("version", max_bytes=100),
        "protocol": lambda found, tool: found.enum(tool.protocol, "protocol", _PROTOCOLS),
        "input_schema": _input_schema,
        "output_schema": lambda _, tool: tool.output_schema,
        "side_effect": lambda found, tool: found.enum(tool.side_effect, "side_effect", _SIDE_EFFECTS),
        "data_classes": checks.identifiers("data_classes", max_items=32),
        "required_permissions": _permissions,
        "timeout": _timeout,
        "retry": _retry,
        "failure_behaviour": lambda found, tool: found.enum(
            tool.failure_behaviour, "failure_behaviour", _BEHAVIOURS, default=FailureBehaviour.FAIL_CLOSED
        ),
        "cost_hint": _cost_hint,
        "external_systems": lambda found, tool: SYSTEM.each(
            found, tool.external_systems, "external_systems", max_items=16
        ),
        "labels": checks.labels,
        "argument_types": _argument_types,
        "external_sink": lambda _, tool: tool.external_sink,
    }
)


# Messages


def tool_message(tool: Tool, now: Instant | None = None) -> pb.Tool:
    """Return a tool's message as of `now`; without it, as it was at its last change, with until when that holds."""
    spec, reach = tool.spec, tool.reach
    return pb.Tool(
        name=str(tool.name),
        uid=tool.uid,
        display_name=spec.display_name,
        description=spec.description,
        version=spec.version,
        protocol=_PROTOCOL_OF[spec.protocol],
        input_schema=spec.schema.input,
        output_schema=spec.schema.output,
        schema_hash=spec.schema.hash,
        side_effect=_SIDE_EFFECT_OF[spec.side_effect],
        data_classes=spec.data_classes,
        required_permissions=spec.required_permissions,
        timeout=_duration(spec.timeout),
        retry=_retry_message(spec.retry),
        failure_behaviour=_BEHAVIOUR_OF[spec.failure_behaviour],
        cost_hint=_cost_message(spec.cost_hint),
        owner=checks.owner_message(spec.owner),
        external_systems=spec.external_systems,
        labels=spec.labels,
        state=SWITCH_STATES[tool.switch.state],
        last_switch=checks.switch_change(tool.switch),
        revision=f"{tool.name}/revisions/{tool.schema_number}",
        external_systems_trusted=reach.trusted if now is None else reach.trusted_at(now),
        trust_expire_time=None if reach.until is None else to_timestamp(reach.until),
        etag=tool.etag,
        create_time=to_timestamp(tool.created_at),
        update_time=to_timestamp(tool.updated_at),
        argument_types={pointer: _ARGUMENT_TYPE_OF[each] for pointer, each in spec.argument_types.items()},
        external_sink=spec.external_sink,
    )


def registered(tool: Tool, now: Instant, *, validate_only: bool) -> pb.RegisterToolResponse:
    """Return the new tool; what would be one has neither uid nor etag yet (AIP-163)."""
    message = tool_message(tool, now)
    if validate_only:
        message.ClearField("uid")
        message.ClearField("etag")
    return pb.RegisterToolResponse(tool=message)


def updated(update: UpdatedTool, now: Instant, *, validate_only: bool) -> pb.UpdateToolResponse:
    """Return the changed tool; what it would be has no etag yet."""
    message = tool_message(update.tool, now)
    if validate_only:
        message.ClearField("etag")
    return pb.UpdateToolResponse(tool=message, unapproved_agents=update.unapproved)


def tool_list(page: Listed[Tool], now: Instant) -> pb.ListToolsResponse:
    """Return one page."""
    return pb.ListToolsResponse(
        tools=[tool_message(tool, now) for tool in page.resources], next_page_token=page.next_page_token
    )


def revision_list(page: RevisionList) -> pb.ListToolRevisionsResponse:
    """Return one page."""
    return pb.ListToolRevisionsResponse(
        revisions=[_revision_message(revision) for revision in page.revisions], next_page_token=page.next_page_token
    )


def watched(item: StateWatchItem[Tool]) -> pb.WatchToolsResponse:
    """Return one event of a watch. The message of a live event is made once for all watchers."""
    match item:
        case Event():
            return item.once(_event)
        case Bookmark():
            return _bookmark(item)
        case Standing():
            return pb.WatchToolsResponse(
                type=registry_pb2.WATCH_EVENT_TYPE_ADDED,
                revision=item.revision,
                tool=tool_message(item.resource),
                event_time=to_timestamp(item.resource.updated_at),
            )
        case StateComplete():
            bookmark = _bookmark(item)
            bookmark.initial_state_end = True
            return bookmark


def _event(event: Event) -> pb.WatchToolsResponse:
    return pb.WatchToolsResponse(
        type=CHANGES[event.change],
        revision=event.revision,
        tool=tool_message(records.decode(event.record, Tool)),
        event_time=to_timestamp(event.at),
    )


def _bookmark(item: Any) -> pb.WatchToolsResponse:
    return pb.WatchToolsResponse(
        type=registry_pb2.WATCH_EVENT_TYPE_BOOKMARK, revision=item.revision, event_time=to_timestamp(item.at)
    )


def _revision_message(revision: ToolRevision) -> pb.ToolRevision:
    return pb.ToolRevision(
        name=revision.name,
        schema_hash=revision.schema.hash,
        input_schema=revision.schema.input,
        output_schema=revision.schema.output,
        version=revision.version,
        description=revision.description,
        create_time=to_timestamp(revision.created_at),
        actor=revision.actor,
    )


def _retry_message(retry: RetryPolicy | None) -> pb.RetryPolicy | None:
    if retry is None:
        return None
    return pb.RetryPolicy(
        max_attempts=retry.max_attempts,
        initial_backoff=_duration(retry.initial_backoff),
        idempotent=retry.idempotent,
    )


def _cost_message(hint: CostHint | None) -> pb.CostHint | None:
    return None if hint is None else pb.CostHint(micros_per_call=hint.micros_per_call, currency=hint.currency)


def _duration(millis: Millis | None) -> Duration | None:
    if millis is None:
        return None
    seconds, rest = divmod(millis, 1_000)
    return Duration(seconds=seconds, nanos=rest * 1_000_000)
