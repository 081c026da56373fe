"""`python -m support.conformance.grpcio_sync ADDRESS [CASES]`: grpcio's blocking client drives the suite."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
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
THREADS = 32


class Spoken:
    """What a caller says: at once, or message by message as it is let."""

    def __init__(self, case: Case) -> None:
        self._in_turn = case.in_turn
        self._texts = case.texts()
        self._late = case.read_late
        self._said = 0
        self.written = threading.Event()
        self._may_go_on: SimpleQueue[None] = SimpleQueue()

    def __iter__(self) -> Iterator[StringValue]:
        for text in self._texts:
            yield StringValue(value=text)
            self._said += 1
            if self._said == self._late:
                self.written.set()
            if self._in_turn:
                self._may_go_on.get()

    def go_on(self) -> None:
        """Let the next message be said."""
        self._may_go_on.put(None)


def once(channel: grpc.Channel, case: Case, answers: Answers) -> tuple[int, str, Trailers]:
    """Make the call of a case; return how it ended."""
    options: dict[str, Any] = {"timeout": case.timeout, "metadata": case.sent_metadata()}
    if case.compress:
        options["compression"] = grpc.Compression.Gzip
    call: Any
    try:
        if case.call in ("unary", "client_stream"):
            make: Any = (channel.unary_unary if case.call == "unary" else channel.stream_unary)(case.path, **MESSAGES)
            said = StringValue(value=next(case.texts())) if case.call == "unary" else iter(Spoken(case))
            answer, call = make.with_call(said, **options)
            answers.add(answer.value)
        else:
            call = streamed(channel, case, options, answers)
    except grpc.RpcError as error:
        call = error
    return call.code().value[0], call.details() or "", [(key, value) for key, value in call.trailing_metadata() or ()]


def streamed(channel: grpc.Channel, case: Case, options: dict[str, Any], answers: Answers) -> Any:
    spoken = Spoken(case)
    if case.call == "server_stream":
        opened: Any = channel.unary_stream(case.path, **MESSAGES)
        call = opened(StringValue(value=next(case.texts())), **options)
    else:
        opened = channel.stream_stream(case.path, **MESSAGES)
        call = opened(iter(spoken), **options)
        if case.read_late:
            spoken.written.wait()
    for answer in call:
        answers.add(answer.value)
        spoken.go_on()
        if case.cancel_after == answers.count:
            call.cancel()
    return call


def run(address: str, cases: Path) -> None:
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(THREADS) as threads:
        for case in read_cases(cases):
            answers = [Answers() for _ in range(case.at_once)]
            told = list(threads.map(lambda each, case=case: once(channel, case, each), answers))
            code, message, trailers = told[-1]
            print(line_of(case, code, message, trailers, answers), flush=True)


def call_without_pause(address: str) -> None:
    """Call on each of some connections until the input has ended and there was one more answer."""
    begun, going_on, over = threading.Barrier(LANES + 1), threading.Event(), threading.Event()

    def lane(number: int) -> list[int]:
        codes = list[int]()
        with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            say: Any = channel.unary_unary(f"/{SERVICE}/Say", **MESSAGES)
            is_last = False
            while not (is_last and codes[-1] == 0):
                is_last = over.is_set()
                codes.append(code_of(say, StringValue(value=f"{number}/{len(codes)}")))
                if len(codes) == 1:
                    begun.wait()
                    going_on.wait()
        return codes

    with ThreadPoolExecutor(LANES) as threads:
        lanes = [threads.submit(lane, number) for number in range(LANES)]
        begun.wait()
        print("begun", flush=True)
        sys.stdin.readline()
        going_on.set()
        sys.stdin.read()
        over.set()
        print(line_of_lanes([each.result() for each in lanes]))


def code_of(say: Any, text: StringValue) -> int:
    """Say something; return how that ended."""
    try:
        assert say(text, timeout=LONGEST_CALL_S) == text
    except grpc.RpcError as error:
        call: Any = error
        return int(call.code().value[0])
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        run(sys.argv[1], Path(sys.argv[2]))
    else:
        call_without_pause(sys.argv[1])
