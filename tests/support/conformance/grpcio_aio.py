"""`python -m support.conformance.grpcio_aio ADDRESS [CASES]`: grpcio's asyncio client drives the suite."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.wrappers_pb2 import StringValue

from support.conformance.table import (
    LANES,
    LONGEST_CALL_S,
    SERVICE,
    Answers,
    Case,
    Trailers,
    line_of,
    line_of_lanes,
    read_cases,
)

MESSAGES: dict[str, Any] = {
    "request_serializer": StringValue.SerializeToString,
    "response_deserializer": StringValue.FromString,
}


async def once(channel: grpc.aio.Channel, case: Case, answers: Answers) -> tuple[int, str, Trailers]:
    """Make the call of a case; return how it ended."""
    call = begun(channel, case)
    try:
        if case.call in ("unary", "client_stream"):
            answers.add((await call).value)
        elif case.in_turn:
            await talk_in_turn(call, case, answers)
        else:
            await read(call, case, answers)
    except (grpc.aio.AioRpcError, asyncio.CancelledError):
        pass
    code = await call.code()
    trailing = await call.trailing_metadata() or ()
    return code.value[0], await call.details() or "", [(key, value) for key, value in trailing]


def begun(channel: grpc.aio.Channel, case: Case) -> Any:
    """Begin a call."""
    options: dict[str, Any] = {"timeout": case.timeout, "metadata": case.sent_metadata()}
    if case.compress:
        options["compression"] = grpc.Compression.Gzip
    kinds = {
        "unary": channel.unary_unary,
        "server_stream": channel.unary_stream,
        "client_stream": channel.stream_unary,
        "bidi": channel.stream_stream,
    }
    make: Any = kinds[case.call](case.path, **MESSAGES)
    if case.call in ("unary", "server_stream"):
        return make(StringValue(value=next(case.texts())), **options)
    if case.call == "bidi":
        return make(**options)
    return make(spoken(case), **options)


async def spoken(case: Case) -> AsyncIterator[StringValue]:
    for text in case.texts():
        yield StringValue(value=text)


async def talk_in_turn(call: Any, case: Case, answers: Answers) -> None:
    for text in case.texts():
        await call.write(StringValue(value=text))
        answers.add((await call.read()).value)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def read(call: Any, case: Case, answers: Answers) -> None:
    written = asyncio.Event()
    writing = asyncio.ensure_future(write(call, case, written)) if case.call == "bidi" else None
    if case.read_late:
        await written.wait()
    try:
        while (answer := await call.read()) is not grpc.aio.EOF:
            answers.add(answer.value)
            if case.cancel_after == answers.count:
                call.cancel()
    finally:
        if writing is not None:
            await asyncio.wait([writing])
            # It fails with the call, which is what is looked at.
            writing.exception()


async def write(call: Any, case: Case, written: asyncio.Event) -> None:
    for number, text in enumerate(case.texts(), start=1):
        await call.write(StringValue(value=text))
        if number == case.read_late:
            written.set()
    await call.done_writing()


async def run(address: str, cases: Path) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        for case in read_cases(cases):
            answers = [Answers() for _ in range(case.at_once)]
            code, message, trailers = (await asyncio.gather(*(once(channel, case, each) for each in answers)))[-1]
            print(line_of(case, code, message, trailers, answers), flush=True)


async def call_without_pause(address: str) -> None:
    """Call on each of some connections until the input has ended and there was one more answer."""
    begun, going_on, over = asyncio.Barrier(LANES + 1), asyncio.Event(), asyncio.Event()

    async def lane(number: int) -> list[int]:
        codes = list[int]()
        async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            say: Any = channel.unary_unary(f"/{SERVICE}/Say", **MESSAGES)
            is_last = False
            while not (is_last and codes[-1] == 0):
                is_last = over.is_set()
                codes.append(await code_of(say, StringValue(value=f"{number}/{len(codes)}")))
                if len(codes) == 1:
                    await begun.wait()
                    await going_on.wait()
        return codes

    async with asyncio.TaskGroup() as tasks:
        lanes = [tasks.create_task(lane(number)) for number in range(LANES)]
        await begun.wait()
        print("begun", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        going_on.set()
        await asyncio.to_thread(sys.stdin.read)
        over.set()
    print(line_of_lanes([each.result() for each in lanes]))


async def code_of(say: Any, text: StringValue) -> int:
    """Say something; return how that ended."""
    try:
        assert await say(text, timeout=LONGEST_CALL_S) == text
    except grpc.aio.AioRpcError as error:
        return int(error.code().value[0])
    return 0


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2])) if len(sys.argv) > 2 else call_without_pause(sys.argv[1]))
