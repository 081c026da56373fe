"""A request as a gateway saw it → what it wants, who wants it, and what stands in the way of knowing either.

The rules:

- a body that is there is read whole or not at all: cut, compressed, or in another character set, it is refused;
- what headers and filters say of the body has to be what the body says. That a filter says nothing means nothing:
  Envoy's own passes batches and padded bodies with empty metadata;
- every message of a batch is asked about;
- a message is posted, to a path that means nothing else: a body of which JSON-RPC sees a `ping` would pass in front of
  A2A's HTTP binding, of Connect, or of a `DELETE`, and mean something there.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from ringfence_pdp.doors import headers as names
from ringfence_pdp.doors.headers import Headers
from ringfence_pdp.doors.json_rpc import RpcBody, RpcMessage, read_body
from ringfence_pdp.doors.methods import Asked, asked_besides, asked_by, passes
from ringfence_pdp.doors.origins import origins_of
from ringfence_pdp.doors.paths import path_of
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.doors.route import Profile, Route
from ringfence_pdp.doors.said_again import OVERRIDING, check_said_again
from ringfence_pdp.model import Protocol, Reason

BODY_MAX: Final = 1 << 20
PARTIAL: Final = "x-envoy-auth-partial-body"
MCP_FILTER: Final = "envoy.filters.http.mcp"
A2A_FILTER: Final = "envoy.filters.http.a2a"

_ACTIONS: Final[Mapping[str, str]] = {
    "GET": "get_http",
    "HEAD": "get_http_head",
    "OPTIONS": "get_http_options",
    "POST": "post_http",
    "PUT": "put_http",
    "PATCH": "patch_http",
    "DELETE": "delete_http",
}
_OTHER_BINDINGS: Final = re.compile(
    r":(?:send|stream|cancel|subscribe)/?$"  # A2A 1.0, 11.3: HTTP+JSON
    r"|/pushNotificationConfigs(?:/|$)"
    r"|\.[A-Z]\w*/[A-Z]\w*/?$"  # gRPC and Connect: /package.Service/Method
)
"""Paths where a body means something whatever it says of JSON-RPC."""
_JSON: Final = re.compile(r"(?:application|text)/(?:[\w.-]+\+)?json(?:-?rpc|request)?")
_CHARSET: Final = re.compile(r"charset\s*=\s*\"?([^\s\";]+)")
_OVERRIDING_PARAMETERS: Final = frozenset({"_method", *OVERRIDING[:3]})
_UTF_8: Final = ("utf-8", "utf8", "us-ascii")
_GRPC_PATH: Final = re.compile(r"/([A-Za-z_][A-Za-z0-9_.]{0,255}/([A-Za-z_][A-Za-z0-9_]{0,99}))")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class GatewayRequest(NamedTuple):
    """One HTTP request, as the gateway passed it on."""

    extensions: Mapping[str, str]
    principal: str
    claims: Mapping[str, Mapping[str, object]]
    """What jwt_authn verified, by where it was told to put it."""
    filters: Mapping[str, Mapping[str, object]]
    """What the filters that read MCP and A2A said."""
    method: str
    path: str
    host: str
    headers: Headers
    body: bytes
    size: int
    """Of the whole body; -1 when the gateway does not know."""


class Wanted(NamedTuple):
    """What a request wants: several things when it is a batch, none when it only keeps a connection going."""

    asked: tuple[Asked, ...]
    body: RpcBody | None = None
    """The messages, when it was JSON-RPC; `asked` stands for those that do not pass by themselves, in order."""


def wanted(request: GatewayRequest, route: Route) -> Wanted:
    """Return what a request wants, or raise Refused."""
    check_said_again(request.method, request.path, request.host, request.headers)
    _check_stays_http(request.headers, route)
    if route.profile is Profile.GRPC:
        return Wanted((_grpc(request),))
    if route.profile is Profile.HTTP or (request.method != "POST" and not request.body and request.size <= 0):
        return Wanted((_http(request),))
    _check_posted(request)
    _check_whole(request)
    body = read_body(request.body)
    _check_headers(request.headers, body)
    _check_filters(request.filters, body)
    messages = [message for message in body.messages if not passes(message)]
    asked = tuple(
        asked_by(message, route.profile.protocols, route.tool_prefix)._replace(
            origins=origins_of(message, request.headers, route)
        )
        for message in messages
    )
    _check_name(request, body, asked)
    besides = tuple(one for message in messages for one in asked_besides(message))
    if besides and body.is_batch:
        message = "a message of a batch configures push notifications besides; send it by itself"
        raise Refused(Reason.BODY_MALFORMED, message)
    return Wanted(asked + besides, body)


def _check_stays_http(headers: Headers, route: Route) -> None:
    """What comes after this request is a request as well, and will be asked about."""
    to = headers.get("upgrade")
    if to is not None and (route.profile is not Profile.HTTP or to.lower() != "websocket"):
        problem = "makes another protocol of the connection, of which nothing would be asked about"
        raise Refused(Reason.REQUEST_INVALID, f"the header upgrade ({to[:20]!a}) {problem}")


def _check_posted(request: GatewayRequest) -> None:
    """The body goes to an endpoint of JSON-RPC, and to nothing else that reads bodies."""
    if request.method != "POST":
        raise Refused(Reason.METHOD_UNKNOWN, f"messages are posted; {request.method[:20]!a} with a body is no message")
    if _OTHER_BINDINGS.search(path_of(request.path)) is not None:
        problem = "the path is one of A2A's HTTP binding or of gRPC, and the route reads JSON-RPC"
        raise Refused(Reason.METHOD_UNKNOWN, f"{problem}; give such paths a route with the profile http or grpc")


def _check_whole(request: GatewayRequest) -> None:
    """The body we have is the one the service behind will read."""
    headers, length = request.headers, len(request.body)
    if any(said.get("is_exceeding_limit") for said in request.filters.values()):
        raise _truncated("the gateway's MCP or A2A filter read only the beginning of the body")
    if (headers.get(PARTIAL) or "false").lower() != "false" or request.size > length:
        raise _truncated(f"the gateway passed on {length} of {request.size} bytes of the body (max_request_bytes)")
    declared = headers.get("content-length")
    if declared is not None and declared != str(length):
        raise _truncated(f"the body has {length} bytes and content-length says {declared[:20]!a}")
    if length > BODY_MAX:
        raise _truncated(f"the body has {length} bytes and at most {BODY_MAX} are read")
    if (headers.get("content-encoding") or "identity").lower() != "identity":
        raise Refused(Reason.BODY_MALFORMED, "the body is compressed; it is read as it is or not at all")
    if (headers.get("transfer-encoding") or "chunked").lower() != "chunked":
        raise Refused(Reason.BODY_MALFORMED, "transfer-encoding says that the body is compressed; send it as it is")
    _check_type((headers.get("content-type") or "application/json").lower())
    if not request.body:
        raise Refused(Reason.BODY_MALFORMED, "there is no body; see that the gateway passes it on (with_request_body)")


def _check_type(content_type: str) -> None:
    if _JSON.fullmatch(content_type.partition(";")[0].strip()) is None:
        shown = content_type[:80]
        raise Refused(Reason.BODY_MALFORMED, f"the body says it is {shown!a}; messages are sent as application/json")
    charsets = _CHARSET.findall(content_type)
    if len(charsets) != content_type.count("charset") or any(name not in _UTF_8 for name in charsets):
        raise Refused(Reason.BODY_MALFORMED, "the body is in another character set than UTF-8")


def _check_headers(headers: Headers, body: RpcBody) -> None:
    method = headers.get(names.MCP_METHOD)
    if method is not None and [message.method for message in body.messages] != [method]:
        raise _mismatch(f"the header {names.MCP_METHOD} and the body name different methods")


def _check_name(request: GatewayRequest, body: RpcBody, asked: tuple[Asked, ...]) -> None:
    name = request.headers.get(names.MCP_NAME)
    if name is not None and (body.is_batch or [one.name for one in asked] != [name]):
        raise _mismatch(f"the header {names.MCP_NAME} and the body name different things")
    for said in request.filters.values():
        params = said.get("params")
        filtered = params.get("name") if isinstance(params, Mapping) else None
        if filtered is not None and [one.name for one in asked] != [filtered]:
            raise _mismatch("the gateway's filter and the body name different things")


def _check_filters(filters: Mapping[str, Mapping[str, object]], body: RpcBody) -> None:
    for said in filters.values():
        method = said.get("method")
        if method is not None and [message.method for message in body.messages] != [method]:
            raise _mismatch("the gateway's filter and the body name different methods")


def _http(request: GatewayRequest) -> Asked:
    action = _ACTIONS.get(request.method)
    if action is None:
        raise Refused(Reason.METHOD_UNKNOWN, f"{request.method[:20]!a} is no HTTP method anybody decides about")
    path, query = path_of(request.path), request.path.partition("?")[2]
    for name in re.split("[&;]", query) if query else ():
        if unquote_plus(name.partition("=")[0]).lower() in _OVERRIDING_PARAMETERS:
            problem = "would make another request of it to some servers"
            raise Refused(Reason.REQUEST_INVALID, f"the parameter {name[:40]!a} {problem}")
    return Asked(action, Protocol.HTTP, None, "url", path)


def _grpc(request: GatewayRequest) -> Asked:
    named = _GRPC_PATH.fullmatch(request.path)
    if request.method != "POST" or named is None:
        raise Refused(Reason.METHOD_UNKNOWN, "this is no call of a gRPC method: POST to /package.Service/Method")
    action = _HUMP.sub("_", named[2]).lower()
    return Asked(action, Protocol.GRPC, None, "grpc", named[1])


def first_call(body: RpcBody) -> RpcMessage:
    """Return the message an answer to the whole body names."""
    return next((message for message in body.messages if message.expects_answer), body.messages[0])


def _truncated(message: str) -> Refused:
    return Refused(Reason.BODY_TRUNCATED, message)


def _mismatch(message: str) -> Refused:
    return Refused(Reason.HEADER_BODY_MISMATCH, message)
