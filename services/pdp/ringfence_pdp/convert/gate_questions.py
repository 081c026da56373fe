"""What a gateway asks as the question itself, without the message in between that says the same.

A gateway's requests differ in path, body, ids and little else, so who calls, over which route and to do what is judged
once, by `check_request`, and remembered; what differs is put beside it. The rules:

- what is remembered was read and judged by `check_request`, so there is one judgement and not two;
- only what cannot be refused is put beside it here: texts of printable ASCII that are short enough, arguments out of a
  body so small that they pass no bound. Anything else is made a message (`ext_authz.question`) and judged as one;
- who shows a token, a grant, a chain or an approval is judged each time.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from ringfence_kit.errors import InvalidRequest

from ringfence_pdp.asked_document import with_doubles
from ringfence_pdp.convert import ext_authz
from ringfence_pdp.convert.decisions import check_request
from ringfence_pdp.convert.question_bytes import Asked, Head, parted
from ringfence_pdp.doors.gateway import GatewayRequest
from ringfence_pdp.doors.methods import RESOURCE_ID_MAX
from ringfence_pdp.doors.methods import Asked as Wanted
from ringfence_pdp.doors.route import Route
from ringfence_pdp.doors.who_calls import Caller
from ringfence_pdp.facts import RegisteredTool
from ringfence_pdp.model import CheckRequest, Plain, Protocol, Resource, nothing

SMALL_BODY: Final = 4_096
"""Bytes of a body whose arguments pass no bound: what takes 2 bytes of JSON takes at most 11 of a Struct."""
SMALL_CONTEXT: Final = 2_048
"""Characters of a context that passes none either."""

_REMEMBERED: Final = 8_192
_SMALL_NAMES: Final = 1_024
"""Characters of names that may be remembered."""

_made: Callable[[type[CheckRequest], tuple[object, ...]], CheckRequest] = tuple.__new__


class Passed(NamedTuple):
    """One thing a request wants, with everything the gateway passed on about it."""

    sent: bytes
    """The bytes the gateway asked with, of which the log keeps a digest."""
    request: GatewayRequest
    route: Route
    caller: Caller
    wanted: Wanted
    schemas: Mapping[str, RegisteredTool]
    """Those the route vouches for."""
    content: str
    """The digest of what is not read; empty where there is none."""


class _Common(NamedTuple):
    """What makes two questions of gateways the same but for path, body and ids."""

    did: str
    agent: str
    route: Route
    action: str
    tool: str | None
    schema: str | None
    protocol: Protocol


_heads: dict[_Common, Head] = {}


def asked_at_gate(passed: Passed) -> Asked:
    """Return the question about one thing that a request wants."""
    sent, request, route, caller, wanted, schemas, content = passed
    return _plainly(passed) or Asked(sent, ext_authz.question(request, route, caller, wanted, schemas, content=content))


def _plainly(passed: Passed) -> Asked | None:
    sent, request, route, _, wanted, _, content = passed
    if wanted.origins or (wanted.arguments and len(request.body) > SMALL_BODY):
        return None
    if len(request.method) + len(request.extensions.get("boundary", "")) > SMALL_CONTEXT:
        return None
    head, resource = _head(passed), _resource(ext_authz.resource_type(route, wanted), wanted.resource_id or "")
    if head is None or resource is None:
        return None
    before, side, rest, routine = head
    arguments = _reading(wanted.arguments) if wanted.arguments else nothing
    session, trace_id = ext_authz.session_of(request, wanted) or None, ext_authz.trace_id_of(request.headers)
    # Now: a question may be kept for a while, and must not keep the body.
    seen = ext_authz.seen_at_gate(request, content)
    differing = (arguments, resource, side, session, lambda: seen, trace_id)
    return Asked(sent, _made(CheckRequest, (*before, *differing, *rest)), routine)


def _head(passed: Passed) -> Head | None:
    """Return what is the same in the next question; None where that has to be judged each time."""
    _, _, route, caller, wanted, schemas, _ = passed
    did, agent, *shown = caller
    tool = None if wanted.tool is None else schemas.get(wanted.tool)
    schema = None if tool is None else tool.schema_hash
    common = _Common(did, agent, route, wanted.action, wanted.tool, schema, wanted.protocol)
    head = None if any(shown) else _heads.get(common)
    if head is not None or any(shown) or len(did) + len(agent) > _SMALL_NAMES:
        return head
    try:
        head = parted(check_request(ext_authz.who_does_what(route, caller, wanted, schemas)))
    except InvalidRequest:
        return None
    if len(_heads) >= _REMEMBERED:
        _heads.clear()
    _heads[common] = head
    return head


def _resource(type_: str, id_: str) -> Resource | None:
    """Return what is acted on; None where its name has to be judged."""
    is_plain = len(id_) <= RESOURCE_ID_MAX and id_.isascii() and id_.isprintable()
    return _known_resource(type_, id_) if is_plain else None


@lru_cache(maxsize=_REMEMBERED)
def _known_resource(type_: str, id_: str) -> Resource:
    return Resource(type=type_ or None, id=id_ or None)


def _reading(sent: Mapping[str, object]) -> Callable[[], Plain]:
    """Return what reads arguments as conditions see them: numbers are doubles."""
    read: list[Plain] = []

    def doubles() -> Plain:
        if not read:
            read.append(with_doubles(sent))
        return read[0]

    return doubles
