"""Between what people type and read, and what the protos hold: enum values, times, names.

`RISK_TIER_LOW` is typed and shown as `low`; `namespaces/demo/agents/analyst` may be typed `demo/analyst`.
"""

import datetime as dt
import enum
import re
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import typer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.registry.v1.registry_pb2 import Owner
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName, is_resource_id

_PERIOD = re.compile(r"(?P<count>[1-9][0-9]{0,5})(?P<unit>[smhd])")  # 999999d from now is still a date
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TOOL_ID = re.compile(r"[a-z0-9._-]{1,128}", re.ASCII)


MessageT = TypeVar("MessageT", bound=Message)


class ProtoEnum(Protocol):
    """A generated enum, such as `RiskTier`."""

    @property
    def DESCRIPTOR(self) -> Any:  # noqa: N802 - the generated code's name
        """Return its descriptor."""
        ...


def word(kind: ProtoEnum, number: int) -> str:
    """Return an enum value as people read it: `low`, `ring insufficient`; an unknown one as its number."""
    value = kind.DESCRIPTOR.values_by_number.get(number)
    return "" if number == 0 else _bare(kind, value.name) if value else str(number)


def code_word(kind: ProtoEnum, number: int) -> str:
    """Return an enum value as a code to search for: `RING_INSUFFICIENT`."""
    return word(kind, number).upper().replace(" ", "_")


def number(kind: ProtoEnum, chosen: enum.StrEnum | None) -> Any:
    """Return the proto enum's number for a typed word whose Python name is the value's without its prefix."""
    if chosen is None:
        return 0
    return kind.DESCRIPTOR.values_by_name[f"{_prefix(kind)}{chosen.name}"].number


def time_text(moment: Timestamp) -> str:
    """Return a time in RFC 3339 to the second; empty when it is not set."""
    return seconds_text(moment.seconds) if moment.seconds or moment.nanos else ""


