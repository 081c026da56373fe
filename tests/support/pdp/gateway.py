"""What a gateway sends, built as Envoy builds it: the shapes are those captured from Envoy 1.39 and 1.40."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.struct_pb2 import Struct
from ringfence.extauthz.v3 import ext_authz_pb2 as gate

from support.pdp.served import ANALYST_DID

ROUTE: Mapping[str, str] = {"environment": "dev", "side": "callee", "profile": "agents", "tool_prefix": "warehouse."}
JWT_AUTHN = "envoy.filters.http.jwt_authn"
MCP_FILTER = "envoy.filters.http.mcp"


def rpc(method: str, params: Any = None, *, id_: Any = 1, **members: Any) -> dict[str, Any]:
    """Return a JSON-RPC call."""
    sent: dict[str, Any] = {"jsonrpc": "2.0", "id": id_, "method": method, **members}
    return sent if params is None else {**sent, "params": params}


def tool_call(name: str = "read_table", arguments: Any = None, **members: Any) -> dict[str, Any]:
    """Return a call of an MCP tool."""
    return rpc("tools/call", {"name": name, "arguments": arguments or {}}, **members)


def body_of(message: Any) -> bytes:
    """Return the bytes a client sends."""
    return message if isinstance(message, bytes) else json.dumps(message).encode()


def envoy_request(
    message: Any = None,
    *,
    method: str = "POST",
    path: str = "/mcp",
    route: Mapping[str, str] | None = None,
    did: str | None = ANALYST_DID,
    claims: Mapping[str, Any] | None = None,
    principal: str = "",
    headers: Sequence[tuple[str, str]] = (),
    raw_headers: bool = False,
    filters: Mapping[str, Mapping[str, Any]] | None = None,
    size: int | None = None,
    **extensions: str,
) -> gate.CheckRequest:
    """Return what Envoy asks about one request; `did` is what jwt_authn found in its token, None without one."""
    body = b"" if message is None else body_of(message)
    request = gate.CheckRequest()
    attributes = request.attributes
    attributes.source.principal = principal
    http = attributes.request.http
    http.method, http.path, http.host, http.scheme = method, path, "orders.example.com", "http"
    http.size = len(body) if size is None else size
    http.raw_body = body
    sent = [
        *((":method", method), (":path", path), ("x-request-id", "a1")),
        *((("content-length", str(http.size)), ("x-envoy-auth-partial-body", "false")) if body else ()),
        *headers,
    ]
    if raw_headers:
        http.header_map.headers.extend(gate.HeaderValue(key=name, raw_value=value.encode()) for name, value in sent)
    else:
        for name, value in sent:
            http.headers[name] = f"{http.headers[name]},{value}" if name in http.headers else value
    for name, said in {**(ROUTE if route is None else route), **extensions}.items():
        attributes.context_extensions[name] = said
    if did is not None or claims is not None:
        payload = {"sub": did, "env": "dev", **(claims or {})}
        attributes.metadata_context.filter_metadata[JWT_AUTHN].CopyFrom(_struct({"ringfence": payload}))
    for name, said_by in (filters or {}).items():
        attributes.metadata_context.filter_metadata[name].CopyFrom(_struct(said_by))
    return request


def _struct(values: Mapping[str, Any]) -> Struct:
    struct = Struct()
    struct.update({name: value for name, value in values.items() if value is not None})
    return struct
