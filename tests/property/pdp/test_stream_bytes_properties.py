"""What comes and goes on a stream says as bytes what it says as a message."""

import pytest
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from hypothesis import example, given
from hypothesis import strategies as st
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.errors import InvalidRequest
from ringfence_pdp.convert.decisions import check_request
from ringfence_pdp.convert.stream_bytes import asked_on_stream, failed, numbered, responded
from ringfence_pdp.model import CheckRequest

NUMBERS = st.integers(0, 2**64 - 1) | st.integers(0, 300) | st.sampled_from([2**28, 2**35 - 1, 2**35])
REQUESTS = st.builds(
    pb.CheckRequest,
    subject=st.just(pb.Subject(agent="namespaces/data/agents/analyst")),
    action=st.builds(pb.Action, name=st.sampled_from(["read_table", "", "Bad Name"])),
    environment=st.sampled_from(["prod", ""]),
    session=st.sampled_from(["", "s" * 40, "s" * 120, "s" * 250]),
)
SENT = st.builds(pb.CheckStreamRequest, id=NUMBERS, request=st.none() | REQUESTS).map(
    lambda message: message.SerializeToString()
)


def quickly(sent: bytes) -> tuple[int, CheckRequest | str]:
    read = asked_on_stream(sent)
    try:
        return read.number, read.asked.question()
    except InvalidRequest as invalid:
        return read.number, str(invalid)


def slowly(sent: bytes) -> tuple[int, CheckRequest | str]:
    message = pb.CheckStreamRequest.FromString(sent)
    try:
        return message.id, check_request(message.request)
    except InvalidRequest as invalid:
        return message.id, str(invalid)


@given(sent=SENT, behind=SENT | st.just(b""), changes=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255))))
@example(sent=b"", behind=b"", changes=[])
@example(sent=b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x12\x00", behind=b"", changes=[])
@example(sent=b"\x08\x01\x12\x00", behind=b"\x08\x02", changes=[])
def test_a_question_is_read_as_protobuf_reads_it(sent: bytes, behind: bytes, changes: list[tuple[int, int]]) -> None:
    wire = bytearray(sent + behind)
    for place, value in changes:
        if wire:
            wire[place % len(wire)] = value
    try:
        expected = slowly(bytes(wire))
    except DecodeError:
        with pytest.raises(DecodeError):
            quickly(bytes(wire))
        return
    assert quickly(bytes(wire)) == expected


@given(number=NUMBERS, decision_id=st.text(max_size=40), size=st.sampled_from([0, 1, 200, 20_000]))
def test_an_answer_is_written_as_protobuf_writes_it(number: int, decision_id: str, size: int) -> None:
    response = pb.CheckResponse(decision_id=decision_id, message="m" * size)
    answer = pb.CheckStreamAnswer(id=number, response=response)
    said = numbered(number, responded(response.SerializeToString()))
    assert said == pb.CheckStreamResponse(answer=answer).SerializeToString()


@given(number=NUMBERS, code=st.integers(1, 16), message=st.text(max_size=200))
def test_an_error_is_written_as_protobuf_writes_it(number: int, code: int, message: str) -> None:
    error = Status(code=code, message=message)
    answer = pb.CheckStreamAnswer(id=number, error=error)
    assert numbered(number, failed(error)) == pb.CheckStreamResponse(answer=answer).SerializeToString()


def test_what_most_clients_send_is_read_without_a_message() -> None:
    request = pb.CheckRequest(
        subject=pb.Subject(agent="namespaces/data/agents/analyst"),
        action=pb.Action(name="read_table"),
        environment="prod",
        session="s" * 90,
    )
    read = [
        asked_on_stream(pb.CheckStreamRequest(id=number, request=request).SerializeToString())
        for number in (1, 300, 2**30)
    ]
    assert [one.number for one in read] == [1, 300, 2**30]
    assert all(one.asked.routine is not None for one in read)
    assert all(one.asked.sent == request.SerializeToString() for one in read)
