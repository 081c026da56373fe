"""What comes after a decision: limits are counted, people heard, and what is not let through costs nothing."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_pdp.answer import Answer
from ringfence_pdp.approvals.approval import Approval, State, Vote
from ringfence_pdp.approvals.binding import binding_digest, question_key
from ringfence_pdp.approvals.desk import Said
from ringfence_pdp.limits.counters import Meter
from ringfence_pdp.limits.memory_counters import MemoryCounters
from ringfence_pdp.model import Effect, Reason, Stage, Usage
from ringfence_pdp.reckoning import Unsettled
from support.pdp.desk import ADMIN, Desk
from support.pdp.people import asked, question
from support.pdp.world import ANALYST, NOW, ask

KEY = f"agent:{ANALYST}@prod"

RATE = """\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: house}
spec:
  rules:
    - {name: read, match: {actions: ["read_*"]}, effect: ALLOW}
    - name: delete
      match: {actions: ["write_*"]}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 2, approvers: ["group:oncall"], timeout: 30m}
  limits:
    - {name: calls, rate: 2/1m, per: agent}
    - {name: spend, budget: {tokens: 100}, window: 1d, per: agent, alert_at: [0.5]}
"""


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.let_decide(RATE)
    return made


def left(desk: Desk, limit: str = "house/calls") -> int:
    found = next(one for one in desk.policy.current.compiled.limits if one.id == limit)  # type: ignore[union-attr]  # let_decide put it there
    return desk.counters.status(Meter(found.id, KEY, found.limit), desk.clock.now()).remaining


def approval(state: State, **changed: Any) -> Approval:
    what = question()
    held = Approval(
        name="approvals/1",
        question=what,
        question_key=question_key(what),
        asked=asked(),
        nonce="n",
        binding_digest=binding_digest(what, nonce="n", expires_at=Instant(NOW + MINUTE)),
        opened_at=NOW,
        expires_at=Instant(NOW + MINUTE),
        revision=1,  # type: ignore[arg-type]  # a revision is a number
        votes=(Vote(voter="dev:ada", approve=True, comment="", at=NOW, groups=("group:oncall",)),),
    )
    return replace(held, state=state, **changed)


async def test_a_rate_that_is_used_up_denies_and_says_when_to_come_back(desk: Desk) -> None:
    first, second = desk.check(), desk.check()
    assert [status.remaining for status in first.limits if status.meter.id == "house/calls"] == [1]
    assert second.decision.effect is Effect.ALLOW
    third = desk.check()
    assert (third.decision.effect, third.decision.reason) == (Effect.DENY, Reason.RATE_LIMITED)
    assert third.decision.verdict.stage is Stage.LIMITS
    assert third.retry_after == 30 * SECOND
    assert (
        "the rate house/calls of agent:namespaces/data/agents/analyst-1@prod is used up"
        in third.decision.verdict.message
    )
    desk.clock.advance(Millis(30 * SECOND))
    assert desk.check().decision.effect is Effect.ALLOW


async def test_a_budget_that_is_used_up_denies_until_it_is_renewed(desk: Desk) -> None:
    spent = desk.check(ask(usage=Usage(tokens=60)))
    assert {status.meter.id: status.alerts for status in spent.limits}["house/spend"] == (0.5,)
    denied = desk.check(ask(usage=Usage(tokens=41)))
    assert denied.decision.reason is Reason.BUDGET_EXHAUSTED
    assert "of 100 tokens, 40 are left" in denied.decision.verdict.message
    assert left(desk) == 1  # the rate is not charged when the budget says no
    assert desk.check(ask(usage=Usage(tokens=40))).decision.effect is Effect.ALLOW


async def test_what_a_rule_denies_is_not_counted(desk: Desk) -> None:
    assert desk.check(ask(action="list_tables")).decision.effect is Effect.DENY
    assert left(desk) == 2


async def test_what_cannot_be_logged_is_not_counted() -> None:
    desk = Desk(stops_when_full=True)
    desk.let_decide(RATE)
    desk.tray.full = True
    with pytest.raises(Unavailable):
        desk.check()
    assert left(desk) == 2


async def test_asking_people_costs_nothing_and_their_yes_is_counted(desk: Desk) -> None:
    desk.people.says = Said(approval(State.PENDING))
    asked_ = await desk.ask(ask(action="write_table"))
    assert (asked_.decision.effect, asked_.approval) == (Effect.REQUIRE_APPROVAL, "approvals/1")
    assert "approvals/1 waits for people" in asked_.decision.verdict.message
    assert left(desk) == 2
    desk.people.says = Said(approval(State.USED))
    allowed = await desk.ask(ask(action="write_table"))
    assert (allowed.decision.effect, allowed.decision.verdict.stage) == (Effect.ALLOW, Stage.APPROVAL)
    assert "approved by dev:ada" in allowed.decision.verdict.message
    assert left(desk) == 1


async def test_nobody_is_asked_to_approve_what_would_be_refused_anyway(desk: Desk) -> None:
    desk.check()
    desk.check()
    refused = await desk.ask(ask(action="write_table"))
    assert refused.decision.reason is Reason.RATE_LIMITED
    assert desk.people.heard == []


@pytest.mark.parametrize(
    ("state", "says"),
    [(State.DENIED, "was denied: not today"), (State.EXPIRED, "ran out: not today"), (State.CANCELLED, "called off")],
)
async def test_a_no_denies_and_says_why(desk: Desk, state: State, says: str) -> None:
    desk.people.says = Said(approval(state, ended_at=NOW, end_reason="not today"))
    refused = await desk.ask(ask(action="write_table"))
    assert (refused.decision.effect, refused.decision.reason) == (Effect.DENY, Reason.APPROVAL_REFUSED)
    assert says in refused.decision.verdict.message
    assert refused.decision.verdict.rules == ("house/delete",)
    assert left(desk) == 2


async def test_people_who_cannot_be_asked_have_not_said_yes(desk: Desk) -> None:
    refused = await desk.ask(ask(action="write_table"))
    assert refused.decision.reason is Reason.APPROVALS_UNAVAILABLE
    assert left(desk) == 2


async def test_arguments_that_cannot_be_bound_are_not_put_to_people(desk: Desk) -> None:
    refused = await desk.ask(ask(action="write_table", arguments={"rows": float("nan")}))
    assert refused.decision.reason is Reason.REQUEST_INVALID
    assert desk.people.heard == []


async def test_a_caller_that_goes_away_while_people_are_asked_costs_nothing(desk: Desk) -> None:
    going = asyncio.ensure_future(desk.ask(ask(action="write_table")))
    await asyncio.sleep(0)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert left(desk) == 2


async def test_what_was_given_back_while_people_were_asked_pays_for_nobody_else(desk: Desk) -> None:
    def meanwhile() -> None:
        desk.clock.advance(MINUTE)
        desk.check()
        desk.check()

    desk.people.says, desk.people.meanwhile = Said(approval(State.PENDING)), meanwhile
    await desk.ask(ask(action="write_table"))
    assert left(desk) == 0


async def test_people_are_told_what_is_asked_and_for_whom(desk: Desk) -> None:
    request = ask(
        action="write_table", tool="warehouse.query", arguments={"rows": 5}, session="s-1", approval="approvals/9"
    )
    await desk.ask(request)
    ((what, behind, named),) = desk.people.heard
    assert (what.agent, what.action, what.tool, what.environment) == (
        str(ANALYST),
        "write_table",
        "warehouse.query",
        "prod",
    )
    assert (what.min_approvals, what.approver_groups, what.chain) == (2, ("group:oncall",), ())
    assert (behind.principal, behind.arguments, behind.session) == (ADMIN.principal, '{"rows":5}', "s-1")
    assert (behind.subject_namespaces, behind.owners, named) == (("data",), ("Ada",), "approvals/9")


async def test_an_answer_that_people_have_a_say_in_is_no_answer_yet(desk: Desk) -> None:
    unsettled = desk.decisions.sitting().check(ask(action="write_table"), ADMIN, b"asked")
    assert isinstance(unsettled, Unsettled)
    assert desk.tray.items == []


async def test_nothing_is_counted_where_nothing_limits() -> None:
    desk = Desk()
    answer = desk.check()
    assert isinstance(answer, Answer)
    assert (answer.limits, len(desk.counters)) == ((), 0)


async def test_the_rate_of_a_ring_is_enforced_where_it_is_switched_on() -> None:
    desk = Desk(ring_rates=("prod",))
    allowed = [desk.check().decision.effect for _ in range(41)]
    assert allowed.count(Effect.ALLOW) == 40
    assert desk.check().decision.reason is Reason.RATE_LIMITED
    assert "ring/2" in desk.check().decision.verdict.message


async def test_one_agent_that_names_many_sessions_is_denied_alone() -> None:
    desk = Desk()
    desk.let_decide(RATE.replace("rate: 2/1m, per: agent", "rate: 2/1m, per: session"))
    desk.metering.counters = MemoryCounters(keys_of_one_max=3)
    answers = [desk.check(ask(session=f"s-{each}")) for each in range(3)]
    assert [answer.decision.effect for answer in answers] == [Effect.ALLOW, Effect.ALLOW, Effect.DENY]
    assert "counts for too many already" in answers[2].decision.verdict.message


class TestForeseen:
    def stages(self, desk: Desk, **fields: Any) -> tuple[Answer, dict[Stage, str]]:
        answer, explanation = desk.decisions.sitting().explain(ask(**fields), ADMIN)
        assert explanation.decision == answer.decision
        return answer, {stage.stage: stage.message for stage in explanation.stages[-2:]}

    def test_what_would_be_counted_is_told_and_not_counted(self, desk: Desk) -> None:
        answer, told = self.stages(desk)
        assert answer.decision.effect is Effect.ALLOW
        assert told[Stage.LIMITS] == "2 limits would count it; house/calls would have 1 left"
        assert told[Stage.APPROVAL] == "no rule asks for approval"
        assert left(desk) == 2

    async def test_what_is_used_up_denies_here_too(self, desk: Desk) -> None:
        desk.check()
        desk.check()
        answer, told = self.stages(desk)
        assert answer.decision.reason is Reason.RATE_LIMITED
        assert "is used up" in told[Stage.LIMITS]
        assert answer.cache is None

    def test_what_is_denied_before_is_not_asked_about(self, desk: Desk) -> None:
        _, told = self.stages(desk, action="list_tables")
        assert set(told.values()) == {"not asked: the call is denied before"}

    @pytest.mark.parametrize(
        ("state", "effect", "says"),
        [
            (State.PENDING, Effect.REQUIRE_APPROVAL, "approvals/1 waits for people"),
            (State.APPROVED, Effect.ALLOW, "is approved, and would be used up by the call"),
            (State.USED, Effect.REQUIRE_APPROVAL, "rule house/delete asks for approval"),
        ],
    )
    def test_what_people_said_is_told_and_not_used(self, desk: Desk, state: State, effect: Effect, says: str) -> None:
        desk.people.says = Said(approval(state))
        answer, told = self.stages(desk, action="write_table")
        assert answer.decision.effect is effect
        assert says in told[Stage.APPROVAL]
        assert (desk.people.heard, left(desk)) == ([], 2)

    def test_a_no_that_still_stands_denies_here_too(self, desk: Desk) -> None:
        desk.people.says = Said(approval(State.DENIED, ended_at=NOW, end_reason="not today"))
        assert self.stages(desk, action="write_table")[0].decision.effect is Effect.REQUIRE_APPROVAL
        desk.people.rests = MINUTE
        assert self.stages(desk, action="write_table")[0].decision.reason is Reason.APPROVAL_REFUSED
