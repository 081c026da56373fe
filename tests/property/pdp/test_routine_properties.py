"""A routine is answered, logged and counted like any other question, whatever changes meanwhile."""

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import HOUR, Instant, Millis
from ringfence_kit.errors import NotPermitted, Unavailable
from ringfence_kit.events import Revision
from ringfence_pdp.answer import Answer
from ringfence_pdp.convert.answer_bytes import response_bytes
from ringfence_pdp.convert.question_bytes import Asked, asked
from ringfence_pdp.facts import AgentIdentity, IdentityStatus, RegisteredAgent, RegisteredTool
from ringfence_pdp.filters.finding import ArgumentType
from ringfence_pdp.kill_switch import KillTarget, TargetKind
from ringfence_pdp.masks import DEFAULT_MASKS, NO_MASKS
from ringfence_pdp.model import Resource
from ringfence_pdp.routine_documents import RoutineDocuments
from support.pdp.desk import ADMIN, Desk
from support.pdp.filtering import PATTERNS, filters
from support.pdp.world import ANALYST, HASH, NOW, basis, bundle, identity, policy, registered, tool

AGENT = identity(tools={"warehouse.query": ""})
SOON = Instant(NOW + HOUR)

READ = "{name: read, match: {actions: ['read_*']}, effect: ALLOW, when: \"agent.ring <= 2 && resource.id != 'secret'\"}"
ASK = (
    "{name: ask, match: {actions: ['write_*']}, effect: REQUIRE_APPROVAL, approval: {min_approvals: 1, "
    "approvers: ['group:data'], timeout: 30m}}"
)
DENY = "{name: pii, match: {actions: ['*']}, effect: DENY, when: \"resource.data_class == 'pii'\"}"
LOOKS = '{name: rows, match: {actions: ["read_*"]}, effect: DENY, when: "has(args.rows) && args.rows > 5"}'
HOURS = "{name: hours, match: {actions: ['read_*']}, effect: DENY, when: \"has(context.hour) && context.hour > 20\"}"
LATE = "{name: late, match: {actions: ['read_*']}, effect: ALLOW, when: \"now < timestamp('2026-01-01T00:30:00Z')\"}"
LATELY = "session.count_within('read_table', duration('1h')) > 2"
AGAIN = f'{{name: again, match: {{actions: ["read_*"]}}, effect: DENY, when: "{LATELY}"}}'
LIMITED = policy(READ) + "  limits: [{name: few, rate: 3/1h, per: agent}]\n"

BUNDLES = [
    bundle(policy(READ, ASK, DENY)),
    bundle(policy(READ, name="another")),
    bundle(policy(READ, LOOKS, DENY)),
    bundle(policy(READ, HOURS)),
    bundle(policy(LATE)),
    bundle(policy(DENY)),
    bundle(LIMITED),
    bundle(policy(READ, DENY), filters(PATTERNS)),
    bundle(policy(READ, AGAIN)),
]

CHANGES: list[Any] = [
    AGENT,
    replace(AGENT, revocation_epoch=2),
    replace(AGENT, expires_at=SOON),
    replace(AGENT, ring_ceiling=3),
    replace(AGENT, status=IdentityStatus.REVOKED),
    replace(AGENT, approved_tools={}),
    registered(),
    registered(retired=True),
    tool("warehouse.query"),
    tool("warehouse.query", enabled=False),
    tool("warehouse.query", until=SOON),
    replace(tool("warehouse.query"), argument_types={"/rows": ArgumentType.SECRET}),
    *[("bundle", place) for place in range(len(BUNDLES))],
    ("switch", KillTarget(TargetKind.AGENT, str(ANALYST))),
    ("switch", None),
    ("now", SOON),
    ("now", NOW + 1),
    ("age", 15_001),
    ("age", None),
    ("revision", 8),
    ("breaks", True),
    ("breaks", False),
]


def _request(**said: Any) -> pb.CheckRequest:
    action = pb.Action(name=said.pop("action", "read_table"), tool=said.pop("tool", ""))
    action.tool_schema_hash = said.pop("schema", "")
    for name in ("rows", "token"):
        if (value := said.pop(name, None)) is not None:
            action.arguments.update({name: value})
    if (context := said.pop("context", None)) is not None:
        said["context"] = Struct()
        said["context"].update(context)
    subject = pb.Subject(did=said.pop("did", ""), agent="" if said.pop("nameless", False) else str(ANALYST))
    return pb.CheckRequest(subject=subject, action=action, environment="prod", **said)


