"""Who may see, vote on and call off an approval; what the audit log keeps of it; what is counted."""

from dataclasses import replace
from typing import Any

import pytest
from ringfence.proofs.canonical_json import canonical
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.events import Revision
from ringfence_pdp.approvals.approval import Approval, State, Vote
from ringfence_pdp.approvals.binding import binding_digest, question_key
from ringfence_pdp.approvals.book import ApprovalBook, Cursor, refuses_until
from ringfence_pdp.approvals.log_entries import entries_of
from ringfence_pdp.approvals.metrics import ApprovalMetrics
from ringfence_pdp.approvals.voters import may_cancel, may_see, why_not_vote
from ringfence_telemetry.decision_document import read_decision
from support.backends import Backend
from support.pdp.people import (
    ADA,
    ADMIN,
    ANALYST,
    ANALYST_DID,
    ANALYST_ITSELF,
    BOB,
    GATEWAY,
    MINUTE,
    asked,
    people,
    person,
    question,
)

START = Instant(1_767_225_600_000)
AUDITOR = Caller(principal="test:audit", roles=frozenset({Role.AUDITOR}))
OWNER = Caller(principal="test:olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"data"}))
FRONT = Caller(principal="test:front", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))
CALLEE_OWNER = Caller(principal="test:carl", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"sales"}))


def approval(name: str = "approvals/1", at: int = 0, state: State = State.PENDING, **changed: Any) -> Approval:
    what = question()
    opened, ends = Instant(START + at), Instant(START + at + what.timeout)
    held = Approval(
        name=name,
        question=what,
        question_key=question_key(what),
        asked=asked(namespaces=("data", "sales")),
        nonce=name,
        binding_digest=binding_digest(what, nonce=name, expires_at=ends),
        opened_at=opened,
        expires_at=ends,
        state=state,
        revision=Revision(1),
    )
    return replace(held, **changed)


VOTES = {
    "in the group": (ADA, ""),
    "not an approver": (replace(ADA, roles=frozenset({Role.AUDITOR})), "only an approver votes"),
    "in another group": (person("eve", "sales"), "they are in none of group:oncall"),
    "the agent": (person("x", "oncall", roles=[Role.AGENT]), "agents, gateways and services do not vote"),
    "a service": (person("x", "oncall", roles=[Role.SERVICE]), "agents, gateways and services do not vote"),
    "named like the agent": (replace(ADA, principal=ANALYST_DID), "it is their own call"),
    "who asked": (replace(ADA, principal=GATEWAY), "they asked for it themselves"),
    "the owner by contact": (replace(ADA, principal="corp:Data@Example.com"), "they own an agent"),
    "the owner of the namespace": (
        person("o", "oncall", roles=[Role.NAMESPACE_OWNER], namespaces=frozenset({"data"})),
        "they own an agent",
    ),
    "the owner of who is called": (
        person("o", "oncall", roles=[Role.NAMESPACE_OWNER], namespaces=frozenset({"sales"})),
        "",
    ),
    "bound to one of the namespaces": (person("n", "oncall", namespaces=frozenset({"sales"})), ""),
    "bound to others": (person("n", "oncall", namespaces=frozenset({"hr"})), "they approve for other namespaces"),
}


@pytest.mark.parametrize("who", VOTES)
def test_who_may_vote(who: str) -> None:
    caller, why = VOTES[who]
    said = why_not_vote(caller, approval())
    assert (said == "") is (why == "")
    assert why in said


def test_without_groups_any_approver_votes() -> None:
    anybody = replace(approval(), question=question(approver_groups=()))
    assert why_not_vote(person("eve"), anybody) == ""
    assert may_see(person("eve"), anybody)


@pytest.mark.parametrize("caller", [ADA, ADMIN, AUDITOR, OWNER, CALLEE_OWNER, FRONT, ANALYST_ITSELF])
def test_who_has_a_part_in_it_sees_it(caller: Caller) -> None:
    assert may_see(caller, approval())


@pytest.mark.parametrize(
    "caller",
    [
        person("eve", "sales"),
        person("n", "oncall", namespaces=frozenset({"hr"})),
        replace(OWNER, namespaces=frozenset({"hr"})),
        replace(FRONT, agents=frozenset({"namespaces/data/agents/other"})),
        replace(ANALYST_ITSELF, principal="did:web:other"),
        replace(ADA, roles=frozenset()),
    ],
)
def test_who_has_none_does_not(caller: Caller) -> None:
    assert not may_see(caller, approval())


