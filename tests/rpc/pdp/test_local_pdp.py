"""A pdp inside another program: it answers as the pdp does, denies what it cannot know, and loses no decision."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.errors import InvalidArgumentError, UnavailableError
from ringfence.local_pdp import DecidedElsewhere, LocalPdp
from ringfence.pdp.v1 import decision_pb2
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, ManualClock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_pdp.config import DecisionLogConfig, WhenFull
from ringfence_pdp.snapshots.following import HEARTBEAT
from support.pdp.embedded import local_pdp
from support.pdp.followed import News
from support.pdp.served import ANALYST, POLICY, ServedPdp, identity, question, served_pdp, stop

ALLOW, DENY = decision_pb2.EFFECT_ALLOW, decision_pb2.EFFECT_DENY
STALE = decision_pb2.DECISION_REASON_FACTS_STALE


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path / "pdp") as served:
        await served.push()
        yield served


@pytest.fixture
async def local(pdp: ServedPdp, tmp_path: Path) -> AsyncIterator[LocalPdp]:
    async with local_pdp(pdp, tmp_path / "gateway") as embedded:
        yield embedded


def policy(rules: str, rest: str = "") -> bytes:
    head = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: house}\nspec:\n  rules:\n"
    return f"{head}    - {rules}\n{rest}".encode()


async def test_it_decides_without_a_call(pdp: ServedPdp, local: LocalPdp) -> None:
    before = _decisions_made(pdp)
    assert local.check(question()).effect == ALLOW
    assert local.check(question(labels={"secret": "yes"})).effect == DENY
    answer = decision_pb2.CheckResponse.FromString(local.check_bytes(question().SerializeToString()))
    assert answer.effect == ALLOW
    assert _decisions_made(pdp) == before


def _decisions_made(pdp: ServedPdp) -> list[str]:
    scraped = pdp.mesh.metrics.render()[0].decode().splitlines()
    return [line for line in scraped if line.startswith("ringfence_pdp_decisions_total")]


async def test_a_request_that_is_wrong_is_refused_as_by_a_call(pdp: ServedPdp, local: LocalPdp) -> None:
    wrong = decision_pb2.CheckRequest(environment="x" * 200)
    with pytest.raises(InvalidArgumentError) as here:
        local.check(wrong)
    with pytest.raises(InvalidArgumentError) as there:
        await local._pdp.Check(wrong)
    assert (here.value.reason, here.value.message) == (there.value.reason, there.value.message)
    assert here.value.violations == there.value.violations


async def test_decisions_reach_the_audit_log(pdp: ServedPdp, local: LocalPdp) -> None:
    answer = local.check(question(arguments={"sql": "select 1", "password": "hunter2"}))
    logged = json.loads(await pdp.around.telemetry.logged(answer.decision_id))
    assert logged["decision_id"] == answer.decision_id
    assert b"hunter2" not in b"".join(pdp.around.telemetry.entries.values())


async def test_decisions_survive_a_restart_while_the_log_is_away(pdp: ServedPdp, tmp_path: Path) -> None:
    telemetry = pdp.around.telemetry
    telemetry.failure = Unavailable(problem="it is away")
    async with local_pdp(pdp, tmp_path / "gateway") as first:
        answer = first.check(question())
        assert first.undelivered > 0
    assert answer.decision_id not in telemetry.entries
    telemetry.failure = None
    async with local_pdp(pdp, tmp_path / "gateway") as second:
        assert await telemetry.logged(answer.decision_id)
        assert second.unlogged == 0


async def test_before_there_is_a_snapshot_everything_is_denied_and_nothing_asked_is_logged(
    pdp: ServedPdp, tmp_path: Path
) -> None:
    async with local_pdp(pdp, tmp_path / "gateway", ready=False) as local:
        answer = local.check(question(arguments={"note": "who knows whether this may be logged"}))
        assert local.age is None
        assert local.is_stale
        assert (answer.effect, answer.reason) == (DENY, STALE)
        assert b"who knows" not in await pdp.around.telemetry.logged(answer.decision_id)


async def test_who_may_not_have_the_snapshot_is_denied_everything(pdp: ServedPdp, tmp_path: Path) -> None:
    gateway = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))
    news = News()
    async with local_pdp(pdp, tmp_path / "gateway", caller=gateway, ready=False, on_change=news.tell) as local:
        while not local.report.problem:
            await news.wait()
        assert "NOT_PERMITTED" in local.report.problem
        assert local.check(question()).reason == STALE


async def test_a_snapshot_that_is_too_old_denies(pdp: ServedPdp, tmp_path: Path) -> None:
    clock, news = ManualClock(pdp.clock.now()), News()
    async with local_pdp(
        pdp, tmp_path / "gateway", clock=clock, stale_after=Millis(5 * SECOND), on_change=news.tell
    ) as local:
        clock.advance(Millis(4_999))
        assert local.check(question()).effect == ALLOW
        clock.advance(Millis(1))
        answer = local.check(question())
        assert (answer.effect, answer.reason) == (DENY, STALE)
        pdp.clock.advance(Millis(SECOND))
        while local.is_stale:
            await news.wait()
        assert local.check(question()).effect == ALLOW


async def test_a_clock_that_is_set_back_makes_nothing_young(pdp: ServedPdp, tmp_path: Path) -> None:
    clock, news = ManualClock(pdp.clock.now()), News()
    async with local_pdp(
        pdp, tmp_path / "gateway", clock=clock, stale_after=Millis(5 * SECOND), on_change=news.tell
    ) as local:
        while local._follower._feed._beats_since_heard < 4:
            clock.advance(HEARTBEAT)
            await news.wait()
        clock.set(pdp.clock.now())
        assert local.check(question()).reason == STALE


async def test_what_is_killed_is_denied(pdp: ServedPdp, tmp_path: Path) -> None:
    news = News()
    async with local_pdp(pdp, tmp_path / "gateway", on_change=news.tell) as local:
        assert local.check(question()).effect == ALLOW
        await pdp.switches().EngageKillSwitch(stop(agent=ANALYST))
        while (answer := local.check(question())).effect == ALLOW:
            await news.wait()
        assert answer.reason == decision_pb2.DECISION_REASON_KILLED


AFTER_A_DROP = (
    "    - {name: late, match: {actions: ['*']}, effect: DENY, when: \"session.formerly('drop', duration('1h'))\"}\n"
)
ELSEWHERE = {
    "people approve it": (POLICY, {"action": "delete_table"}, decision_pb2.DECISION_REASON_APPROVAL_REQUIRED),
    "a limit counts it": (
        policy("{name: all, match: {actions: ['*']}, effect: ALLOW}", "  limits: [{rate: 100/1m, per: agent}]\n"),
        {},
        decision_pb2.DECISION_REASON_ALLOWED,
    ),
    "a session is remembered": (
        policy("{name: all, match: {actions: ['*']}, effect: ALLOW}", AFTER_A_DROP),
        {"session": "s-1"},
        decision_pb2.DECISION_REASON_RULE_ERROR,  # an hour ago nobody listened yet
    ),
}


@pytest.mark.parametrize("why", ELSEWHERE)
async def test_what_only_the_pdp_can_decide_it_is_asked(pdp: ServedPdp, local: LocalPdp, why: str) -> None:
    content, asked, reason = ELSEWHERE[why]
    pushed = (await pdp.push(content)).bundle
    await _decides(local, pushed.name)
    fields: dict[str, Any] = dict(asked)
    with pytest.raises(DecidedElsewhere):
        local.check(question(**fields))
    assert local.undelivered == 0
    assert (await local.check_or_ask(question(**fields))).reason == reason


async def _decides(local: LocalPdp, bundle: str) -> None:
    news = News()
    local._follower._on_change = news.tell
    while local._follower.policy.current.bundle is None or local._follower.policy.current.bundle.name != bundle:
        await news.wait()


async def test_what_a_limit_counts_and_a_rule_denies_is_denied_here(pdp: ServedPdp, local: LocalPdp) -> None:
    content = policy("{name: no, match: {actions: ['*']}, effect: DENY}", "  limits: [{rate: 100/1m, per: agent}]\n")
    await _decides(local, (await pdp.push(content)).bundle.name)
    assert local.check(question()).reason == decision_pb2.DECISION_REASON_RULE_DENIED


async def test_a_full_disk_denies_the_trusted(tmp_path: Path) -> None:
    async with served_pdp(tmp_path / "pdp") as pdp:
        pdp.around.identity.agents.say(identity(pdp.clock, points=950, ring=1))
        await pdp.push()
        await pdp.knows(lambda answer: answer.effective_ring == 1)
        async with local_pdp(pdp, tmp_path / "gateway") as local:
            local._log.spool = None
            assert local.check(question()).reason == decision_pb2.DECISION_REASON_LOG_UNAVAILABLE


async def test_a_pdp_that_stops_when_nothing_can_be_logged_stops_here_too(tmp_path: Path) -> None:
    async with served_pdp(tmp_path / "pdp", log=DecisionLogConfig(when_full=WhenFull.STOP)) as pdp:
        await pdp.push()
        async with local_pdp(pdp, tmp_path / "gateway") as local:
            assert local.check(question()).effect == ALLOW
            local._log.spool = None
            with pytest.raises(UnavailableError):
                local.check(question())
