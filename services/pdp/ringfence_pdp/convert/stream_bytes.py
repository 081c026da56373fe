"""What CheckStream takes and says, as bytes: a number, and around it what Check takes and says.

Its messages are envelopes. Read and written as messages they cost as much as the decision inside of them, so the
plainest is opened here: the number, then the question, and nothing behind it. The rules:

- the question inside is read as that of a Check is; an envelope that is written in another way is left to protobuf;
- what is said is what protobuf would write of it: fields in order, and no number when it is 0.
"""

from typing import NamedTuple

from google.rpc import status_pb2
from ringfence.pdp.v1 import decision_pb2 as pb

from ringfence_pdp.convert.answer_bytes import varint
from ringfence_pdp.convert.question_bytes import Asked, asked, asked_of

_ID, _REQUEST = 0x08, 0x12
"""Fields 1 and 2 of CheckStreamRequest: a number, and bytes."""
_ID_BYTES_MAX = 9
"""What is longer is left to protobuf."""

_NUMBER, _RESPONSE, _ERROR = b"\x08", b"\x12", b"\x1a"
"""Fields 1 to 3 of CheckStreamAnswer."""
_ANSWER = b"\x0a"
"""Field 1 of CheckStreamResponse."""


class Numbered(NamedTuple):
    """A question of a stream, and the number its answer is told with."""

    id: int
    asked: Asked


def numbered(sent: bytes) -> Numbered:
    """Read a CheckStreamRequest. Raises DecodeError for bytes that are none."""
    opened = _opened(sent)
    if opened is not None:
        number, begin = opened
        return Numbered(number, asked(sent[begin:]))
    message = pb.CheckStreamRequest.FromString(sent)
    return Numbered(message.id, asked_of(message.request))


def _opened(sent: bytes) -> tuple[int, int] | None:
    """Return the number of a question, and where the question begins that takes all the rest; None for the unusual."""
    try:
        if sent[0] != _ID:
            return None
        number, at = _varint_at(sent, 1)
        if sent[at] != _REQUEST:
            return None
        length, begin = _varint_at(sent, at + 1)
    except IndexError:
        return None
    return (number, begin) if begin + length == len(sent) else None


def _varint_at(sent: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends. Raises IndexError where there is none, or one that is too long."""
    number = shift = 0
    for place in range(at, at + _ID_BYTES_MAX):
        byte = sent[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place + 1
        shift += 7
    raise IndexError


def said_response(response: bytes) -> bytes:
    """Return the bytes of a CheckStreamAnswer without its number, given those of a CheckResponse."""
    return b"".join((_RESPONSE, varint(len(response)), response))


def said_error(error: status_pb2.Status) -> bytes:
    """Return the bytes of a CheckStreamAnswer without its number: why there is no answer."""
    status = error.SerializeToString()
    return b"".join((_ERROR, varint(len(status)), status))


def answer_bytes(number: int, said: bytes) -> bytes:
    """Return the bytes of a CheckStreamResponse that answers question `number`."""
    named = _NUMBER + varint(number) if number else b""
    return b"".join((_ANSWER, varint(len(named) + len(said)), named, said))


def is_answer(message: bytes) -> bool:
    """Say whether a CheckStreamResponse is an answer."""
    return message[:1] == _ANSWER
