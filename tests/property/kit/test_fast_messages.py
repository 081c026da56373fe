"""Messages out of a stream of bytes: however it is cut, the same come out, and what is none is told with a reason."""

import gzip
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.errors import Failure, MalformedMessage, MessageTooLarge
from ringfence_kit.fast.messages import GZIP, IDENTITY, MessageReader, framed, only_message

MOST = 300
COMPRESSED = gzip.compress(b"x", mtime=0)  # the time would be in a test's name, and each worker has its own
_messages = st.lists(st.tuples(st.binary(max_size=MOST), st.booleans()), max_size=6)


def reader(encoding: str = GZIP) -> MessageReader:
    return MessageReader(method="x.Y/Z", encoding=encoding, max_bytes=MOST)


def sent(message: bytes, *, compressed: bool) -> bytes:
    if not compressed:
        return framed(message)
    body = gzip.compress(message, mtime=0)
    return b"\1" + len(body).to_bytes(4, "big") + body


@given(_messages, st.lists(st.integers(1, 40), max_size=40))
def test_the_same_messages_however_they_are_cut(messages: list[tuple[bytes, bool]], cuts: list[int]) -> None:
    stream = b"".join(sent(message, compressed=compressed) for message, compressed in messages)
    reading, found = reader(), list[bytes]()
    for size in cuts:
        part, stream = stream[:size], stream[size:]
        found += reading.read(part)
    found += reading.read(stream)
    reading.end()
    assert found == [message for message, _ in messages]
    assert reading.unfinished == 0


def test_the_largest_request_there_may_be_in_the_pieces_it_comes_in() -> None:
    """Four thousand frames, each copied once or twice: copied with each that follows, this would take half a minute."""
    message, piece = bytes(64 << 20), 16 << 10
    reading, found = MessageReader(method="x.Y/Z", encoding=IDENTITY, max_bytes=len(message)), list[bytes]()
    stream = memoryview(framed(message))
    for at in range(0, len(stream), piece):
        found += reading.read(bytes(stream[at : at + piece]))
    reading.end()
    assert found == [message]


@given(st.binary(max_size=400), st.sampled_from((GZIP, IDENTITY)))
def test_any_bytes_are_messages_or_a_failure(stream: bytes, encoding: str) -> None:
    reading, found = reader(encoding), list[bytes]()
    with suppress(MalformedMessage, MessageTooLarge):
        found = reading.read(stream)
        reading.end()
    assert all(len(message) <= MOST for message in found)


@given(
    st.one_of(st.binary(max_size=400), st.binary(max_size=MOST + 10).map(framed), st.just(sent(b"x", compressed=True)))
)
def test_the_short_way_finds_what_the_long_one_does_or_nothing(data: bytes) -> None:
    message, reading, found = only_message(data, MOST), reader(IDENTITY), list[bytes]()
    with suppress(MalformedMessage, MessageTooLarge):
        found = reading.read(data)
    if message is not None:
        assert found == [message]
        assert reading.unfinished == 0
    elif data[:1] == b"\0":
        assert len(found) != 1 or reading.unfinished


@pytest.mark.parametrize("size", [MOST + 1, 1 << 31, (1 << 32) - 1])
def test_too_large_is_known_before_it_is_here(size: int) -> None:
    with pytest.raises(MessageTooLarge) as refused:
        reader().read(b"\0" + size.to_bytes(4, "big"))
    assert refused.value.metadata["size_bytes"] == str(size)


def test_a_bomb_is_unpacked_no_further_than_it_may_be() -> None:
    with pytest.raises(MessageTooLarge):
        reader().read(sent(bytes(50_000_000), compressed=True))


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (b"\2\0\0\0\0", "compressed-flag is 2"),
        (b"\1\0\0\0\5xyzzy", "not the gzip"),
        (b"\1" + (6).to_bytes(4, "big") + COMPRESSED[:6], "ends too early"),
        (b"\1" + (len(COMPRESSED) + 1).to_bytes(4, "big") + COMPRESSED + b"y", "something follows"),
    ],
)
def test_what_is_no_message_says_why(stream: bytes, problem: str) -> None:
    with pytest.raises(MalformedMessage, match=problem):
        reader().read(stream)


def test_compressed_without_saying_how() -> None:
    with pytest.raises(MalformedMessage, match="no grpc-encoding says how"):
        reader(IDENTITY).read(sent(b"x", compressed=True))


def test_an_end_in_the_middle() -> None:
    reading = reader()
    assert reading.read(framed(b"whole") + b"\0\0") == [b"whole"]
    with pytest.raises(Failure, match="in the middle of a message"):
        reading.end()
