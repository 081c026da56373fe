"""The life of an agent through its use cases; on every store where the store has a part in it."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from ringfence.proofs.card_verdict import SignatureStatus, SignatureVerdict
from ringfence_kit.background import background
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant, Millis
from ringfence_kit.errors import EtagMismatch, InvalidRequest, NotPermitted
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.names import AgentName
from ringfence_registry.agents.amendment import AgentPatch
from ringfence_registry.agents.leases import liveness_at
from ringfence_registry.agents.revisions import MAX_ALIASES, RevisionQuery, aliases_of
from ringfence_registry.cards.model import FindingKind
from ringfence_registry.cards.reading import read_card
from ringfence_registry.cards.signatures.report import SignatureReport
from ringfence_registry.errors import (
    AgentAlreadyExists,
    AgentNotDeleted,
    AgentNotFound,
    AgentRetired,
    CardIncompatible,
    CardInvalid,
    CardSignatureRefused,
    EtagRequired,
    IllegalStateTransition,
    LookAlikeName,
    ReadinessNotMet,
    RevisionNotFound,
)
from ringfence_registry.model import AGENT, LEASE, AgentState, Liveness
from ringfence_registry.namespaces.policy import Admission, NamespacePolicy
from support.backends import Backend
from support.registry.agent_steps import APPROVER, COMPLETE, DID, HARNESS, IN_PROD, LEDGER, Life
from support.registry.agents import CARD, SPEC
from support.registry.open_house import SamePolicyEverywhere
from support.registry.opened import ADMIN, FINANCE, Registry, opened_registry
from support.registry.world import HASH, OTHER_HASH, a_tool

ON_MEMORY = pytest.mark.parametrize("backend", ["memory"], indirect=True)
SECOND_CARD = CARD.replace(b'"1.0.0"', b'"2.0.0"')
THIRD_CARD = CARD.replace(b'"1.0.0"', b'"3.0.0"')


def digest(card: bytes) -> str:
    return read_card(card).facts.sha256


# The readiness gate


async def test_prod_is_reached_when_every_gate_is_met_and_not_before(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        assert (await registry.register(spec=IN_PROD, caller=FINANCE)).state is AgentState.DRAFT
        await life.submit()

        async def lacks(*gates: str) -> None:
            with pytest.raises(ReadinessNotMet) as refused:
                await life.approve()
            assert refused.value.metadata["unmet"] == ",".join(gates)

        everything = ["IDENTITY", "ON_CALL", "BOUNDARIES", "EVALUATION_PLAN", "EVALUATION_RESULT", "SLO"]
        await lacks(*everything, "ROLLBACK_TARGET")
        await life.update(AgentPatch(did=DID))
        registry.world.enrol(DID, LEDGER)
        await lacks(*everything[1:], "ROLLBACK_TARGET")
        await life.update(AgentPatch(on_call="#ledger", slo="ledger-99", evaluation_plan="suite-7"))
        await lacks("BOUNDARIES", "EVALUATION_RESULT", "ROLLBACK_TARGET")
        life.know_all()
        await lacks("EVALUATION_RESULT", "ROLLBACK_TARGET")
        await life.evaluate(passed=False)
        await lacks("EVALUATION_RESULT", "ROLLBACK_TARGET")
        registry.clock.advance(SECOND)
        await life.evaluate()
        await lacks("ROLLBACK_TARGET")
        await life.tag("latest", "stable")
        serving = await life.approve()
        assert (serving.state, life.agent.state) == (AgentState.ACTIVE, AgentState.ACTIVE)


@ON_MEMORY
@pytest.mark.parametrize("as_draft", [False, True])
async def test_who_goes_nowhere_gated_serves_at_once_unless_it_asks_not_to(backend: Backend, as_draft: bool) -> None:
    async with opened_registry(backend) as registry:
        agent = await registry.register(as_draft=as_draft)
        assert agent.state is (AgentState.DRAFT if as_draft else AgentState.ACTIVE)


@ON_MEMORY
async def test_where_reviews_are_asked_for_everybody_begins_as_a_draft(backend: Backend) -> None:
    policies = SamePolicyEverywhere(NamespacePolicy(review_required=True, distinct_approver_required=True))
    async with opened_registry(backend, policies=policies) as registry:
        life = Life(registry)
        assert (await registry.register()).state is AgentState.DRAFT
        both = Caller(
            principal=FINANCE.principal, roles=frozenset({Role.NAMESPACE_OWNER, Role.APPROVER}), namespaces=frozenset()
        )
        await life.submit()
        with pytest.raises(NotPermitted, match="not to be who submitted it"):
            await life.approve(replace(both, namespaces=frozenset({"finance"})))
        assert (await life.approve()).state is AgentState.ACTIVE


@ON_MEMORY
async def test_a_serving_agent_keeps_what_it_needs_in_prod(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await life.serving()
        refused = {
            "SLO": life.update(AgentPatch(slo="")),
            "ON_CALL": life.update(AgentPatch(on_call="")),
            "APPROVED_TOOLS": life.update(AgentPatch(approved_tools=(replace(COMPLETE.approved_tools[0], name="x"),))),
            "EVALUATION_RESULT": life.new_card(SECOND_CARD),
            "ROLLBACK_TARGET": life.tag("1", "stable", remove=True),
        }
        for gate, call in refused.items():
            with pytest.raises(ReadinessNotMet) as error:
                await call
            assert error.value.metadata["unmet"] == gate
        assert (life.agent.number, life.agent.spec) == (1, COMPLETE)
        # With the evidence there first, the card may change; and back again, for the first one has its own.
        registry.clock.advance(SECOND)
        await life.evaluate(card_sha256=digest(SECOND_CARD))
        assert (await life.new_card(SECOND_CARD)).number == 2
        assert (await life.rollback("1")).number == 3


@ON_MEMORY
async def test_an_agent_of_dev_does_not_slip_into_prod_by_an_update_or_a_rollback(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(spec=IN_PROD)
        await life.update(AgentPatch(environments=("dev",)))
        await life.submit()
        await life.approve()
        with pytest.raises(ReadinessNotMet):
            await life.rollback("1")
        with pytest.raises(ReadinessNotMet):
            await life.update(AgentPatch(environments=("dev", "prod")))
        assert life.agent.state is AgentState.ACTIVE


@ON_MEMORY
async def test_what_others_changed_is_asked_again_when_an_agent_is_to_go_on(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await life.serving()
        await life.suspend()
        registry.world.tools["ledger.read"] = a_tool(schema_hash=OTHER_HASH)
        with pytest.raises(ReadinessNotMet, match="changed since it was approved"):
            await life.resume()
        await life.update(AgentPatch(approved_tools=(replace(COMPLETE.approved_tools[0], schema_hash=OTHER_HASH),)))
        assert (await life.resume()).state is AgentState.ACTIVE


# States


async def test_a_whole_life(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await life.serving()
        await registry.register("successor")
        states = [
            (await life.suspend()).state,
            (await life.resume()).state,
            (await life.deprecate("namespaces/finance/agents/successor")).state,
            (await life.suspend()).state,
            (await life.resume()).state,
            (await life.retire()).state,
        ]
        assert states == [
            *(AgentState.SUSPENDED, AgentState.ACTIVE, AgentState.DEPRECATED),
            *(AgentState.SUSPENDED, AgentState.DEPRECATED, AgentState.RETIRED),
        ]
        assert life.agent.deprecation is not None
        assert life.agent.number == 1  # none of this changed what it is
    async with opened_registry(backend) as registry:
        assert Life(registry).agent.state is AgentState.RETIRED


@ON_MEMORY
async def test_a_rejected_agent_is_a_draft_again_and_knows_why(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(as_draft=True)
        with pytest.raises(IllegalStateTransition):
            await life.reject()
        await life.submit()
        rejected = await life.reject()
        assert (rejected.state, rejected.state_reason) == (AgentState.DRAFT, "Not like this.")


@ON_MEMORY
async def test_nobody_is_replaced_by_itself_or_by_somebody_who_is_not_there_to_see(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register()
        await registry.register("hidden", namespace="travel")
        for successor in (str(LEDGER), "namespaces/finance/agents/nobody", "namespaces/travel/agents/hidden"):
            with pytest.raises(InvalidRequest, match="one that you see"):
                await life.deprecate(successor)
        assert (await life.deprecate("namespaces/travel/agents/hidden", ADMIN)).state is AgentState.DEPRECATED


MAY = {
    "submit": {"owner", "admin"},
    "approve": {"approver", "admin"},
    "reject": {"approver", "admin"},
    "suspend": {"owner", "approver", "admin"},
    "resume": {"approver", "admin"},
    "deprecate": {"owner", "admin"},
    "retire": {"owner", "admin"},
    "delete": {"owner", "admin"},
    "undelete": {"owner", "admin"},
    "evaluate": {"approver", "admin", "service"},
    "renew": {"owner", "admin", "service"},
}
CALLERS = {
    "owner": FINANCE,
    "stranger": replace(FINANCE, principal="oidc:travel", namespaces=frozenset({"travel"})),
    "approver": APPROVER,
    "approver elsewhere": replace(APPROVER, namespaces=frozenset({"travel"})),
    "auditor": Caller(principal="oidc:auditor", roles=frozenset({Role.AUDITOR})),
    "agent": Caller(principal="did:web:other", roles=frozenset({Role.AGENT})),
    "service": HARNESS,
    "admin": ADMIN,
}


@ON_MEMORY
@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("step", MAY)
async def test_who_may_take_which_step_is_told_before_whether_there_is_anything(
    backend: Backend, step: str, who: str
) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        call = {"renew": lambda caller: life.renew(60, caller), "evaluate": lambda caller: life.evaluate(caller=caller)}
        take = call.get(step) or (lambda caller: getattr(life, step)(caller=caller))
        with pytest.raises(AgentNotFound if who in MAY[step] else NotPermitted):
            await take(CALLERS[who])


# Deletion


async def test_a_deleted_agent_is_out_of_sight_until_it_is_brought_back(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(as_draft=True)
        deleted = (await life.delete()).agent
        assert deleted is not None
        assert deleted.purge_at == registry.clock.now() + 30 * DAY
        assert registry.names() == []
        assert registry.reading.get_agent(LEDGER, caller=FINANCE).deleted
        for change in (life.update(AgentPatch(team="x")), life.submit(), life.retire(), life.delete(), life.renew(60)):
            with pytest.raises(AgentNotFound):
                await change
        assert (await life.delete(allow_missing=True)).agent == deleted
        with pytest.raises(AgentAlreadyExists):
            await registry.register()
        back = await life.undelete()
        assert (back.state, back.purge_at) == (AgentState.DRAFT, None)
        assert registry.names() == ["ledger"]
        with pytest.raises(AgentNotDeleted):
            await life.undelete()


async def test_a_deleted_agent_is_forgotten_when_its_time_is_over_and_its_name_is_not_given_again(
    backend: Backend,
) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(as_draft=True)
        await life.delete()
        registry.clock.advance(Millis(30 * DAY - 1))
        await registry.lives.upkeep.purge(registry.clock.now())
        assert life.agent.deleted
        registry.clock.advance(Millis(1))
        with pytest.raises(AgentNotFound):  # nobody got round to it yet, and its time is over all the same
            await life.undelete()
        await registry.lives.upkeep.purge(registry.clock.now())
        assert registry.catalog.agent(str(LEDGER)) is None
        with pytest.raises(AgentNotFound):
            await life.undelete()
        with pytest.raises(AgentAlreadyExists):
            await registry.register()
        newest = registry.hub.newest
        await registry.lives.upkeep.purge(registry.clock.now())
        assert registry.hub.newest == newest


@ON_MEMORY
async def test_only_drafts_and_retired_agents_are_deleted(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register()
        with pytest.raises(IllegalStateTransition):
            await life.delete()
        await life.retire()
        assert (await life.delete()).agent is not None
        assert (await life.undelete()).state is AgentState.RETIRED
        assert (
            await registry.lives.deleting.delete_agent(
                AgentName("finance", "nobody"), etag="", allow_missing=True, caller=FINANCE, mutation=registry.asked()
            )
        ).agent is None


# Leases


async def events_of(registry: Registry, start: int = 1) -> list[tuple[Change, str]]:
    """Return every event from revision `start` on."""
    newest = registry.hub.newest
    seen: list[tuple[Change, str]] = []
    async with aclosing(registry.hub.watch(Revision(start - 1))) as items:
        while len(seen) < newest - start + 1:
            item = await anext(items)
            if isinstance(item, Event):
                seen.append((item.change, item.kind))
    return seen


async def test_a_renewal_is_durable_and_no_event_of_the_agent_but_at_its_turns(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register()
        before = life.agent
        await life.renew(60)
        await life.renew(600)
        last = await life.renew(90)
        assert last == registry.clock.now() + 90 * SECOND  # the last word counts, a shorter one too
        assert await events_of(registry) == [
            (Change.ADDED, AGENT),
            (Change.MODIFIED, AGENT),  # it came to life
            *[(Change.MODIFIED, LEASE)] * 3,
        ]
        assert (life.agent.etag, life.agent.updated_at) == (before.etag, before.updated_at)
    async with opened_registry(backend) as registry:
        assert Life(registry).agent.lease_expires_at == last


async def test_an_end_is_told_once_when_it_is_over_and_a_renewal_tells_that_it_lives(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register()
        await life.renew(60)
        sweep = registry.lives.upkeep.sweep
        registry.clock.advance(Millis(60 * SECOND - 1))
        await sweep.sweep(registry.clock.now())
        assert not life.agent.lease_expired
        registry.clock.advance(Millis(1))
        mark = registry.hub.newest + 1
        assert liveness_at(life.agent, registry.clock.now()) is Liveness.EXPIRED  # before anybody told
        await sweep.sweep(registry.clock.now())
        await sweep.sweep(registry.clock.now())
        assert await events_of(registry, mark) == [(Change.MODIFIED, AGENT)]
        assert Life(registry).agent.lease_expired
        mark = registry.hub.newest + 1
        await life.renew(60)
        assert await events_of(registry, mark) == [(Change.MODIFIED, AGENT), (Change.MODIFIED, LEASE)]
        assert liveness_at(life.agent, registry.clock.now()) is Liveness.LEASED


async def test_an_end_that_nobody_told_before_a_restart_is_told_after_it(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        await registry.register(lease_seconds=60)
        clock = registry.clock
    clock.advance(Millis(61 * SECOND))
    async with opened_registry(backend, clock=clock) as registry:
        await registry.lives.upkeep.sweep.sweep(clock.now())
        assert Life(registry).agent.lease_expired


@ON_MEMORY
async def test_the_sweep_runs_by_itself_within_a_second_of_the_clock(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(lease_seconds=60)
        until = registry.clock.now() + 61 * SECOND
        async with background(registry.lives.upkeep.run()):
            while not life.agent.lease_expired and registry.clock.now() < until:
                registry.clock.advance(Millis(SECOND // 2))
                for _ in range(20):  # the turns of the loop a sweep takes on a store in memory
                    await asyncio.sleep(0)
        assert life.agent.lease_expired


@ON_MEMORY
async def test_a_clock_set_back_raises_nobody(backend: Backend) -> None:
    """Attack: lease clock skew. Neither a told end nor a lease of years comes from setting the clock back."""
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(lease_seconds=60)
        registry.clock.advance(Millis(60 * SECOND))
        await registry.lives.upkeep.sweep.sweep(registry.clock.now())
        registry.clock.set(Instant(registry.clock.now() - HOUR))
        assert liveness_at(life.agent, registry.clock.now()) is Liveness.EXPIRED
        await life.renew(60)
        registry.clock.set(Instant(registry.clock.now() - 30 * DAY))
        assert liveness_at(life.agent, registry.clock.now()) is Liveness.EXPIRED
        await registry.lives.upkeep.sweep.sweep(registry.clock.now())
        assert life.agent.lease_expired


@ON_MEMORY
async def test_a_renewal_that_comes_while_the_sweep_is_on_its_way_wins(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(lease_seconds=60)
        registry.clock.advance(Millis(60 * SECOND))
        due = registry.clock.now()
        await life.renew(60)
        registry.lives.due.expect(str(LEDGER), due)
        await registry.lives.upkeep.sweep.sweep(due)
        assert not life.agent.lease_expired


@ON_MEMORY
async def test_an_agent_and_its_gateway_renew_and_no_other(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(spec=replace(SPEC, did=DID))
        itself = Caller(principal=DID, roles=frozenset({Role.AGENT}))
        gateway = Caller(principal="gw", roles=frozenset({Role.GATEWAY}), agents=frozenset({str(LEDGER)}))
        await life.renew(60, itself)
        await life.renew(60, gateway)
        registry.world.enrol(DID, AgentName("finance", "other"))
        with pytest.raises(NotPermitted):  # whose a DID is, identity says; a note of the owner does not
            await life.renew(60, itself)
        registry.world.enrol("did:web:second", LEDGER, "dev")
        await life.renew(60, Caller(principal="did:web:second", roles=frozenset({Role.AGENT})))


@ON_MEMORY
async def test_nobody_tells_of_the_lease_of_an_agent_that_ended(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(lease_seconds=60)
        await life.retire()
        newest = registry.hub.newest
        registry.clock.advance(MINUTE)
        await registry.lives.upkeep.sweep.sweep(registry.clock.now())
        assert registry.hub.newest == newest
        with pytest.raises(AgentRetired):
            await life.renew(60)


# Revisions


def asked(name: AgentName = LEDGER, *, size: int = 50, token: str = "") -> RevisionQuery:
    return RevisionQuery(name=name, page_size=size, page_token=token, arguments=b"")


async def test_every_content_is_a_revision_with_its_card_byte_for_byte(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register()
        await life.update(AgentPatch(team="x"))
        await life.new_card(SECOND_CARD)
        await life.suspend()  # no content
        await life.update(AgentPatch(team="x"))  # no change
        await life.tag("1", "stable")
        revisions, now = registry.lives.revisions, registry.clock.now()
        page = await revisions.list_revisions(asked(size=2), caller=FINANCE, now=now)
        assert [(each.revision.number, each.aliases) for each in page.revisions] == [(3, ("latest",)), (2, ())]
        rest = await revisions.list_revisions(asked(size=2, token=page.next_page_token), caller=FINANCE, now=now)
        assert [(each.revision.number, each.aliases) for each in rest.revisions] == [(1, ("stable",))]
        assert rest.next_page_token == ""
        for name, card in (("1", CARD), ("stable", CARD), ("2", CARD), ("3", SECOND_CARD), ("latest", SECOND_CARD)):
            assert (await revisions.get_card(LEDGER, name, caller=FINANCE)).body == card
    async with opened_registry(backend) as registry:
        assert (await registry.lives.revisions.get_card(LEDGER, "1", caller=FINANCE)).body == CARD


@ON_MEMORY
@pytest.mark.parametrize("revision", ["0", "01", "2", "99999999999999999999999", "stable", "\u0661", "-1", "1.0"])
async def test_what_is_no_revision_of_the_agent_is_not_found(backend: Backend, revision: str) -> None:
    async with opened_registry(backend) as registry:
        await registry.register()
        with pytest.raises(RevisionNotFound):
            await registry.lives.revisions.get_card(LEDGER, revision, caller=FINANCE)
        with pytest.raises(RevisionNotFound):
            await Life(registry).rollback(revision)


@ON_MEMORY
async def test_an_alias_moves_and_is_taken_away_and_there_are_not_too_many(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register()
        await life.new_card(SECOND_CARD)
        await life.tag("1", "stable")
        assert (await life.tag("2", "stable")).aliases == {"stable": 2}
        with pytest.raises(RevisionNotFound):
            await life.tag("1", "stable", remove=True)
        assert (await life.tag("stable", "stable", remove=True)).aliases == {}
        for number in range(MAX_ALIASES):
            await life.tag("1", f"a{number}")
        with pytest.raises(InvalidRequest, match="at most 16"):
            await life.tag("1", "one-more")
        assert (await life.tag("2", "a1")).aliases["a1"] == 2
        assert aliases_of(life.agent, 2) == ("a1", "latest")


async def test_a_rollback_is_a_new_revision_that_says_what_it_repeats_and_why(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register()
        await life.tag("1", "stable")
        await life.update(AgentPatch(team="x"))
        await life.new_card(SECOND_CARD)
        back = await life.rollback()
        assert (back.number, back.spec, back.card.sha256) == (4, SPEC, digest(CARD))
        stored = await registry.store.agent_revision(LEDGER, 4)
        assert stored is not None
        assert (stored.rollback_of, stored.reason, stored.actor) == (1, "It was better.", FINANCE.principal)
        assert (await life.rollback("4")).number == 4  # where it is already, nothing happens


SIGNED = SignatureReport(verdicts=(SignatureVerdict(index=0, status=SignatureStatus.VERIFIED, signer="did:web:a"),))


@ON_MEMORY
async def test_going_back_to_an_older_signed_card_is_remarked(backend: Backend) -> None:
    """Attack: rollback to an older signed revision. The number grows, and whoever looks is told."""
    async with opened_registry(backend) as registry:
        life = Life(registry)
        registry.judge.report = SIGNED
        await registry.register(card=SECOND_CARD)
        assert life.agent.remarks == ()
        again = await life.new_card(CARD)
        assert [(remark.kind, remark.pointer) for remark in again.remarks] == [(FindingKind.OLDER_CARD, "/version")]
        assert (await life.new_card(THIRD_CARD)).remarks == ()
        back = await life.rollback("1")
        assert [(remark.kind, remark.problem) for remark in back.remarks] == [
            (FindingKind.OLDER_CARD, "the agent had this card before, and another since")
        ]
        assert back.number == 4
        assert registry.judge.asked[-1] == (str(LEDGER), registry.clock.now())
        assert (await life.update(AgentPatch(team="y"))).remarks == back.remarks


# Rollouts


async def test_a_rollout_begins_changes_and_ends_once(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life, rollouts = Life(registry), registry.lives.rollouts
        await registry.register()
        await life.new_card(SECOND_CARD)
        with pytest.raises(RevisionNotFound):
            await life.roll_out(10)
        await life.tag("1", "stable")
        await life.tag("2", "canary")
        began = (await life.roll_out(10)).rollout
        assert began is not None
        assert (began.canary, began.stable, began.percent) == (2, 1, 10)
        registry.clock.advance(HOUR)
        grown = (await life.roll_out(50)).rollout
        assert grown == replace(began, percent=50)
        with pytest.raises(InvalidRequest):
            await life.roll_out(50, canary="1")
        now = registry.clock.now()
        await rollouts.end_rollout(LEDGER, 1, "not the canary", now)
        assert life.agent.rollout == grown
        await rollouts.end_rollout(LEDGER, 2, "its objective is breached", now)
        ended = life.agent.last_rollout_end
        assert ended is not None
        assert Life(registry).agent.rollout is None
        assert (ended.canary, ended.reason) == (2, "its objective is breached")
        newest = registry.hub.newest
        await rollouts.end_rollout(LEDGER, 2, "told twice", now)
        await rollouts.end_rollout(AgentName("finance", "nobody"), 2, "of nobody", now)
        assert registry.hub.newest == newest
        await life.roll_out(5)
        assert (await life.roll_out(0)).last_rollout_end == replace(
            ended, reason="", actor=FINANCE.principal, ended_at=now
        )


# Admission


@ON_MEMORY
async def test_look_alikes_are_remarked_or_refused_as_the_namespace_asks(backend: Backend) -> None:
    """Attack: look-alike names."""
    policies = SamePolicyEverywhere()
    twin = CARD.replace(b"Ledger", "Lеdger".encode())  # noqa: RUF001 - the letter in question
    async with opened_registry(backend, policies=policies) as registry:
        spec = replace(SPEC, display_name="")
        await registry.register(spec=spec)
        remarked = await registry.register("twin", spec=spec, card=twin)
        assert [remark.kind for remark in remarked.remarks] == [FindingKind.LOOK_ALIKE]
        assert str(LEDGER) in remarked.remarks[0].problem
        policies.policy = NamespacePolicy(admission=Admission(refuse_look_alikes=True))
        with pytest.raises(LookAlikeName):
            await registry.register("third", spec=spec, card=twin)
        with pytest.raises(LookAlikeName):
            await registry.lives.amendment.update_agent(
                AgentName("finance", "twin"),
                AgentPatch(display_name="LEDGER"),
                etag="",
                caller=FINANCE,
                mutation=registry.asked(FINANCE),
            )
        await registry.register("fourth", namespace="travel", spec=spec, card=twin)


async def test_of_two_look_alikes_at_once_one_wins(backend: Backend) -> None:
    policies = SamePolicyEverywhere(NamespacePolicy(admission=Admission(refuse_look_alikes=True)))
    async with opened_registry(backend, policies=policies) as registry:
        answers = await asyncio.gather(
            *(registry.register(agent) for agent in ("one", "two", "three")), return_exceptions=True
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Agent", "LookAlikeName", "LookAlikeName"]


@ON_MEMORY
async def test_signatures_are_judged_before_the_agent_is_written(backend: Backend) -> None:
    invalid = SignatureVerdict(index=0, status=SignatureStatus.INVALID, problem="not over this card")
    async with opened_registry(backend) as registry:
        registry.judge.report = SignatureReport(verdicts=(invalid,))
        with pytest.raises(CardSignatureRefused):
            await registry.register()
        assert registry.catalog.agent(str(LEDGER)) is None
        registry.judge.report = SIGNED
        assert (await registry.register()).signatures == SIGNED
        registry.judge.report = SignatureReport(verdicts=(invalid,))
        with pytest.raises(CardSignatureRefused):
            await Life(registry).new_card(SECOND_CARD)
        with pytest.raises(AgentAlreadyExists):  # what is taken is told before what is wrong with the card
            await registry.register()


@ON_MEMORY
async def test_a_card_that_breaks_callers_is_refused_where_the_namespace_asks_for_that(backend: Backend) -> None:
    moved = CARD.replace(b"https://ledger.example.com", b"https://elsewhere.example.com")
    policies = SamePolicyEverywhere(NamespacePolicy(admission=Admission(refuse_breaking_changes=True)))
    async with opened_registry(backend, policies=policies) as registry:
        life = Life(registry)
        await registry.register()
        with pytest.raises(CardIncompatible):
            await life.new_card(moved)
        assert (await life.new_card(SECOND_CARD)).number == 2
        policies.policy = NamespacePolicy()
        assert (await life.new_card(moved)).number == 3
        policies.policy = NamespacePolicy(admission=Admission(refuse_breaking_changes=True))
        with pytest.raises(CardIncompatible):
            await life.rollback("1")


@ON_MEMORY
async def test_a_finding_the_namespace_refuses_refuses_the_card(backend: Backend) -> None:
    older = (FindingKind.OLDER_CARD,)
    policies = SamePolicyEverywhere(NamespacePolicy(admission=Admission(refused_findings=older)))
    async with opened_registry(backend, policies=policies) as registry:
        await registry.register(card=SECOND_CARD)
        with pytest.raises(CardInvalid, match="lower version"):
            await Life(registry).new_card(CARD)


# Etags, repetitions, races


@ON_MEMORY
async def test_a_namespace_may_ask_for_the_etag_of_every_change(backend: Backend) -> None:
    policies = SamePolicyEverywhere(NamespacePolicy(etag_required=True))
    async with opened_registry(backend, policies=policies) as registry:
        life = Life(registry)
        agent = await registry.register()
        for change in (life.update(AgentPatch(team="x")), life.rollback("1"), life.delete()):
            with pytest.raises(EtagRequired):
                await change
        assert (await life.update(AgentPatch(team="x"), etag=agent.etag)).spec.team == "x"
        await life.suspend()  # whoever has to stop an agent need not have read it


async def test_of_two_changes_on_one_etag_one_wins(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        etag = (await life.begun()).etag
        await life.submit(etag=etag)
        etag = life.agent.etag
        answers = await asyncio.gather(
            life.approve(etag=etag),
            life.update(AgentPatch(team="a"), etag=etag),
            life.update(AgentPatch(team="b"), etag=etag),
            return_exceptions=True,
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["Agent", "EtagMismatch", "EtagMismatch"]


async def test_changes_at_once_without_an_etag_all_count(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await life.serving()
        patches = [AgentPatch(labels={"n": str(number)}) for number in range(5)]
        await asyncio.gather(*map(life.update, patches), life.tag("1", "canary"), life.evaluate())
        assert (life.agent.number, life.agent.aliases["canary"]) == (6, 1)


@ON_MEMORY
async def test_a_decision_is_about_the_agent_that_was_looked_at(backend: Backend) -> None:
    """An approval does not let through what changed between its look and its transaction."""
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await life.begun()
        await life.submit()
        answers = await asyncio.gather(life.update(AgentPatch(slo="")), life.approve(), return_exceptions=True)
        assert [type(answer).__name__ for answer in answers] == ["Agent", "ReadinessNotMet"]
        assert life.agent.state is AgentState.PENDING_REVIEW


@ON_MEMORY
async def test_a_repetition_gets_the_first_answer_whatever_is_true_by_now(backend: Backend) -> None:
    request_id = "6d7c2b1e-8f5a-4d0c-9b3e-2a1f0c9d8e7f"
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await life.begun()
        await life.submit()
        first = await life.approve(request_id=request_id)
        registry.world.tools.clear()
        await life.suspend()
        assert await life.approve(request_id=request_id) == first
        assert life.agent.state is AgentState.SUSPENDED


@ON_MEMORY
async def test_a_rehearsal_finds_everything_and_does_nothing(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await life.serving()
        newest = registry.hub.newest
        with pytest.raises(ReadinessNotMet):
            await registry.lives.amendment.update_agent(
                LEDGER,
                AgentPatch(slo=""),
                etag="",
                caller=FINANCE,
                mutation=registry.asked(FINANCE),
                validate_only=True,
            )
        rehearsed = await registry.lives.amendment.update_agent(
            LEDGER,
            AgentPatch(team="x"),
            etag="",
            caller=FINANCE,
            mutation=registry.asked(FINANCE),
            validate_only=True,
        )
        assert (rehearsed.spec.team, rehearsed.number) == ("x", 2)
        assert (life.agent.number, registry.hub.newest) == (1, newest)
        assert await registry.store.agent_revision(LEDGER, 2) is None


# Evidence


@ON_MEMORY
async def test_a_retired_agent_takes_no_more_evidence_tags_or_rollouts(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register()
        await life.retire()
        for change in (life.evaluate(), life.tag("1", "stable"), life.roll_out(0), life.rollback("1")):
            with pytest.raises(AgentRetired):
                await change
        with pytest.raises(EtagMismatch):
            await life.update(AgentPatch(team="x"), etag='"stale"')


@ON_MEMORY
async def test_evidence_says_who_recorded_it_and_of_which_card(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        life = Life(registry)
        await registry.register(spec=replace(SPEC, approved_tools=(replace(COMPLETE.approved_tools[0]),)))
        recorded = (await life.evaluate(caller=APPROVER)).evaluations[0]
        assert (recorded.recorder, recorded.card_sha256) == (APPROVER.principal, digest(CARD))
        assert recorded.card_sha256 != HASH