def seconds_text(seconds: int) -> str:
    """Return seconds since 1970 in RFC 3339; the number itself when no calendar reaches that far."""
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def instant(moment: Timestamp) -> Instant:
    """Return a time as the kit counts it. One no calendar knows is still a number."""
    return Instant(moment.seconds * 1_000 + moment.nanos // 1_000_000)


def moment(text: str, *, option: str) -> Timestamp | None:
    """Return a time typed in RFC 3339 with its offset, None when none is typed; or end with a usage error."""
    if not text:
        return None
    try:
        typed = dt.datetime.fromisoformat(text)
        if typed.tzinfo is not None:
            return _timestamp(typed)
    except (ValueError, OverflowError):
        pass  # the sentence below says what is wanted, whatever was typed
    raise typer.BadParameter(f"{option} {text!r}: write a time with its offset, such as 2026-01-31T08:00:00Z")


def period(text: str, *, option: str) -> dt.timedelta:
    """Return a period typed as `90s`, `45m`, `12h` or `7d`; or end with a usage error."""
    typed = _PERIOD.fullmatch(text)
    if typed is None:
        raise typer.BadParameter(f"{option} {text!r}: write a number and s, m, h or d, such as 12h")
    return dt.timedelta(**{_UNITS[typed["unit"]]: int(typed["count"])})


def duration(text: str, *, option: str) -> Duration | None:
    """Return a period as the protos hold it, None when none is typed; or end with a usage error."""
    if not text:
        return None
    made = Duration()
    made.FromTimedelta(period(text, option=option))
    return made


def duration_text(length: Duration) -> str:
    """Return a length of time as people type it: `90s`, `12h`; empty when it is not set."""
    if not length.seconds and not length.nanos:
        return ""
    if length.nanos:
        return f"{length.seconds + length.nanos / 1e9:g}s"
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if length.seconds % seconds == 0:
            return f"{length.seconds // seconds}{unit}"
    return f"{length.seconds}s"


def from_now(text: str, *, option: str) -> Timestamp:
    """Return the end of a period that begins now; or end with a usage error."""
    return _timestamp(dt.datetime.now(dt.UTC) + period(text, option=option))


def agent_name(text: str) -> str:
    """Return the resource name of an agent typed as `namespace/agent` or in full, or end with a usage error."""
    match text.split("/"):
        case [namespace, agent] if is_resource_id(namespace) and is_resource_id(agent):
            return str(AgentName(namespace, agent))
    if AgentName.parse(text) is None:
        raise typer.BadParameter(f"{text!r} is not an agent's name; write NAMESPACE/AGENT, in lower case")
    return text


def split_agent_name(text: str) -> tuple[str, str]:
    """Return parent and id of an agent, as the methods that create one take them."""
    parent, _, agent = agent_name(text).rpartition("/agents/")
    return parent, agent


def revision_name(agent: str, revision: str) -> str:
    """Return the resource name of a revision of an agent, given by its number or an alias."""
    typed = revision.rpartition("/revisions/")[2]
    if not (typed.isascii() and typed.isdigit()) and not is_resource_id(typed):
        raise typer.BadParameter(f"{revision!r} is not a revision; write its number, or an alias such as stable")
    return f"{agent_name(agent)}/revisions/{typed}"


def tool_name(text: str) -> str:
    """Return the resource name of a tool typed as its id, as `namespace/tool` or in full."""
    parts = text.removeprefix("namespaces/").replace("/tools/", "/").split("/")
    namespace, tool = ["-", *parts] if len(parts) == 1 else parts if len(parts) == 2 else ["", ""]
    if not _TOOL_ID.fullmatch(tool) or (namespace != "-" and not is_resource_id(namespace)):
        raise typer.BadParameter(f"{text!r} is not a tool; write the id agents call it by, or NAMESPACE/TOOL")
    return f"namespaces/{namespace}/tools/{tool}"


def tool_of(text: str) -> str:
    """Return the resource name of a tool that is to be, which needs its namespace."""
    name = tool_name(text)
    if name.startswith("namespaces/-/"):
        raise typer.BadParameter(f"{text!r}: say in which namespace, as NAMESPACE/TOOL")
    return name


def named(text: str, collection: str, what: str) -> str:
    """Return the resource name of a thing of a namespace, typed as `namespace/thing` or in full."""
    parts = text.removeprefix("namespaces/").replace(f"/{collection}/", "/").split("/")
    if len(parts) != 2 or not all(map(is_resource_id, parts)):
        raise typer.BadParameter(f"{text!r} is not the name of {what}; write NAMESPACE/NAME, in lower case")
    return f"namespaces/{parts[0]}/{collection}/{parts[1]}"


def system_name(text: str) -> str:
    """Return the resource name of an external system typed as `namespace/system` or in full."""
    return named(text, "externalSystems", "an external system")


def boundary_name(text: str) -> str:
    """Return the resource name of a boundary typed as `namespace/boundary` or in full."""
    return named(text, "boundaries", "a boundary")


def split_name(name: str) -> tuple[str, str]:
    """Return parent and id of a thing of a namespace, as the methods that create one take them."""
    parent, _, thing = name.rpartition("/")
    return parent.rpartition("/")[0], thing


def owner_of(text: str) -> Owner:
    """Return an owner typed as `Name <contact>`; or end with a usage error."""
    name, separator, rest = text.partition("<")
    if not separator or not rest.endswith(">") or not name.strip():
        raise typer.BadParameter(f"--owner {text!r}: write 'Name <contact>'")
    return Owner(display_name=name.strip(), contact=rest[:-1])


def merged(written: MessageT, typed: MessageT) -> MessageT:
    """Return what a file says with what was typed put over it: a field replaces the field, a list the list."""
    for field, _ in typed.ListFields():
        written.ClearField(field.name)
    written.MergeFrom(typed)
    return written


def short(name: str) -> str:
    """Return `namespace/thing` for a full resource name: what commands take."""
    match name.split("/"):
        case ["namespaces", namespace, _, thing]:
            return f"{namespace}/{thing}"
        case ["namespaces", namespace, _, thing, "revisions", revision]:
            return f"{namespace}/{thing} {revision}"
        case ["namespaces", namespace]:
            return namespace
    return name


_WHOLE_DID, _END_OF_DID = 40, 18
"""Characters up to which a DID is shown whole, and of a longer one those at its end."""


def who(agent: str) -> str:
    """Return an agent as a column shows it: of a DID the end, which tells two of one environment apart."""
    return f"…{agent[-_END_OF_DID:]}" if agent.startswith("did:") and len(agent) > _WHOLE_DID else agent


def counted(count: int, one: str, many: str = "") -> str:
    """Return how many there are: `1 rule`, `1,200 rules`; `many` where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def unpriced(calls: int) -> str:
    """Return the note on calls whose models have no price, and what to do about it."""
    return f"no price is known for {counted(calls, 'call')}: ringfence usage prices put FILE"


def namespace_name(text: str) -> str:
    """Return the resource name of a namespace typed as its id or in full; `-` means all."""
    name = text.removeprefix("namespaces/")
    if name != "-" and not is_resource_id(name):
        raise typer.BadParameter(f"{text!r} is not a namespace; write its id in lower case, or - for all")
    return f"namespaces/{name}"


def sponsor_name(text: str) -> str:
    """Return the resource name of a sponsor typed as its id or in full."""
    name = text.removeprefix("sponsors/")
    if not is_resource_id(name):
        raise typer.BadParameter(f"{text!r} is not a sponsor's name; write its id in lower case")
    return f"sponsors/{name}"


def pairs(given: Sequence[str] | None, *, option: str) -> dict[str, str]:
    """Return `key=value` arguments as a dictionary."""
    found: dict[str, str] = {}
    for text in given or ():
        key, separator, value = text.partition("=")
        if not separator or not key or key in found:
            raise typer.BadParameter(f"{option} {text!r}: write KEY=VALUE, each key once")
        found[key] = value
    return found


def _timestamp(time: dt.datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(time)
    return made


def _bare(kind: ProtoEnum, name: str) -> str:
    return name.removeprefix(_prefix(kind)).lower().replace("_", " ")


def _prefix(kind: ProtoEnum) -> str:
    """Return what every value's name starts with (buf ENUM_VALUE_PREFIX): `RISK_TIER_`."""
    zero: str = kind.DESCRIPTOR.values_by_number[0].name
    return zero.removesuffix("UNSPECIFIED")