def test_who_calls_it_off() -> None:
    assert all(may_cancel(caller, approval()) for caller in (ANALYST_ITSELF, OWNER, ADMIN))
    assert not any(may_cancel(caller, approval()) for caller in (ADA, FRONT, CALLEE_OWNER, AUDITOR))


def test_the_log_keeps_the_question_every_vote_and_the_end() -> None:
    votes = (
        Vote(voter="test:ada", approve=True, comment="fine", at=START, groups=("group:oncall",)),
        Vote(voter="test:bob", approve=False, comment="no", at=START, groups=("group:oncall",)),
    )
    entries = entries_of(approval(votes=votes, state=State.USED, ended_at=START, used_by="d-1"))
    assert len({entry_id for entry_id, _ in entries}) == 4
    for entry_id, body in entries:
        decision, wrong = read_decision(body, decision_id=entry_id, path="entry")
        assert (decision, wrong) == (None, [])
    kinds = [canonical({"event": kind})[1:-1] for kind in ("OPENED", "APPROVE", "DENY", "USED")]
    assert all(kind in body for kind, (_, body) in zip(kinds, entries, strict=True))
    assert b'"used_by_decision":"d-1"' in entries[3][1]
    assert b"looks" not in b"".join(body for _, body in entries)


def test_the_log_does_not_keep_a_secret_in_the_name_of_what_is_asked_for() -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    asked_for = replace(approval().question, resource_id=f"postgres://bob:{token}@db/orders")
    ((_, opened),) = entries_of(replace(approval(), question=asked_for))
    assert token.encode() not in opened
    assert b"@db/orders" in opened
    assert b'"left_out":["resource.id"]' in opened
    ((_, opened),) = entries_of(approval())
    assert b"left_out" not in opened


def test_pages_begin_where_the_last_one_ended_also_for_equal_moments() -> None:
    book = ApprovalBook()
    held = [approval(f"approvals/{each}", at=each // 2, nonce=str(each)) for each in range(5)]
    book.fill(held)
    newest = list(book.newest_first())
    assert [one.name for one in newest] == [f"approvals/{each}" for each in (4, 3, 2, 1, 0)]
    for place, one in enumerate(newest):
        assert list(book.newest_first(Cursor(one.opened_at, one.name))) == newest[place + 1 :]


@pytest.mark.parametrize(
    ("state", "until"),
    [
        (State.DENIED, START + 30 * MINUTE),
        (State.EXPIRED, START + 2 * MINUTE),
        (State.CANCELLED, None),
        (State.USED, None),
    ],
)
def test_how_long_an_end_stands_as_a_no(state: State, until: int | None) -> None:
    ended = approval(state=state, ended_at=Instant(START + MINUTE))
    assert refuses_until(ended, MINUTE) == until
    assert refuses_until(approval(), MINUTE) is None


async def test_every_vote_and_use_is_told_once_and_what_a_crash_may_have_lost_again() -> None:
    backend = Backend(kind="memory")
    async with people(backend) as at:
        name = (await at.opened()).name
        await at.vote(ADA, name)
        assert (await at.put()).yes
        told = dict(at.log)
        assert len(told) == len(at.log) == 3
        metrics = {
            (sample.name, *sample.labels.values()): sample.value
            for metric in ApprovalMetrics(at.desk).collect()
            for sample in metric.samples
        }
        assert metrics["ringfence_pdp_approvals_total", "used"] == 1
        assert metrics["ringfence_pdp_approval_votes_total",] == 1
        assert metrics["ringfence_pdp_approvals_open",] == 0
    async with people(backend, clock=at.clock) as again:
        assert dict(again.log) == told
    at.clock.advance(Millis(2 * 60 * MINUTE))
    async with people(backend, clock=at.clock) as much_later:
        assert much_later.log == []


async def test_a_log_that_takes_nothing_stops_no_vote() -> None:
    async with people(Backend(kind="memory")) as at:
        at.log.full = True
        name = (await at.opened(question(min_approvals=2))).name
        await at.vote(ADA, name)
        assert (await at.vote(BOB, name)).state is State.APPROVED
