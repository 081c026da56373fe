"""A question read from bytes is the one protobuf and `check_request` read, or is left to them."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.errors import InvalidRequest
from ringfence_pdp.convert.decisions import BATCH_MAX, check_request
from ringfence_pdp.convert.question_bytes import asked, asked_batch, plain_question
from ringfence_pdp.model import CheckRequest, nothing

TEXTS = st.sampled_from(
    ["", "x", "read_table", "prod", "é", "line\nbreak", "n" * 63, 'with "quotes"', "t" * 128, "u" * 300]
)
HASHES = st.sampled_from(["", "sha256-" + "0" * 64, "sha256-x"])
SENT = st.dictionaries(TEXTS, st.one_of(TEXTS, st.floats(0, 9), st.lists(st.booleans(), max_size=3)), max_size=3)


def _struct(sent: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(sent)
    return struct


def _some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


SUBJECTS = st.builds(
    pb.Subject,
    did=st.sampled_from(["", "did:web:example.com", "did:key:z6Mk", "nobody"]),
    agent=st.sampled_from(["", "namespaces/data/agents/analyst", "analyst"]),
)
ACTIONS = st.builds(
    pb.Action,
    name=st.sampled_from(["read_table", "tools/call", "", "UPPER"]),
    tool=st.sampled_from(["", "warehouse.query", "t" * 34]),
    tool_schema_hash=HASHES,
    side_effects=st.integers(0, 5),
    protocol=st.integers(0, 3),
    arguments=_some(SENT.map(_struct)),
    arguments_digest=st.just("") | HASHES,
)
RESOURCES = st.builds(
    pb.Resource,
    type=TEXTS,
    id=TEXTS,
    data_class=st.sampled_from(["", "pii"]),
    labels=st.dictionaries(st.sampled_from(["team", "Team"]), TEXTS, max_size=2),
    environment=st.sampled_from(["", "prod"]),
)
PLAIN = st.builds(
    pb.CheckRequest,
    subject=SUBJECTS,
    action=ACTIONS,
    resource=_some(RESOURCES),
    environment=st.sampled_from(["prod", "dev", "", "Prod"]),
    side=st.integers(0, 3),
    session=TEXTS,
    context=_some(SENT.map(_struct)),
    trace_id=st.sampled_from([b"", b"t" * 16, b"short"]),
)
SELDOM = st.builds(
    pb.CheckRequest,
    target=_some(SUBJECTS),
    chain=st.lists(st.just("did:web:example.com"), max_size=2),
    supported_obligations=st.lists(st.just("redact"), max_size=1),
    approval=st.sampled_from(["", "approvals/one"]),
)


def _told(question: CheckRequest) -> tuple[CheckRequest, object, object]:
    """What a question says, with what is read when it is asked for."""
    read = question.arguments(), question.context()
    return (question._replace(arguments=nothing, context=nothing), *read)


def _refusal(refused: DecodeError | InvalidRequest) -> object:
    """What is wrong, in any order: that of a map's entries is not the same in each message that is read."""
    return sorted(map(str, refused.violations)) if isinstance(refused, InvalidRequest) else str(refused)


def _slowly(sent: bytes) -> object:
    try:
        return _told(check_request(pb.CheckRequest.FromString(sent)))
    except (DecodeError, InvalidRequest) as refused:
        return _refusal(refused)


def _quickly(sent: bytes) -> object:
    try:
        return _told(asked(sent).question())
    except (DecodeError, InvalidRequest) as refused:
        return _refusal(refused)


@given(plain=PLAIN, seldom=st.none() | SELDOM)
def test_a_question_is_read_the_same_from_its_bytes(plain: pb.CheckRequest, seldom: pb.CheckRequest | None) -> None:
    if seldom is not None:
        plain.MergeFrom(seldom)
    sent = plain.SerializeToString()
    assert _quickly(sent) == _slowly(sent)


