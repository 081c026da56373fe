"""Between what people type and read, and what the protos hold: enum values, times, names.

`RISK_TIER_LOW` is typed and shown as `low`; `namespaces/demo/agents/analyst` may be typed `demo/analyst`.
"""

import datetime as dt
import enum
import re
from collections.abc import Sequence
from typing import Any, Protocol

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName, is_resource_id

_PERIOD = re.compile(r"(?P<count>[1-9][0-9]{0,5})(?P<unit>[smhd])")  # 999999d from now is still a date
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


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
