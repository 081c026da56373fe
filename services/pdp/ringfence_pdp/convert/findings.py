"""What filters look at and find, as messages: the same for decisions and for content that is scanned alone."""

import re
from collections.abc import Mapping

from ringfence.pdp.v1 import filter_pb2 as pb
from ringfence_kit.validation import Violations

from ringfence_pdp.filters.finding import ArgumentType, Finding, Origin

POINTERS_MAX = 64
POINTER_BYTES_MAX = 512

_POINTER = re.compile(r"(/([^~/]|~[01])*)*")  # RFC 6901 3

_ORIGINS: Mapping[int, Origin] = {origin.value: origin for origin in Origin}
_TYPES: Mapping[int, ArgumentType] = {one.value: one for one in ArgumentType}


def argument_origins(sent: Mapping[str, int], field: str, found: Violations) -> dict[str, Origin]:
    """Judge where arguments are said to come from, by JSON Pointer."""
    origins = {pointer: _ORIGINS.get(number) for pointer, number in _pointed(sent, field, found).items()}
    for pointer, origin in origins.items():
        if origin is None:
            found.add(f"{field}[{_shown(pointer)}]", "is not a known origin")
    return {pointer: origin for pointer, origin in origins.items() if origin is not None}


def argument_types(sent: Mapping[str, int], field: str, found: Violations) -> dict[str, ArgumentType]:
    """Judge what arguments are said to be written in, by JSON Pointer; unspecified ones are left out."""
    types = {}
    for pointer, number in _pointed(sent, field, found).items():
        known = _TYPES.get(number)
        if known is not None:
            types[pointer] = known
        elif number != pb.ARGUMENT_TYPE_UNSPECIFIED:
            found.add(f"{field}[{_shown(pointer)}]", "is not a known type of argument")
    return types


def finding_to_proto(finding: Finding) -> pb.Finding:
    """Return what was found."""
    message = pb.Finding(
        kind=pb.FindingKind.ValueType(finding.kind),
        id=finding.id,
        category=finding.category,
        severity=pb.Severity.ValueType(finding.severity),
        action=pb.FilterAction.ValueType(finding.action),
        message=_whole(finding.message),
        argument=_whole(finding.argument),
        argument_type=pb.ArgumentType.ValueType(finding.argument_type or 0),
        views=finding.views,
        start=finding.start,
        end=finding.end,
        snippet=_whole(finding.snippet),
        p_value=finding.p_value,
        ngrams=[pb.Ngram(text=_whole(one.text), weight=one.weight) for one in finding.ngrams],
        model=finding.model,
        origin=pb.Origin.ValueType(finding.origin),
    )
    for name, value in finding.frame.items():
        message.frame[_whole(name)] = _whole(value)
    return message


def _pointed(sent: Mapping[str, int], field: str, found: Violations) -> Mapping[str, int]:
    if len(sent) > POINTERS_MAX:
        found.add(field, f"has {len(sent)} entries; at most {POINTERS_MAX} are allowed")
        return {}
    kept = {}
    for pointer, number in sent.items():
        if len(pointer) > POINTER_BYTES_MAX or not _POINTER.fullmatch(pointer):
            found.add(field, f"keys must be JSON Pointers such as /to/0, at most {POINTER_BYTES_MAX} bytes")
        else:
            kept[pointer] = number
    return kept


def _shown(pointer: str) -> str:
    # As the path of a field it must stay one.
    return pointer if re.fullmatch(r"[A-Za-z0-9_/-]{0,64}", pointer) else "…"


def _whole(text: str) -> str:
    """Return `text` as protobuf takes it: half a surrogate pair is no character, and cannot be sent."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
