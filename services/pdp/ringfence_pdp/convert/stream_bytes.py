"""What comes and goes on a CheckStream, as bytes: a question behind its number, an answer behind the same one.

A question is read from its own bytes as that of Check is, and so is the answer written; around both are a number and a
length. What is not in the order in which protobuf writes it is left to protobuf.
"""

from typing import Final, NamedTuple

from google.rpc.status_pb2 import Status
from ringfence.pdp.v1 import decision_pb2 as pb

from ringfence_pdp.convert.answer_bytes import varint
from ringfence_pdp.convert.question_bytes import Asked, asked, asked_of

_NUMBER: Final = 0x08
_REQUEST: Final = 0x12
_ANSWER: Final = b"\x0a"
"""Field 1 of CheckStreamResponse."""
_RESPONSE: Final = b"\x12"
"""Field 2 of CheckStreamAnswer."""
_SHIFT_MAX: Final = 28


class AskedOnStream(NamedTuple):
    """A question of a stream, and the number its client gave it; 0 where it gave none."""

    number: int
    asked: Asked


def asked_on_stream(sent: bytes) -> AskedOnStream:
    """Read a CheckStreamRequest. Raises DecodeError for bytes that are none."""
    if len(sent) > 2 and sent[0] == _NUMBER:
        number, at = _varint(sent, 1)
        if number is not None and at < len(sent) and sent[at] == _REQUEST:
            length, at = _varint(sent, at + 1)
            if length is not None and at + length == len(sent):
                return AskedOnStream(number, asked(sent[at:]))
    message = pb.CheckStreamRequest.FromString(sent)
    return AskedOnStream(message.id, asked_of(message.request))


def _varint(sent: bytes, at: int) -> tuple[int | None, int]:
    """Return the number at a place, and the place behind it; None for one that is longer than most are, or is cut."""
    number = shift = 0
    while at < len(sent) and shift <= _SHIFT_MAX:
        byte = sent[at]
        number, at, shift = number | (byte & 0x7F) << shift, at + 1, shift + 7
        if byte < 0x80:
            return number, at
    return None, at


def responded(response: bytes) -> bytes:
    """Return a decision as an answer says it, without its number."""
    return b"".join((_RESPONSE, varint(len(response)), response))


def failed(error: Status) -> bytes:
    """Return why there is none, as an answer says it, without its number."""
    return pb.CheckStreamAnswer(error=error).SerializeToString()


def numbered(number: int, said: bytes) -> bytes:
    """Return the CheckStreamResponse that answers a question with what was said to it."""
    # Protobuf leaves out a number that is 0.
    behind = b"\x08" + varint(number) if number else b""
    return b"".join((_ANSWER, varint(len(behind) + len(said)), behind, said))
