"""How a gRPC call begins and ends in HTTP/2: what is read from headers, and what trailers say."""

import base64
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.fast.heads import Head, Header, HeadReader, NotGrpc, is_grpc, percent_encoded, read_head, trailers

USUAL: list[Header] = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/a.B/C"),
    (b":authority", b"x"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]


def test_a_plain_head() -> None:
    head = read_head(
        [*USUAL, (b"user-agent", b"grpc-go"), (b"grpc-encoding", b"gzip"), (b"grpc-foo", b"mine not yours")]
    )
    assert (head.path, head.metadata) == (b"/a.B/C", (("user-agent", "grpc-go"),))
    assert (head.timeout, head.encoding, head.problem, head.unknown_encoding) == (None, "gzip", "", "")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"1H", 3_600.0),
        (b"2M", 120.0),
        (b"3S", 3.0),
        (b"99999999m", 99_999.999),
        (b"5u", 0.000_005),
        (b"7n", 0.000_000_007),
        (b"0m", 0.0),
    ],
)
def test_timeouts(said: bytes, seconds: float) -> None:
    assert read_head([*USUAL, (b"grpc-timeout", said)]).timeout == pytest.approx(seconds)


@pytest.mark.parametrize("said", [b"", b"S", b"-1S", b"1", b"1s", b"123456789S", b"1.5S", b"\xc2\xb2S", b" 1S"])
def test_no_timeouts(said: bytes) -> None:
    head = read_head([*USUAL, (b"grpc-timeout", said)])
    assert head.timeout is None
    assert "grpc-timeout" in head.problem


def test_binary_metadata_is_base64_with_padding_or_without_and_may_be_several() -> None:
    head = read_head([*USUAL, (b"a-bin", b"AQ"), (b"b-bin", b"AQ=="), (b"c-bin", b"AQ, Ag==")])
    assert head.metadata == (("a-bin", b"\1"), ("b-bin", b"\1"), ("c-bin", b"\1"), ("c-bin", b"\2"))
    assert not head.problem
    assert "d-bin is not base64" in read_head([*USUAL, (b"d-bin", b"!!!")]).problem


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ((b":method", b"GET"), 405),
        ((b"content-type", b"text/html"), 415),
        ((b"content-type", b"application/grpcx"), 415),
    ],
)
def test_what_is_no_grpc_is_answered_as_http(changed: Header, status: int) -> None:
    headers = [changed if name == changed[0] else (name, value) for name, value in USUAL]
    with pytest.raises(NotGrpc) as refused:
        read_head(headers)
    assert refused.value.status == status


@pytest.mark.parametrize("kind", [b"application/grpc", b"application/grpc+proto", b"application/grpc;x=y"])
def test_content_types_of_grpc(kind: bytes) -> None:
    assert is_grpc(kind)


def test_an_encoding_nobody_knows() -> None:
    assert read_head([*USUAL, (b"grpc-encoding", b"snappy")]).unknown_encoding == "snappy"


def test_the_size_is_counted_as_http2_counts() -> None:
    assert read_head(USUAL).size == sum(len(name) + len(value) + 32 for name, value in USUAL)


@given(st.text())
def test_any_message_can_be_sent_and_read_again(message: str) -> None:
    encoded = percent_encoded(message)
    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    sound = message.encode("utf-8", "replace").decode()
    assert unquote(encoded.decode("ascii")) == sound


@given(st.binary())
def test_binary_trailers_are_base64_without_padding(value: bytes) -> None:
    (_, _), (key, sent) = trailers(0, "", [("details-bin", value)])
    assert key == b"details-bin"
    assert b"=" not in sent
    assert base64.b64decode(sent + b"=" * (-len(sent) % 4)) == value


def test_trailers() -> None:
    assert trailers(5, "nöt there", [("x-request-id", "7")]) == [
        (b"grpc-status", b"5"),
        (b"grpc-message", b"n%C3%B6t there"),
        (b"x-request-id", b"7"),
    ]
    assert trailers(0, "", ()) == [(b"grpc-status", b"0")]


ANY_HEADER = st.sampled_from(
    [
        *USUAL,
        (b":method", b"GET"),
        (b"content-type", b"text/html"),
        (b"grpc-encoding", b"gzip"),
        (b"grpc-encoding", b"br"),
        (b"authorization", b"Bearer abc"),
        (b"x-data-bin", b"AAEC"),
        (b"x-data-bin", b"!"),
        (b"grpc-timeout", b"3S"),
        (b"grpc-timeout", b"250m"),
        (b"grpc-timeout", b"soon"),
        (b"x-request-id", b"one"),
        (b"x-request-id", b"two"),
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (b"tracestate", b"a=b"),
    ]
)


def outcome(read: Callable[[tuple[Header, ...]], Head], headers: tuple[Header, ...]) -> Head | int:
    """Return what is read of headers, with metadata in the order of keys; or HTTP's answer."""
    try:
        head = read(headers)
    except NotGrpc as no:
        return no.status
    return head._replace(metadata=tuple(sorted(head.metadata, key=lambda each: each[0])))


@given(st.lists(st.tuples(st.booleans(), st.lists(ANY_HEADER, max_size=8)), max_size=12))
def test_what_was_read_before_changes_nothing(calls: list[tuple[bool, list[Header]]]) -> None:
    reader = HeadReader()
    for is_usual, more in calls:
        headers = (*(USUAL if is_usual else ()), *more)
        assert outcome(reader.read, headers) == outcome(read_head, headers)


def test_what_is_kept_of_heads_is_bounded() -> None:
    reader = HeadReader()
    for number in range(2_000):
        head = reader.read((*USUAL, (b"x-number", b"%d" % number), (b"x-request-id", b"%d" % number)))
        assert head.metadata == (("x-number", str(number)), ("x-request-id", str(number)))
    assert len(reader._known) <= 257
