"""`ringfence.pdp.v1.FilterService` messages to values and back."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ringfence.pdp.v1 import filter_pb2 as pb
from ringfence_kit.validation import Violations

from ringfence_pdp.convert.decisions import STRUCT_BYTES_MAX, struct_reader
from ringfence_pdp.convert.findings import argument_origins, argument_types, finding_to_proto
from ringfence_pdp.filters.filter_rule import ALL_BUT_SECRET, FilterRule
from ringfence_pdp.filters.finding import ArgumentType, Origin
from ringfence_pdp.filters.scanning import Scanned

NAME_BYTES_MAX = 128
CATEGORY_BYTES_MAX = 63

_ACTION = re.compile(r"[a-z0-9._:/-]{1,128}")
_TOOL = re.compile(r"[a-z0-9._-]{1,128}")
_CATEGORY = re.compile(r"[a-z][a-z0-9-]*")
_TYPES: Mapping[int, ArgumentType] = {one.value: one for one in ArgumentType}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A checked ScanRequest."""

    content: Callable[[], str | Mapping[str, object]]
    written_in: ArgumentType | None
    tool: str
    action: str
    types: Mapping[str, ArgumentType]
    origins: Mapping[str, Origin]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilterRules:
    """A checked ListFilterRulesRequest; the token is opened by the face, which knows the caller."""

    page_size: int
    page_token: str
    category: str


def scan(request: pb.ScanRequest) -> Scan:
    """Build what is to be looked through, or raise InvalidRequest with every violation."""
    found = Violations()
    asked = Scan(
        content=_content(request, found),
        written_in=_type(request.type, found),
        tool=found.text(request.tool, "tool", max_bytes=NAME_BYTES_MAX, required=False, pattern=_TOOL, shape=_SHAPE),
        action=found.text(
            request.action, "action", max_bytes=NAME_BYTES_MAX, required=False, pattern=_ACTION, shape=_ACTION_SHAPE
        ),
        types=argument_types(request.argument_types, "argument_types", found),
        origins=argument_origins(request.argument_origins, "argument_origins", found),
    )
    return found.ok(asked)


_SHAPE = "a-z, 0-9 and . _ -"
_ACTION_SHAPE = "a-z, 0-9 and . _ : / -"


def scanned_to_proto(scanned: Scanned) -> pb.ScanResponse:
    """Return what was found."""
    return pb.ScanResponse(
        findings=map(finding_to_proto, scanned.findings),
        severity=pb.Severity.ValueType(scanned.severity or 0),
        rules_digest=scanned.rules_digest,
        model_digest=scanned.model_digest,
        p_value=scanned.p_value,
    )


def list_filter_rules(request: pb.ListFilterRulesRequest) -> ListFilterRules:
    """Build the query, or raise InvalidRequest."""
    found = Violations()
    category = found.text(
        request.category,
        "category",
        max_bytes=CATEGORY_BYTES_MAX,
        required=False,
        pattern=_CATEGORY,
        shape="a-z, 0-9 and -, a letter first",
    )
    page_size = found.page_size(request.page_size)
    return found.ok(ListFilterRules(page_size=page_size, page_token=request.page_token, category=category))


def rule_to_proto(rule: FilterRule) -> pb.FilterRule:
    """Return a rule as it is shown."""
    types = () if rule.types == ALL_BUT_SECRET else sorted(rule.types)
    return pb.FilterRule(
        id=rule.id,
        pack=rule.pack,
        category=rule.category,
        severity=pb.Severity.ValueType(rule.severity),
        types=[pb.ArgumentType.ValueType(one) for one in types],
        message=rule.message,
        pattern=rule.pattern,
    )


def _content(request: pb.ScanRequest, found: Violations) -> Callable[[], str | Mapping[str, object]]:
    kind = request.WhichOneof("content")
    if kind == "arguments":
        return struct_reader(request.arguments, "arguments", found)
    text = request.text
    if kind is None:
        found.add("content", "must be set: text or arguments")
    elif len(text) > STRUCT_BYTES_MAX or len(text.encode()) > STRUCT_BYTES_MAX:
        found.add("text", f"is larger than {STRUCT_BYTES_MAX} bytes")
    # Nothing else is asked of a text: what must not stand in one is what it is scanned for.
    return lambda: text


def _type(number: int, found: Violations) -> ArgumentType | None:
    if number == pb.ARGUMENT_TYPE_UNSPECIFIED:
        return None
    return found.enum(number, "type", _TYPES)
