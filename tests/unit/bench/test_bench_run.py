"""Contenders take turns, and the load generator believes no answer it has not looked at."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from apart import ABSENT
from contenders import InProcess, in_turns
from grpc_load import Call, Load, LoadError, framed, take_messages
from hypothesis import given
from hypothesis import strategies as st
from run import PLAN, QUICK, options, rows_of
from targets import FIGURES


@dataclass(slots=True, kw_only=True)
class Steered:
    """A contender whose every turn is written down; it fails in the turn it is told to."""

    name: str
    turns: list[str]
    fails_at: int = -1
    taken: int = field(default=0)

    async def take_turn(self, seconds: float) -> float:
        self.turns.append(self.name)
        self.taken += 1
        if self.taken == self.fails_at:
            raise LoadError("wrong")
        return self.taken * seconds


async def test_each_has_its_turn_in_every_round_and_the_first_is_not_counted() -> None:
    turns: list[str] = []
    contenders = [Steered(name=name, turns=turns) for name in "ab"]
    found, failed = await in_turns(contenders, rounds=2, slice_s=10.0, progress=lambda _: None)
    assert turns == ["a", "b"] * 3
    assert found == {"a": [20.0, 30.0], "b": [20.0, 30.0]}
    assert failed == {}


@pytest.mark.parametrize("turn", [1, 3])
async def test_one_that_fails_is_out_with_all_it_said(turn: int) -> None:
    turns: list[str] = []
    contenders = [Steered(name="a", turns=turns, fails_at=turn), Steered(name="b", turns=turns)]
    found, failed = await in_turns(contenders, rounds=3, slice_s=1.0, progress=lambda _: None)
    assert found == {"b": [2.0, 3.0, 4.0]}
    assert failed == {"a": "LoadError: wrong"}
    assert turns.count("a") == turn


async def test_a_function_is_called_until_its_slice_is_over() -> None:
    calls: list[int] = []
    assert await InProcess(name="f", line=lambda: calls.append(1), calls=3).take_turn(0.001) >= 0
    assert len(calls) % 3 == 0
    assert calls


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(min_value=1, max_value=70))
def test_messages_are_the_same_however_they_were_cut(messages: list[bytes], piece: int) -> None:
    sent, body, found = b"".join(map(framed, messages)), bytearray(), list[bytes]()
    for at in range(0, len(sent), piece):
        body += sent[at : at + piece]
        found += take_messages(body)
    assert (found, bytes(body)) == (messages, b"")


def test_a_compressed_message_is_an_error() -> None:
    with pytest.raises(LoadError, match="compressed"):
        take_messages(bytearray(b"\1\0\0\0\1x"))


async def _call(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
    if request == b"refuse":
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
    return request


@pytest_asyncio.fixture
async def address() -> AsyncIterator[str]:
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_call)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Call": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def asked(address: str, call: Call) -> int:
    load = await Load.open(address, call, connections=2, streams=2)
    try:
        return (await load.during(asyncio.sleep(0))).calls
    finally:
        load.close()


async def test_right_answers_are_counted(address: str) -> None:
    call = Call(method="/test.Echo/Call", requests=[b"a", b"b"], is_right=lambda body: body in {b"a", b"b"})
    assert await asked(address, call) >= 4


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (Call(method="/test.Echo/Nothing", requests=[b"a"], is_right=bool), "grpc-status"),
        (Call(method="/test.Echo/Call", requests=[b"refuse"], is_right=bool), "grpc-status"),
        (Call(method="/test.Echo/Call", requests=[b"a"], is_right=lambda _: False), "what it should not"),
    ],
    ids=["an unknown method", "a refusal", "a wrong body"],
)
async def test_any_other_answer_ends_the_measurement(address: str, call: Call, why: str) -> None:
    with pytest.raises(LoadError, match=why):
        await asked(address, call)


async def test_a_server_that_goes_away_ends_the_measurement() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(LoadError, match="connection was lost"):
            await asked(address, Call(method="/test.Echo/Call", requests=[b""], is_right=bool))


def test_rows_are_numbers_and_spans() -> None:
    assert rows_of("1-3,17") == [1, 2, 3, 17]
    with pytest.raises(ValueError, match="invalid literal"):
        rows_of("1-x")


def arguments(**changes: object) -> argparse.Namespace:
    plain = {"rows": None, "quick": False, "rounds": None, "check": False, "no_cerbos": False}
    return argparse.Namespace(**(plain | changes))


def test_everything_is_measured_unless_somebody_says_otherwise() -> None:
    assert options(arguments()) == (list(FIGURES), PLAN)
    assert options(arguments(quick=True))[1] == QUICK
    figures, plan = options(arguments(rows="2", rounds=3, no_cerbos=True))
    assert {figure.row for figure in figures} == {2}
    assert (plan.rounds, plan.with_cerbos) == (3, False)


def test_a_check_looks_at_what_is_gated_and_there() -> None:
    figures, _ = options(arguments(check=True))
    assert figures
    assert all(figure.gated and figure.needs.isdisjoint(ABSENT) for figure in figures)
