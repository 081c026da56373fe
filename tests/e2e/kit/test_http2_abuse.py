"""HTTP/2 as attackers and broken gateways speak it, to the fast port of a real process.

Whatever comes, the process goes on, others are answered meanwhile, nothing of it is left behind, and metrics say how
many were sent away, and why.
"""

import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from support.echo import NAME
from support.http2_attacks import (
    CONTINUATION,
    GREETING,
    INITIAL_WINDOW_SIZE,
    LARGE,
    PING,
    PRIORITY,
    Attacker,
    begun,
    called,
    in_frames,
    path,
    reset,
    setting,
    streams,
    window,
)
from support.raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    SETTINGS,
    frame,
    request_headers,
)
from support.running_echo import IN_FLIGHT, RunningEcho, running_echo
from support.wire import TEXT

MANY = 12_000
"""More than a gateway gives up at once."""
KEPT_FOR_ONE = 64 << 20
"""Bytes a connection may cost: eight megabytes of questions, sixteen of answers, and what Python takes for it."""


@dataclass(frozen=True, slots=True)
class Attack:
    """What is sent after the greeting, and what becomes of it."""

    sends: Callable[[], Iterable[bytes]]
    why: str = ""
    """What it is counted as; nothing for what is borne."""
    ends: bool = True
    """Whether it costs the connection."""


def parts(attack: Iterable[bytes]) -> Iterator[bytes]:
    """Give what is sent in pieces of some size."""
    piece = bytearray()
    for each in attack:
        piece += each
        if len(piece) > 1 << 16:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


HEADER_BLOCK = request_headers(path("Say"))
LONG_ENTRY = b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4_000
"""A header field that is put into the table of the connection (RFC 7541, 6.2.1); `\xbe` is that entry."""

ATTACKS = {
    "rapid reset": Attack(lambda: (begun(each) + reset(each) for each in streams(MANY)), "flooded"),
    "resets the server is made to send": Attack(
        lambda: (begun(each) + window(each, 0x7FFF_FFFF) for each in streams(MANY)), "broken"
    ),
    "settings flood": Attack(lambda: [frame(SETTINGS, 0, 0, setting(3, 9))] * 30_000, "flooded"),
    "ping flood": Attack(lambda: [frame(PING, 0, 0, bytes(8))] * 10_000),
    "headers without end": Attack(
        lambda: [frame(HEADERS, 0, 1, HEADER_BLOCK), *[frame(CONTINUATION, 0, 1, b"\0\x01a\x01b" * 50)] * 5_000],
        "flooded",
    ),
    "continuations of nothing": Attack(
        lambda: [frame(HEADERS, 0, 1, HEADER_BLOCK), *[frame(CONTINUATION, 0, 1, b"")] * 5_000], "flooded"
    ),
    "headers that are small only while they are packed": Attack(
        lambda: [frame(HEADERS, END_HEADERS, 1, HEADER_BLOCK + LONG_ENTRY + b"\xbe" * 5_000)], "flooded"
    ),
    "a frame too large": Attack(lambda: [begun(1), frame(DATA, 0, 1, bytes(1 << 17))], "broken"),
    "settings of a broken size": Attack(lambda: [frame(SETTINGS, 0, 0, b"12345")], "broken"),
    "a ping of a broken size": Attack(lambda: [frame(PING, 0, 0, b"1234567")], "broken"),
    "headers nobody can unpack": Attack(lambda: [frame(HEADERS, END_HEADERS, 1, b"\xff" * 50)], "broken"),
    "another frame between headers": Attack(
        lambda: [frame(HEADERS, 0, 1, HEADER_BLOCK), frame(PING, 0, 0, bytes(8))], "broken"
    ),
    "data of no call": Attack(lambda: [frame(DATA, 0, 7, b"x")], "broken"),
    "data after its end": Attack(lambda: [called(1, "Hang"), *[frame(DATA, 0, 1, b"garbage")] * 3], "broken"),
    "a call with a server's number": Attack(lambda: [begun(2)], "broken"),
    "a call with an old number": Attack(lambda: [called(5), called(3)], ends=False),
    "a window that is too large": Attack(lambda: [window(0, 0x7FFF_FFFF), window(0, 0x7FFF_FFFF)], "broken"),
    "a promise to the server": Attack(lambda: [begun(1), frame(5, END_HEADERS, 1, struct.pack(">I", 2))], "broken"),
    "windows that hardly grow": Attack(lambda: [window(0, 1)] * 20_000, ends=False),
    "frames with nothing in them": Attack(lambda: [begun(1, "Collect"), *[frame(DATA, 0, 1, b"")] * 20_000], "flooded"),
    "priorities of calls there are none of": Attack(
        lambda: (frame(PRIORITY, 0, each, bytes(5)) for each in streams(20_000)), "flooded"
    ),
    "frames nobody knows": Attack(lambda: [frame(0x63, 0xFF, 0, b"?" * 100)] * 5_000, ends=False),
    "deadlines of a gateway, all at once": Attack(
        lambda: (begun(each) + reset(each) for each in streams(3_000)), "abandoned", ends=False
    ),
}


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEcho]:
    with running_echo(tmp_path_factory.mktemp("echo")) as running:
        # What is made for the first call stays.
        with somebody_else(running.addresses["fast"]):
            pass
        yield running


