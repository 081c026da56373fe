"""A question as the decision log keeps it, and as it is read back for a replay.

Everything a CheckRequest says is here, or named in `left_out`, and nothing else: a question that leaves nothing out is
read back as it was. Left out are what is masked; what shows who somebody is (tokens, grants: they are credentials); and
numbers JSON has no spelling for. What is empty is not written. Where filters found something, or the call was denied
before anything looked through it, secrets are left out too, and what is too much to look through for them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import rfc8785
from ringfence_kit.names import AgentName

from ringfence_pdp.filters.finding import Finding, Origin
from ringfence_pdp.filters.heard import Heard
from ringfence_pdp.filters.pointers import tokens_of
from ringfence_pdp.finding_document import finding_document, finding_of
from ringfence_pdp.masks import Masks
from ringfence_pdp.model import (
    NO_RESOURCE,
    NO_USAGE,
    CheckRequest,
    Plain,
    Protocol,
    Resource,
    Side,
    SideEffects,
    Target,
    Usage,
    nothing,
)
from ringfence_pdp.secrets_out import TooManyTextsError, without_secrets

_EXACT = 2**53
"""From here on whole numbers are no JSON integers that everybody reads alike."""

_WITH_EXPONENT = 1e21
"""From here on RFC 8785 writes an exponent, which nobody takes for an integer."""


def asked_document(
    request: CheckRequest, masks: Masks, left_out: list[str], *, whole: bool, secret: bool = False
) -> dict[str, Any]:
    """Return what the log keeps of a question; the paths of what it does not are added to `left_out`.

    Action, tool and environment stand beside it. `whole`: whether arguments, context and labels may be in it at all.
    `secret`: whether there may be secrets in it, which are taken out then.
    """
    # On the path of every decision: most questions say little, so each member is looked at once and most are passed by.
    asked: dict[str, Any] = {}
    did, agent, resource, session = request.did, request.agent, request.resource, request.session
    if did is not None:
        asked["did"] = did
    if agent is not None:
        asked["agent"] = str(agent)
    if resource is not NO_RESOURCE:
        asked["resource"] = _resource(resource, masks, left_out, whole=whole, secret=secret)
    if session is not None:
        asked["session"] = session
    if request.arguments is not nothing:
        _put_sent(asked, "arguments", request.arguments(), masks, left_out, whole=whole, secret=secret)
    if request.context is not nothing:
        _put_sent(asked, "context", request.context(), masks, left_out, whole=whole, secret=secret)
    if request.trace_id:
        asked["trace_id"] = request.trace_id.hex()
    if request[_FIRST_SELDOM:] != _SELDOM or request.side is not Side.CALLER:
        _put_seldom(asked, request, masks, left_out, whole=whole)
    if request.tool_schema_hash is not None:
        asked["tool_schema_hash"] = request.tool_schema_hash
    if request.side_effects:
        asked["side_effects"] = request.side_effects.word
    return asked


_FIRST_SELDOM = CheckRequest._fields.index("target")
_SELDOM = tuple(CheckRequest._field_defaults[field] for field in CheckRequest._fields[_FIRST_SELDOM:])
"""What few questions say, and what they say when they do not."""


def _put_seldom(
    asked: dict[str, Any], request: CheckRequest, masks: Masks, left_out: list[str], *, whole: bool
) -> None:
    if request.delegation_token:
        left_out.append("delegation_token")
    if request.elevation_grants:
        left_out.append("elevation_grants")
    if request.history is not None:
        left_out.append("history")
    target, usage = request.target, request.usage
    said: dict[str, Any] = {
        "side": request.side.word if request.side is not Side.CALLER else None,
        "target": None if target is None else _without_empty({"did": target.did, "agent": _name(target.agent)}),
        "chain": list(request.chain) or None,
        "supported_obligations": sorted(request.supported_obligations) or None,
        "approval": request.approval,
        "usage": {"tokens": usage.tokens, "cost_micros": usage.cost_micros} if usage != NO_USAGE else None,
        "protocol": request.protocol.word if request.protocol else None,
        "arguments_digest": request.arguments_digest,
        # Pairs, since the names of members in a pointer need not be ASCII.
        "argument_origins": [[pointer, origin.word] for pointer, origin in sorted(request.origins.items())] or None,
        "classifiers": [_heard(*said, hiding(masks, whole=whole)) for said in sorted(request.heard.said.items())]
        or None,
        # They were not asked, since the call is denied without them.
        "classifiers_spared": request.heard.quiet or None,
    }
    asked |= _without_empty(said)


def _heard(name: str, findings: Sequence[Finding], hides: Callable[[str], bool]) -> dict[str, Any]:
    """What a classifier elsewhere said: nobody can ask it again as it was."""
    return {"name": name, "findings": [finding_document(finding, hides) for finding in findings]}


def _resource(resource: Resource, masks: Masks, left_out: list[str], *, whole: bool, secret: bool) -> dict[str, Any]:
    type_, id_, data_class, labels, environment, owner = resource
    if secret and id_ is not None:
        id_ = str(without_secrets(id_, ("resource", "id"), left_out))
    said: dict[str, Any] = {}
    if type_ is not None:
        said["type"] = type_
    if id_ is not None:
        said["id"] = id_
    if data_class is not None:
        said["data_class"] = data_class
    if environment is not None:
        said["environment"] = environment
    if owner is not None:
        said["owner"] = owner
    if labels:
        _put_sent(said, "labels", labels, masks, left_out, whole=whole, secret=secret)
    return said


def hiding(masks: Masks, *, whole: bool) -> Callable[[str], bool]:
    """Return what says of a JSON Pointer into the arguments that what is there does not enter the log."""

    def hides(pointer: str) -> bool:
        if not whole:
            return True
        tokens = tokens_of(pointer)
        return any(masks.hide(("arguments", *tokens[:length])) for length in range(1, len(tokens) + 1))

    return hides


def _put_sent(
    said: dict[str, Any],
    root: str,
    value: Mapping[str, object],
    masks: Masks,
    left_out: list[str],
    *,
    whole: bool,
    secret: bool = False,
) -> None:
    """Take over JSON in RFC 8785 form, unless it is empty or has to stay away; `secret`: without the secrets in it."""
    if not value:
        return
    if not whole:
        left_out.append(root)
        return
    as_sent = None if secret else as_it_is(value, root, masks)
    if as_sent is not None:
        said[root] = as_sent
        return
    plain = _Plain()
    shown = masks.masked(value, (root,), left_out)
    if secret:
        before = len(left_out)
        try:
            shown = without_secrets(shown, (root,), left_out)
        except TooManyTextsError:
            left_out[before:] = [root]
            return
    written = plain.of(shown, root)
    left_out += plain.unwritable
    said[root] = written if plain.simple else msgspec.Raw(rfc8785.dumps(written))


def question(asked: Mapping[str, Any], *, action: str, tool: str | None, environment: str) -> CheckRequest:
    """Return the question a document was made of."""
    resource, target, usage = asked.get("resource"), asked.get("target"), asked.get("usage")
    return CheckRequest(
        action=action,
        environment=environment,
        did=asked.get("did"),
        agent=_agent(asked.get("agent")),
        tool=tool,
        tool_schema_hash=asked.get("tool_schema_hash"),
        side_effects=SideEffects[asked.get("side_effects", "unknown").upper()],
        arguments=_reading(asked.get("arguments")),
        resource=NO_RESOURCE if resource is None else Resource(**{"labels": {}, **resource}),
        side=Side[asked.get("side", "caller").upper()],
        session=asked.get("session"),
        context=_reading(asked.get("context")),
        trace_id=bytes.fromhex(asked.get("trace_id", "")),
        target=None if target is None else Target(target.get("did"), _agent(target.get("agent"))),
        chain=tuple(asked.get("chain", ())),
        supported_obligations=frozenset(asked.get("supported_obligations", ())),
        approval=asked.get("approval"),
        usage=NO_USAGE if usage is None else Usage(**usage),
        protocol=Protocol[asked.get("protocol", "unknown").upper()],
        arguments_digest=asked.get("arguments_digest"),
        origins={pointer: Origin[word.upper()] for pointer, word in asked.get("argument_origins", ())},
        heard=Heard(
            {said["name"]: tuple(map(finding_of, said["findings"])) for said in asked.get("classifiers", ())},
            quiet=asked.get("classifiers_spared", False),
        ),
    )


def as_it_is(sent: Plain, root: str, masks: Masks) -> dict[str, Any] | None:
    """Return JSON as the log keeps it, where that is no more than to write whole numbers as such; None where a mask, a
    number or a name in it has to be looked at more closely.
    """
    hidden = frozenset() if root == "labels" else masks.anywhere
    if masks.paths or type(sent) is not dict or root in hidden:
        return None
    try:
        return _as_they_are(sent, hidden)
    except _LookCloserError:
        return None


class _LookCloserError(Exception):
    """Something is not written as it was sent, or perhaps not."""


def _as_they_are(members: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in members.items():
        if not name.isascii() or name.lower() in hidden:
            raise _LookCloserError
        kind = type(value)
        if kind is str and value.isascii():
            made[name] = value
        else:
            made[name] = _one_as_it_is(value, kind, hidden)
    return made


def _one_as_it_is(value: Any, kind: type, hidden: frozenset[str]) -> object:
    if kind is float:
        if -_EXACT < value < _EXACT and value.is_integer() and (value or math.copysign(1, value) > 0):
            return int(value)
    elif kind is dict:
        return _as_they_are(value, hidden)
    elif kind is list:
        places = {str(place): one for place, one in enumerate(value)}
        return list(_as_they_are(places, hidden).values())
    elif kind is bool or value is None or (kind is str and value.encode("utf-8", "replace").decode() == value):
        return value
    raise _LookCloserError


class _Plain:
    """JSON with whole numbers as such. `simple`: sorted members without spaces are its RFC 8785 form."""

    def __init__(self) -> None:
        self.simple = True
        self.unwritable: list[str] = []

    def of(self, value: object, path: str) -> Any:
        match value:
            case bool() | None:
                return value
            case str():
                return value if value.isascii() else self._text(value, path)
            case int():
                return self._number(float(value), path) if abs(value) > _EXACT else value
            case float():
                return self._number(value, path)
            case Mapping():
                return {self._key(name): self.of(inner, f"{path}.{name}") for name, inner in value.items()}
            case list():
                return [self.of(inner, f"{path}.{place}") for place, inner in enumerate(value)]
            case _:
                raise AssertionError(f"{path} is no JSON: {type(value).__name__}")

    def _key(self, name: str) -> str:
        if name.isascii():
            return name
        self.simple = False
        return self._text(name, name)

    def _text(self, text: str, path: str) -> str:
        """Half a surrogate pair is no character: no door lets one in, and the log cannot hold one."""
        whole = text.encode("utf-8", "replace").decode()
        if whole != text:
            self.unwritable.append(path.encode("utf-8", "replace").decode())
        return whole

    def _number(self, number: float, path: str) -> object:
        if not _is_writable(number):
            self.unwritable.append(path)
            return str(number)
        if number.is_integer() and abs(number) < _EXACT:
            return int(number)
        self.simple = False
        return number


def _is_writable(number: float) -> bool:
    """Say whether a number read back from JSON is the same: not so NaN, -0, and what looks like a large integer."""
    if not math.isfinite(number) or (number == 0 and math.copysign(1, number) < 0):
        return False
    return not _EXACT <= abs(number) < _WITH_EXPONENT


def _reading(sent: Mapping[str, Any] | None) -> Callable[[], Plain]:
    if sent is None:
        return nothing
    doubles: Plain = with_doubles(sent)
    return lambda: doubles


def _without_empty(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def with_doubles(value: Any) -> Any:
    """Return JSON as it is sent: its numbers are doubles."""
    kind = type(value)
    if kind is dict:
        return {name: with_doubles(inner) for name, inner in value.items()}
    if kind is list:
        return [with_doubles(inner) for inner in value]
    return float(value) if kind is int else value


def _name(agent: AgentName | None) -> str | None:
    return None if agent is None else str(agent)


def _agent(text: str | None) -> AgentName | None:
    if text is None:
        return None
    agent = AgentName.parse(text)
    if agent is None:
        raise ValueError(f"{text} is no agent's name")
    return agent