@given(plain=PLAIN, changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4), data=st.data())
def test_bytes_that_were_tampered_with_are_read_the_same_or_refused(
    plain: pb.CheckRequest, changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    sent = bytearray(plain.SerializeToString())
    for place, value in changes:
        if place < len(sent):
            sent[place] = value
    cut = bytes(sent[: data.draw(st.integers(0, len(sent)))] if data.draw(st.booleans()) else sent)
    assert _quickly(cut) == _slowly(cut)


@given(sent=st.binary(max_size=40))
def test_any_bytes_are_read_the_same_or_refused(sent: bytes) -> None:
    assert _quickly(sent) == _slowly(sent)


@given(pieces=st.lists(PLAIN, min_size=2, max_size=3))
def test_fields_that_come_twice_are_merged_as_protobuf_merges_them(pieces: list[pb.CheckRequest]) -> None:
    sent = b"".join(piece.SerializeToString() for piece in pieces)
    assert _quickly(sent) == _slowly(sent)


@given(items=st.lists(PLAIN, max_size=3), behind=st.binary(max_size=6))
def test_a_batch_is_its_requests(items: list[pb.CheckRequest], behind: bytes) -> None:
    sent = pb.BatchCheckRequest(requests=items).SerializeToString() + behind
    try:
        whole = pb.BatchCheckRequest.FromString(sent)
        expected: object = [_slowly(item.SerializeToString()) for item in whole.requests]
    except DecodeError:
        expected = DecodeError
    try:
        found: object = [_quickly(one.sent) for one in asked_batch(sent)]
    except DecodeError:
        found = DecodeError
    except InvalidRequest:
        found = []
    assert found == expected


def test_what_most_requests_say_is_read_without_protobuf() -> None:
    request = pb.CheckRequest(
        subject=pb.Subject(agent="namespaces/data/agents/analyst"),
        action=pb.Action(
            name="read_table", tool="t" * 34, arguments=_struct({"table": "orders"}), side_effects=pb.SIDE_EFFECTS_READ
        ),
        resource=pb.Resource(type="table", id="orders"),
        environment="prod",
        session="session-1",
        context=_struct({"ticket": 7}),
        trace_id=b"t" * 16,
    )
    read = plain_question(request.SerializeToString())
    assert read is not None
    assert _told(read) == _told(check_request(request))


@given(asked_before=PLAIN, plain=PLAIN, session=TEXTS, resource=RESOURCES)
def test_what_is_remembered_of_one_question_is_said_of_no_other(
    asked_before: pb.CheckRequest, plain: pb.CheckRequest, session: str, resource: pb.Resource
) -> None:
    again = pb.CheckRequest()
    again.CopyFrom(plain)
    again.session = session
    again.resource.CopyFrom(resource)
    for one in (asked_before, plain, again, plain):
        sent = one.SerializeToString()
        assert _quickly(sent) == _slowly(sent)


@pytest.mark.parametrize("name", [33, 34, 35])
@pytest.mark.parametrize("session", [0, 1, 127, 128, 256])
def test_texts_of_any_length_are_read_without_protobuf(name: int, session: int) -> None:
    """A length may look like the beginning of something else: that of 34 bytes is how arguments begin."""
    request = pb.CheckRequest(
        subject=pb.Subject(agent=f"namespaces/{'n' * (name - 20)}/agents/a"),
        action=pb.Action(name="r" * name, tool="t" * name),
        environment="prod",
        session="s" * session,
    )
    for _ in range(2):
        read = plain_question(request.SerializeToString())
        assert read is not None
        assert _told(read) == _told(check_request(request))


def test_a_batch_of_none_and_of_too_many_is_refused() -> None:
    for count in (0, BATCH_MAX + 1):
        batch = pb.BatchCheckRequest(requests=[pb.CheckRequest()] * count)
        with pytest.raises(InvalidRequest) as refused:
            asked_batch(batch.SerializeToString())
        assert [violation.field for violation in refused.value.violations] == ["requests"]