@contextmanager
def somebody_else(address: str) -> Iterator[None]:
    """Let a client call all the while, and once more at the end; fail when it is not answered every time."""
    answered, over = threading.Semaphore(0), threading.Event()
    failures = list[str]()

    def call() -> None:
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            say = channel.unary_unary(f"/{NAME}/Say", **TEXT)
            while True:
                is_last = over.is_set()
                try:
                    say(StringValue(value="x"), timeout=60)
                except grpc.RpcError as error:
                    failures.append(str(error))
                answered.release()
                if is_last:
                    return

    calling = threading.Thread(target=call)
    calling.start()
    try:
        answered.acquire()
        yield
    finally:
        over.set()
        calling.join()
    assert failures == []


@contextmanager
def nothing_left(echo: RunningEcho) -> Iterator[None]:
    """See to it that as little is alive after the block as before."""
    before = echo.scrape()
    yield
    counts = [IN_FLIGHT, *(key for key in before if key[0] == "echo_living")]
    while any(now[key] > before[key] for now in [echo.scrape()] for key in counts):
        pass


@contextmanager
def counted(echo: RunningEcho, *why: str) -> Iterator[None]:
    """See to it that somebody is sent away inside the block, and that it is said why."""
    before = [*map(echo.sent_away, why)]
    yield
    assert all(now > then for now, then in zip(map(echo.sent_away, why), before, strict=True))


@pytest.fixture
def attacker(echo: RunningEcho) -> Iterator[Attacker]:
    """A connection to a process that others use too: they are answered, and nothing of it is left."""
    address = echo.addresses["fast"]
    with nothing_left(echo), somebody_else(address), Attacker(address) as attacker:
        yield attacker


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack(name: str, echo: RunningEcho, attacker: Attacker) -> None:
    attack = ATTACKS[name]
    with counted(echo, *([attack.why] if attack.why else [])):
        went_through = attacker.send(GREETING) and all(map(attacker.send, parts(attack.sends())))
        if attack.ends:
            assert not went_through or attacker.is_ended()
        else:
            attacker.send(called(99_999))
            attacker.until(HEADERS, 99_999, END_STREAM)


@pytest.mark.parametrize("preface", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX", bytes(1_000)])
def test_what_does_not_greet(preface: bytes, echo: RunningEcho, attacker: Attacker) -> None:
    with counted(echo, "broken"):
        attacker.send(preface)
        assert attacker.is_ended()


def test_pings_one_after_another(echo: RunningEcho, attacker: Attacker) -> None:
    with counted(echo, "too_many_pings"):
        attacker.send(GREETING)
        for _ in range(100):
            attacker.send(frame(PING, 0, 0, bytes(8)))
        assert attacker.is_ended()


def test_a_call_byte_by_byte(attacker: Attacker) -> None:
    for byte in GREETING + called(1):
        attacker.send(bytes([byte]))
    attacker.until(HEADERS, 1, END_STREAM)


def test_what_is_no_grpc_costs_a_call_only(echo: RunningEcho, attacker: Attacker) -> None:
    html = begun(1, "Say", (b"content-type", b"text/html"), flags=END_HEADERS | END_STREAM)
    with counted(echo, "not_grpc"):
        attacker.send(GREETING, html, called(3))
        attacker.until(HEADERS, 1, END_STREAM)
        attacker.until(HEADERS, 3, END_STREAM)


def test_answers_without_a_window_are_bounded(echo: RunningEcho) -> None:
    """Sixteen megabytes of them are kept for a connection, and until it takes some it gets no new call."""
    address = echo.addresses["fast"]
    with nothing_left(echo), somebody_else(address), Attacker(address) as attacker:
        attacker.greet(setting(INITIAL_WINDOW_SIZE, 0))
        before, unread = echo.resident, echo.sent_away("unread")
        for stream in streams(60):
            attacker.send(begun(stream, "Say"), in_frames(stream, LARGE))
        while echo.sent_away("unread") == unread:
            pass
        assert echo.resident - before < KEPT_FOR_ONE
        attacker.vanish()


def test_so_are_those_that_nobody_reads(echo: RunningEcho) -> None:
    address = echo.addresses["fast"]
    with nothing_left(echo), somebody_else(address), Attacker(address) as attacker:
        attacker.greet(setting(INITIAL_WINDOW_SIZE, (1 << 31) - 1))
        attacker.send(window(0, 1 << 30))
        before = echo.resident
        for stream in streams(160):
            attacker.send(begun(stream, "Say"), in_frames(stream, LARGE))
        assert echo.resident - before < KEPT_FOR_ONE
        attacker.vanish()


def test_clients_that_vanish_in_the_middle(echo: RunningEcho) -> None:
    address = echo.addresses["fast"]
    with nothing_left(echo), somebody_else(address):
        for _ in range(100):
            with Attacker(address) as attacker:
                calls = [called(stream, "Watch") for stream in streams(5)]
                attacker.send(GREETING, *calls, begun(11, "Chat"), frame(DATA, 0, 11, b"\0\0\0\1\0half of it"))
                attacker.until(DATA, 9)
                attacker.vanish()


def test_who_says_no_more_in_the_middle(echo: RunningEcho, attacker: Attacker) -> None:
    attacker.send(GREETING, called(1, "Watch"))
    attacker.until(DATA, 1)
    attacker.say_no_more()
    assert attacker.is_ended()


def test_a_storm_of_deadlines(attacker: Attacker) -> None:
    """All calls that there may be on a connection, and none of them waits: each is told that its time is over."""
    soon = (b"grpc-timeout", b"1m")
    attacker.send(GREETING, *(called(stream, "Hang", soon) for stream in streams(1_000)))
    attacker.until_all_ended(1_000)


def test_connections_that_never_say_anything(echo: RunningEcho) -> None:
    address = echo.addresses["fast"]
    with nothing_left(echo), somebody_else(address), ExitStack() as silent:
        for _ in range(300):
            silent.enter_context(Attacker(address)).until(SETTINGS)
