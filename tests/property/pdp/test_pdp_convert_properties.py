"""Messages to questions and back: what is sent is what is judged, or it is refused with a path."""

from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.errors import InvalidRequest
from ringfence_pdp.api.decisions import check_bytes
from ringfence_pdp.convert.decisions import check_request, plain
from support.pdp.desk import ADMIN, Desk
from support.pdp.served import question

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=12
)


@given(sent=st.dictionaries(texts, values, max_size=4))
def test_arguments_are_read_as_they_were_sent(sent: dict[str, Any]) -> None:
    struct = Struct()
    struct.update(sent)
    assert plain(struct) == sent
    request = question()
    request.action.arguments.CopyFrom(struct)
    read = check_request(request)
    assert read.arguments() == sent
    assert read.arguments() is read.arguments()
    assert read.context() == {}


@given(
    action=st.one_of(st.just("read_table"), texts),
    tool=st.one_of(st.just(""), st.just("warehouse.query"), texts),
    agent=st.one_of(st.just("namespaces/data/agents/analyst"), texts),
    environment=st.one_of(st.just("dev"), texts),
    session=texts,
    side=st.integers(0, 4),
)
def test_a_request_is_read_whole_or_refused_with_paths(**fields: Any) -> None:
    request = pb.CheckRequest(
        subject=pb.Subject(agent=fields["agent"]),
        action=pb.Action(name=fields["action"], tool=fields["tool"]),
        environment=fields["environment"],
        session=fields["session"],
        side=fields["side"],
    )
    refused: InvalidRequest | None = None
    try:
        read = check_request(request)
    except InvalidRequest as error:
        refused = error
    if refused is not None:
        assert all(violation.field and violation.problem for violation in refused.violations)
        return
    assert (read.action, read.tool or "", str(read.agent)) == (fields["action"], fields["tool"], fields["agent"])
    assert (read.environment, read.session or "") == (fields["environment"], fields["session"])


async def test_bytes_in_and_bytes_out_are_the_whole_of_check() -> None:
    desk = Desk()
    asked = pb.CheckRequest(
        subject=pb.Subject(agent="namespaces/data/agents/analyst-1"),
        action=pb.Action(name="read_table"),
        environment="prod",
    )
    answer = pb.CheckResponse.FromString(check_bytes(desk.decisions, asked.SerializeToString(), ADMIN))
    assert answer.effect == pb.EFFECT_ALLOW
    assert [item_id for item_id, _ in desk.tray.items] == [answer.decision_id]


@given(body=st.binary(max_size=60))
async def test_any_bytes_are_answered_or_refused(body: bytes) -> None:
    desk, refusals = Desk(), (DecodeError, InvalidRequest)
    try:
        answer = pb.CheckResponse.FromString(check_bytes(desk.decisions, body, ADMIN))
    except refusals:
        answer = pb.CheckResponse(effect=pb.EFFECT_DENY)
    assert answer.effect in (pb.EFFECT_DENY, pb.EFFECT_ALLOW, pb.EFFECT_REQUIRE_APPROVAL)
