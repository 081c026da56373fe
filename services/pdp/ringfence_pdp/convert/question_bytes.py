"""A question read from a request's bytes, where it is written in the plainest way: a tenth of reading it as a message.

A message of protobuf is its fields one after another, each with a number and a length (Encoding, "Message Structure").
Those of one agent, tool and enforcement point come back in nearly every request, so what they say is judged once and
remembered by their bytes; the rest is cut out and looked at. The rules:

- what is remembered was read and judged by `check_request`, so there is one judgement and not two;
- nothing is read here but fields in the order of their numbers, each once, of those that most questions have, and all
  of it in order. Anything else is None: protobuf and `check_request` read it, and say what is wrong with it;
- most questions are short and have no arguments: those are cut at their lengths alone (`_shortest`). A piece that is
  cut in the wrong place is none that protobuf would write, and only what it would write is remembered;
- what is remembered is small, whatever is sent.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.errors import InvalidRequest
from ringfence_kit.validation import Violations

from ringfence_pdp.convert.decisions import BATCH_MAX, SESSION_MAX, check_request, resource_of, struct_reader
from ringfence_pdp.model import NO_RESOURCE, CheckRequest, Plain, Resource, Side, nothing
from ringfence_pdp.routine import Routine

_REMEMBERED = 8_192
_SMALL = 512
"""Bytes of a part that may be remembered."""

_NUMBER, _BYTES = 0, 2
"""Wire types: a number in as many bytes as it takes, and bytes (a text, a message) behind their length."""

_LENGTH_SHIFT_MAX = 28


def _tag(message: type[pb.CheckRequest | pb.Action | pb.BatchCheckRequest], field: str, kind: int) -> int:
    number: int = message.DESCRIPTOR.fields_by_name[field].number
    return number << 3 | kind


_SUBJECT = _tag(pb.CheckRequest, "subject", _BYTES)
_ACTION = _tag(pb.CheckRequest, "action", _BYTES)
_RESOURCE = _tag(pb.CheckRequest, "resource", _BYTES)
_ENVIRONMENT = _tag(pb.CheckRequest, "environment", _BYTES)
_SIDE = _tag(pb.CheckRequest, "side", _NUMBER)
_SESSION = _tag(pb.CheckRequest, "session", _BYTES)
_CONTEXT = _tag(pb.CheckRequest, "context", _BYTES)
_TRACE_ID = _tag(pb.CheckRequest, "trace_id", _BYTES)
_ARGUMENTS = _tag(pb.Action, "arguments", _BYTES)
_PROTOCOL = _tag(pb.Action, "protocol", _NUMBER)
_ITEM = _tag(pb.BatchCheckRequest, "requests", _BYTES)

_TRACE_ID_LENGTH = 16
_SHORT = 0x80
"""Lengths below it are one byte."""

_SENT, _REST = CheckRequest._fields.index("arguments"), CheckRequest._fields.index("trace_id") + 1
"""Where in a question that begins which differs from one to the next, and where it is over."""

# In the order of its members, since naming them takes as long as all the rest.
_made: Callable[[type[CheckRequest], tuple[object, ...]], CheckRequest] = tuple.__new__
_asked: Callable[[type["Asked"], tuple[object, ...]], "Asked"] = tuple.__new__


class Asked(NamedTuple):
    """A request as it came: its own bytes, and the question, or the message that has to be judged yet."""

    sent: bytes
    request: CheckRequest | pb.CheckRequest
    routine: Routine | None = None
    """Which the question is, where it was read in the plainest way."""

    def question(self) -> CheckRequest:
        """Return the question, or raise InvalidRequest with every violation."""
        return check_request(self.request) if isinstance(self.request, pb.CheckRequest) else self.request


def asked(sent: bytes) -> Asked:
    """Read a request. Raises DecodeError for bytes that are none."""
    return _shortest(sent) or _in_order(sent) or Asked(sent, pb.CheckRequest.FromString(sent))


def asked_of(request: pb.CheckRequest) -> Asked:
    """Take a request that was read already; what stands for its bytes is its one deterministic form."""
    return Asked(request.SerializeToString(deterministic=True), request)


def asked_batch(sent: bytes) -> list[Asked]:
    """Read the requests of a BatchCheckRequest, each still to be judged.

    Raises InvalidRequest for too many or none, DecodeError for bytes that are no such message.
    """
    items = _items(sent)
    if items is None:
        items = [item.SerializeToString() for item in pb.BatchCheckRequest.FromString(sent).requests]
    found = Violations()
    within = [item for _, item in found.items(items, "requests", min_items=1, max_items=BATCH_MAX)]
    found.raise_if_any()
    return list(map(asked, within))


def plain_question(sent: bytes) -> CheckRequest | None:
    """Return the question that `check_request` would read from the message in `sent`; None when it has to."""
    read = _shortest(sent) or _in_order(sent)
    return None if read is None else read.question()


def _shortest(sent: bytes) -> Asked | None:
    """Read a question without arguments and context, and with no field as long as 128 bytes; None when it is not."""
    size, session, trace_id = len(sent), None, b""
    try:
        who = sent[1] + 2
        who += sent[who + 1] + 2
        where = who + sent[who + 1] + 2 if sent[who] == _RESOURCE else who
        at = where + sent[where + 1] + 2 if sent[where] == _ENVIRONMENT else where
        if at < size and sent[at] == _SIDE:
            at += 2
        head = _heads.get((sent[:who], sent[where:at])) or _head_of(sent[:who], sent[where:at])
        if head is None:
            return None
        resource = _resource_of(sent[who:where])
        if at < size and sent[at] == _SESSION and 0 < sent[at + 1] < _SHORT:
            begin, at = at + 2, at + 2 + sent[at + 1]
            session = sent[begin:at].decode("ascii")
        if at < size and sent[at] == _TRACE_ID and sent[at + 1] == _TRACE_ID_LENGTH:
            trace_id, at = sent[at + 2 :], at + 2 + _TRACE_ID_LENGTH
    except (IndexError, UnicodeDecodeError):
        return None
    if resource is None or at != size or not (session is None or session.isprintable()):
        return None
    before, side, rest, routine = head
    question = _made(CheckRequest, (*before, nothing, resource, side, session, nothing, trace_id, *rest))
    return _asked(Asked, (sent, question, routine))


def _in_order(sent: bytes) -> Asked | None:
    """Read a question whose fields are in the order of their numbers, with any arguments; None when they are not."""
    try:
        fields = _fields(sent, _TRACE_ID)
        action, arguments, context = fields.get(_ACTION, b""), nothing, nothing
        if _ARGUMENTS in action:  # the byte may also be part of something else, and most often is not there at all
            action, arguments = _without_arguments(action)
        if _CONTEXT in fields:
            context = _reader(Struct.FromString(fields[_CONTEXT]))
        session = fields.get(_SESSION, b"").decode("ascii")
    except (_NotPlain, DecodeError, UnicodeDecodeError, InvalidRequest):
        return None
    trace_id, resource = fields.get(_TRACE_ID, b""), _resource(fields.get(_RESOURCE))
    head = _head(fields.get(_SUBJECT, b""), action, fields.get(_ENVIRONMENT, b""), fields.get(_SIDE, b"\0"))
    if head is None or resource is None or len(trace_id) not in (0, 16):
        return None
    if len(session) > SESSION_MAX or not session.isprintable():
        return None
    before, side, rest, routine = head
    sent_now = (arguments, resource, side, session or None, context, trace_id)
    return Asked(sent, _made(CheckRequest, (*before, *sent_now, *rest)), routine)


class _NotPlain(Exception):  # noqa: N818 - named for what happened
    """Something is written in a way that is left to protobuf, or is not in order."""


Head: TypeAlias = tuple[tuple[object, ...], Side, tuple[object, ...], Routine]
"""A question without what differs from one to the next: what is before that, its side, what is behind; its routine."""


_heads: dict[tuple[bytes, bytes], Head] = {}


def _head_of(who: bytes, where: bytes) -> Head | None:
    """Return what a question says whose fields begin with `who`, and go on with `where` behind the resource.

    Only one without arguments is remembered, so whoever finds one there need not look for them.
    """
    if len(who) + len(where) > _SMALL or _has_arguments(who):
        return None
    said, at = _as_written(who, "subject", "action"), _as_written(where, "environment", "side")
    if said is None or at is None:
        return None
    said.MergeFrom(at)
    try:
        judged = check_request(said)
    except InvalidRequest:
        return None
    if len(_heads) >= _REMEMBERED:
        _heads.clear()
    head = _heads[who, where] = parted(judged)
    return head


def parted(judged: CheckRequest) -> Head:
    """Return a question without what differs from one to the next; it is another routine each time."""
    return judged[:_SENT], judged.side, judged[_REST:], Routine()


def _has_arguments(who: bytes) -> bool:
    if _ARGUMENTS not in who:  # the byte may also be part of something else, and most often is not there at all
        return False
    try:
        return _ARGUMENTS in _fields(_fields(who, _ACTION)[_ACTION], _PROTOCOL)
    except (_NotPlain, KeyError):
        return True


@lru_cache(maxsize=_REMEMBERED)
def _resource_of(piece: bytes) -> Resource | None:
    """Return the resource in a field of a question, or the lack of one."""
    if not piece:
        return NO_RESOURCE
    said = _as_written(piece, "resource") if len(piece) <= _SMALL else None
    return None if said is None else _judged_resource(said.resource)


def _as_written(piece: bytes, *fields: str) -> pb.CheckRequest | None:
    """Return what a part of a request says if that is no more than `fields`, written as protobuf writes them."""
    try:
        said = pb.CheckRequest.FromString(piece)
    except DecodeError:
        return None
    plain = said.SerializeToString() == piece and all(field.name in fields for field, _ in said.ListFields())
    return said if plain else None


def _fields(sent: bytes, last: int) -> dict[int, bytes]:
    """Return what the fields of a message hold, by their tags, which ascend up to `last`."""
    fields, at, size, before = dict[int, bytes](), 0, len(sent), 0
    while at < size - 1:
        tag, length = sent[at], sent[at + 1]
        begin = at + 2
        if tag & 7 == _NUMBER:
            begin, length = at + 1, 1 if length < 0x80 else size
        elif length > 0x7F:
            begin, length = at + 3, length & 0x7F | sent[at + 2] << 7 if at + 2 < size and sent[at + 2] < 0x80 else size
        if tag <= before or tag & 5:
            raise _NotPlain
        before, at = tag, begin + length
        fields[tag] = sent[begin:at]
    if at != size or before > last:
        raise _NotPlain
    return fields


def _without_arguments(action: bytes) -> tuple[bytes, Callable[[], Plain]]:
    """Return what many questions have in common of an action, and what reads its arguments."""
    fields = _fields(action, _PROTOCOL)
    arguments = fields.get(_ARGUMENTS)
    if arguments is None:
        return action, nothing
    behind = sum(1 + len(value) for tag, value in fields.items() if tag > _ARGUMENTS)  # all of them numbers
    end = len(action) - behind
    begin = end - len(arguments) - (2 if len(arguments) < 0x80 else 3)
    return action[:begin] + action[end:], _reader(Struct.FromString(arguments))


def _reader(struct: Struct) -> Callable[[], Plain]:
    found = Violations()
    read = struct_reader(struct, "", found)
    found.raise_if_any()
    return read


def _head(subject: bytes, action: bytes, environment: bytes, side: bytes) -> Head | None:
    """Return the question that says no more than this; None when that is not in order."""
    if len(subject) + len(action) + len(environment) > _SMALL:
        return None
    return _judged_head(subject, action, environment, side[0])


@lru_cache(maxsize=_REMEMBERED)
def _judged_head(subject: bytes, action: bytes, environment: bytes, side: int) -> Head | None:
    request = pb.CheckRequest(side=pb.Side.ValueType(side))
    try:
        request.subject.MergeFromString(subject)
        request.action.MergeFromString(action)
        request.environment = environment.decode()
        return parted(check_request(request))
    except (DecodeError, UnicodeDecodeError, InvalidRequest):
        return None


def _resource(sent: bytes | None) -> Resource | None:
    if sent is None:
        return NO_RESOURCE
    return _parsed_resource(sent) if len(sent) <= _SMALL else None


@lru_cache(maxsize=_REMEMBERED)
def _parsed_resource(sent: bytes) -> Resource | None:
    try:
        return _judged_resource(pb.Resource.FromString(sent))
    except DecodeError:
        return None


def _judged_resource(said: pb.Resource) -> Resource | None:
    found = Violations()
    resource = resource_of(said, found)
    try:
        found.raise_if_any()
    except InvalidRequest:
        return None
    return resource


def _items(sent: bytes) -> list[bytes] | None:
    """Return the items of a BatchCheckRequest that holds nothing else; None when it is written in another way."""
    items, at, size = list[bytes](), 0, len(sent)
    while at < size:
        if sent[at] != _ITEM:
            return None
        at, length, shift = at + 1, 0, 0
        while True:
            if at == size or shift > _LENGTH_SHIFT_MAX:
                return None
            byte = sent[at]
            at, length, shift = at + 1, length | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        if at + length > size:
            return None
        items.append(sent[at : at + length])
        at += length
    return items
