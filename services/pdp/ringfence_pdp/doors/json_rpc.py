"""JSON-RPC 2.0 messages out of a body: one, or a batch, each of them a call, a notification or a response.

Strict where a lenient server could read something else: an envelope has the members JSON-RPC 2.0 names and no other,
spelled one way (some languages match them whatever their case), and of the types it gives them.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple, TypeAlias

from ringfence_pdp.doors.json_reading import Json, UnreadableJsonError, read_json
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.model import Reason

BATCH_MAX: Final = 64
METHOD_MAX: Final = 128
ID_MAX: Final = 256

RpcId: TypeAlias = str | int | float | None

_MEMBERS: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_PARAMS: Final = frozenset({"name", "arguments", "uri", "message", "id", "taskId", "contextId", "configuration"})
"""What is decided by. Whoever reads these without regard to case, or with underscores as protobuf does, must find no
other member than we do."""


def _folded(name: str) -> str:
    return name.casefold().replace("_", "")


_FOLDED_MEMBERS: Final = frozenset(map(_folded, _MEMBERS))
_FOLDED_PARAMS: Final = frozenset(map(_folded, _PARAMS))


class RpcMessage(NamedTuple):
    """One message. A response to the other side has no method."""

    method: str | None
    params: Mapping[str, Json]
    id: RpcId
    """Of a call; None for a notification, and for a call with null."""
    expects_answer: bool


class RpcBody(NamedTuple):
    """What a body holds."""

    messages: tuple[RpcMessage, ...]
    is_batch: bool


def read_body(raw: bytes) -> RpcBody:
    """Return the messages in a body, or raise Refused."""
    try:
        value = read_json(raw)
    except UnreadableJsonError as error:
        raise _malformed(f"the body cannot be relied on: {error}") from None
    if not isinstance(value, list):
        return RpcBody((_message(value, "the body"),), is_batch=False)
    if not 1 <= len(value) <= BATCH_MAX:
        raise _malformed(f"a batch holds 1 to {BATCH_MAX} messages")
    return RpcBody(tuple(_message(one, f"[{place}]") for place, one in enumerate(value)), is_batch=True)


def _message(value: Json, where: str) -> RpcMessage:
    if not isinstance(value, dict):
        raise _malformed(f"{where} is no JSON-RPC message: it is not an object")
    _check_spelling(value, _MEMBERS, _FOLDED_MEMBERS, where)
    other = next((name for name in value if name not in _MEMBERS), None)
    if other is not None:
        raise _malformed(f"{where}: {other[:40]!a} is no member of a JSON-RPC message; it belongs into params")
    if value.get("jsonrpc") != "2.0":
        raise _malformed(f'{where} is no JSON-RPC message: jsonrpc is not "2.0"')
    id_ = value.get("id")
    if isinstance(id_, bool | dict | list) or (isinstance(id_, str) and len(id_) > ID_MAX):
        raise _malformed(f"{where}: id is no text of at most {ID_MAX} characters, number or null")
    if "method" not in value:
        return _response(value, id_, where)
    if "result" in value or "error" in value:
        raise _malformed(f"{where} is a call and a response at once")
    method = value["method"]
    if not (isinstance(method, str) and 1 <= len(method) <= METHOD_MAX):
        raise _malformed(f"{where}: method is no text of 1 to {METHOD_MAX} characters")
    return RpcMessage(method, _params(value, where), id_, expects_answer="id" in value)


def _response(value: Mapping[str, Json], id_: RpcId, where: str) -> RpcMessage:
    if ("result" in value) == ("error" in value) or "params" in value:
        raise _malformed(f"{where} is neither a call nor a response")
    return RpcMessage(None, {}, id_, expects_answer=False)


def _params(value: Mapping[str, Json], where: str) -> Mapping[str, Json]:
    params = value.get("params", {})
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise _malformed(f"{where}: params is no object; parameters by position name nothing")
    _check_spelling(params, _PARAMS, _FOLDED_PARAMS, f"{where}: params")
    return params


def _check_spelling(value: Mapping[str, Json], exact: Collection[str], folded: Collection[str], where: str) -> None:
    for name in value:
        if name not in exact and _folded(name) in folded:
            raise _malformed(f"{where}: {name!a} is another spelling of what is decided by")


def _malformed(message: str) -> Refused:
    return Refused(Reason.BODY_MALFORMED, message)