USUAL = [
    _request(resource=pb.Resource(type="table", id="orders", data_class="internal"), session='a "session"'),
    _request(resource=pb.Resource(type="table", id="items"), session="another", trace_id=b"t" * 16),
    _request(resource=pb.Resource(id="secret")),
    _request(resource=pb.Resource(data_class="pii")),
    _request(resource=pb.Resource(labels={"team": "data"})),
    _request(resource=pb.Resource(environment="prod")),
    _request(resource=pb.Resource(environment="dev")),
    _request(did=AGENT.did, nameless=True),
    _request(did=AGENT.did),
    _request(tool="warehouse.query"),
    _request(tool="warehouse.query", schema=HASH, side=pb.SIDE_CALLEE),
    _request(rows=3),
    _request(rows=7, session="s"),
    _request(rows=3.5, session="s"),
    _request(rows=[3, {"deep": -0.0}]),
    _request(rows="\x01" * 12_000),
    _request(rows="1; DROP TABLE users; --", session="s"),
    _request(token="t", resource=pb.Resource(id="orders")),
    _request(did=AGENT.did, nameless=True, rows=4, context={"hour": 3}),
    _request(context={"hour": 3, "path": "/a", "request_id": "1"}),
    _request(context={"hour": 3, "path": "/a", "request_id": "2", "seen": [True, None]}),
    _request(context={"hour": 21}, rows=3, trace_id=b"t" * 16),
    _request(context={"user": {"token": "x"}}),
    _request(tool="warehouse.query", rows=3, context={}),
    _request(action="write_table"),
    _request(action="policy_push"),
    _request(session="s" * 130),
]
CALLERS = [ADMIN, ADMIN, Caller(principal=AGENT.did, roles=frozenset({Role.AGENT})), Caller(principal="stranger")]


def _change(desk: Desk, change: Any) -> None:
    facts, current = desk.agents.facts, desk.policy.current
    match change:
        case AgentIdentity():
            facts.put_identity(change)
        case RegisteredAgent():
            facts.registered[str(change.name)] = change
        case RegisteredTool():
            facts.tools[change.name] = change
        case ("bundle", int() as place):
            # Each side remembers for itself.
            desk.let(replace(BUNDLES[place], hints={}))
        case ("switch", target):
            switches = basis(switches=() if target is None else (target,)).kill_switches
            desk.policy.current = replace(current, kill_switches=switches, epoch=Revision(current.epoch + 1))
        case ("now", int() as now):
            desk.clock.set(Instant(now))
        case ("age", age):
            desk.agents.age = None if age is None else Millis(age)
        case ("revision", int() as revision):
            facts.identity_revision += revision
        case ("breaks", bool() as breaks):
            desk.tray.breaks = Unavailable(problem="no space left") if breaks else None
            desk.log.refused(Unavailable(problem="no space left"))
            if not breaks:
                desk.log.kept(1)


def _told(desk: Desk, one: Asked, caller: Caller) -> object:
    try:
        answer = desk.decisions.sitting().check(one.question(), caller, one.sent, one.routine)
    except NotPermitted as refused:
        return str(refused)
    return (answer, response_bytes(answer)) if isinstance(answer, Answer) else answer.answer


@settings(max_examples=50)
@given(
    changes=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4),
    seldom=st.lists(st.sampled_from(USUAL), max_size=4),
    caller=st.sampled_from(CALLERS),
    inputs=st.sampled_from([True, True, False]),
)
async def test_a_routine_is_a_question_like_any_other(
    changes: list[Any], seldom: list[pb.CheckRequest], caller: Caller, inputs: bool
) -> None:
    _compare([("bundle", 0), *changes], seldom, caller, inputs=inputs)


@pytest.mark.parametrize("place", range(len(CHANGES)))
async def test_every_change_is_seen_by_the_next_question(place: int) -> None:
    _compare([("bundle", 0), CHANGES[place], *CHANGES[-1:]], [], ADMIN)


def _compare(changes: list[Any], seldom: list[pb.CheckRequest], caller: Caller, *, inputs: bool = True) -> None:
    """Ask everything again and again, with what is remembered of routines and without."""
    quick, plain = (Desk(masks=DEFAULT_MASKS, inputs=inputs) for _ in range(2))
    read = [asked(request.SerializeToString()) for request in (*USUAL, *USUAL, *USUAL, *seldom)]
    for change in changes:
        for desk in (quick, plain):
            _change(desk, change)
        for one in read:
            assert one.routine is not None
            assert _told(quick, one, caller) == _told(plain, one._replace(routine=None), caller)
    assert quick.tray.items == plain.tray.items
    assert quick.tray.facts == plain.tray.facts
    assert quick.decisions.counts == plain.decisions.counts
    assert quick.log.unlogged == plain.log.unlogged


def test_what_comes_back_is_a_routine_whatever_it_is_asked_with() -> None:
    first, second = (asked(USUAL[place].SerializeToString()) for place in (0, 1))
    assert first.routine is second.routine
    other = asked(USUAL[8].SerializeToString())
    assert other.routine is not None
    assert other.routine is not first.routine


async def test_what_was_written_once_is_not_written_again() -> None:
    """The second time it is kept: what is never asked again is not worth it."""
    desk, documents = Desk(), RoutineDocuments()
    read = asked(USUAL[0].SerializeToString())
    assert read.routine is not None
    found = []
    for _ in range(4):
        answer = desk.decisions.sitting().check(read.question(), ADMIN, read.sent, read.routine)
        assert isinstance(answer, Answer)
        found.append(
            documents.document(
                read.routine, read.question(), answer, identity_age=200, digest=f"sha256-{'0' * 64}", failures=0
            )
        )
        documents.keep(read.routine, read.question(), answer, identity=AGENT, evidence=(), failures=0, masks=NO_MASKS)
    assert [document is None for document in found] == [True, True, True, False]
    assert isinstance(answer, Answer)
    labelled = read.question()._replace(resource=Resource(labels={"team": "data"}))
    told = documents.document(read.routine, labelled, answer, identity_age=200, digest="", failures=0)
    assert told is None, "what masks may hide is not written without them"
