"""Who may ask, what is logged, and what happens when nothing can be."""

import asyncio
import json
from dataclasses import replace

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.callers import Caller, Role
from ringfence_kit.errors import NotPermitted, Unavailable
from ringfence_pdp.answer import Answer
from ringfence_pdp.asked_document import asked_document
from ringfence_pdp.decide import decide
from ringfence_pdp.decision_document import decision_document, input_digest
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.masks import NO_MASKS
from ringfence_pdp.model import Effect, Reason, Resource
from support.pdp.desk import ADMIN, Desk
from support.pdp.world import ANALYST, NOW, ask, basis, bundle, facts_of, identity, policy, registered

DID = identity().did


def agent_caller(did: str = DID) -> Caller:
    return Caller(principal=did, roles=frozenset({Role.AGENT}), environment="prod")


def gateway(*agents: str) -> Caller:
    return Caller(principal="gw", roles=frozenset({Role.GATEWAY}), agents=frozenset(agents))


@pytest.mark.parametrize(
    "caller",
    [
        ADMIN,
        Caller(principal="svc", roles=frozenset({Role.SERVICE})),
        agent_caller(),
        gateway(DID),
        gateway(str(ANALYST)),
    ],
    ids=["administrator", "service", "itself", "its gateway by did", "its gateway by name"],
)
async def test_whoever_speaks_for_an_agent_may_ask_by_its_did_or_name(caller: Caller) -> None:
    desk = Desk()
    assert desk.check(ask(did=DID, agent=None), caller).decision.effect is Effect.ALLOW
    assert desk.check(ask(did=None, agent=ANALYST), caller).decision.effect is Effect.ALLOW


@pytest.mark.parametrize(
    "caller", [agent_caller("did:webvh:other:prod"), gateway("did:webvh:other:prod"), gateway()], ids=str
)
async def test_nobody_asks_about_agents_of_others_known_or_not(caller: Caller) -> None:
    desk = Desk()
    for request in (ask(), ask(did="did:webvh:unknown:prod", agent=None)):
        with pytest.raises(NotPermitted):
            desk.check(request, caller)
    with pytest.raises(NotPermitted):
        desk.decisions.sitting().explain(ask(), caller)
    assert desk.tray.items == []


async def test_a_foreign_did_beside_ones_own_name_opens_nothing() -> None:
    """The DID says whose question it is; the name beside it makes a contradiction, not a permission."""
    desk = Desk()
    other = identity(replace(ANALYST, agent="other"))
    desk.agents.facts = facts_of(identity(), registered(), other)
    with pytest.raises(NotPermitted):
        desk.check(ask(did=other.did, agent=ANALYST), gateway(str(ANALYST)))


async def test_every_decision_is_in_the_log_under_its_id() -> None:
    desk = Desk()
    answers = [desk.check(), desk.check(ask(action="delete_table"))]
    assert [item_id for item_id, _ in desk.tray.items] == [answer.decision_id for answer in answers]
    logged = json.loads(desk.tray.items[1][1])
    assert (logged["effect"], logged["reason"], logged["did"]) == ("DENY", "NO_MATCH", DID)
    assert logged["input_digest"] == input_digest(answers[1].decision_id, b"asked")


async def test_explaining_is_not_logged() -> None:
    desk = Desk()
    answer, explanation = desk.decisions.sitting().explain(ask(), ADMIN)
    assert answer.decision == explanation.decision == desk.check().decision
    assert len(desk.tray.items) == 1


async def test_the_most_trusted_are_denied_what_cannot_be_logged() -> None:
    desk = Desk()
    desk.agents.facts = facts_of(identity(ring=1), registered())
    desk.tray.full = True
    answer = desk.check()
    assert (answer.decision.effect, answer.decision.reason) == (Effect.DENY, Reason.LOG_UNAVAILABLE)
    assert "telemetry" in answer.decision.verdict.message
    assert desk.log.unlogged == 1


async def test_the_others_are_answered_and_the_missing_entry_is_counted() -> None:
    desk = Desk()
    desk.tray.full = True
    assert desk.check().decision.effect is Effect.ALLOW
    assert desk.log.unlogged == 1


async def test_configured_to_stop_nothing_is_answered_that_cannot_be_logged() -> None:
    desk = Desk(stops_when_full=True)
    desk.tray.full = True
    with pytest.raises(Unavailable):
        desk.check()


async def test_a_disk_that_fails_is_noticed_and_so_is_its_recovery() -> None:
    desk = Desk(stops_when_full=True)
    desk.tray.breaks = Unavailable(problem="no space left")
    desk.check()
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="no space left"):
        desk.check()
    desk.tray.breaks = None
    with pytest.raises(Unavailable):
        desk.check()
    await asyncio.sleep(0)
    desk.check()


async def test_before_the_log_is_open_nothing_trusted_is_answered() -> None:
    log = DecisionLog(stops_when_full=False)
    with pytest.raises(Unavailable, match="not open"):
        log.take("id", b"{}")


ANSWER = Answer(
    decision=decide(basis(bundle(policy("{name: read, match: {actions: ['*']}, effect: ALLOW}"))), ask()),
    decision_id="00000000-0000-4000-8000-000000000001",
    bundle_digest="",
    identity_revision=7,
    registry_revision=5,
    policy_revision=3,
    decided_at=NOW,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(session=texts, resource=texts, rules=st.lists(texts, max_size=3), ring=st.integers(-1, 3))
def test_the_document_is_in_canonical_form(session: str, resource: str, rules: list[str], ring: int) -> None:
    """RFC 8785, against its reference implementation."""
    verdict = replace(ANSWER.decision.verdict, rules=tuple(rules))
    answer = ANSWER._replace(decision=ANSWER.decision._replace(verdict=verdict, ring=ring))
    request = ask()._replace(session=session or None, resource=Resource(id=resource or None))
    left_out: list[str] = []
    body = decision_document(
        request,
        answer,
        identity(),
        identity_age=None,
        asked=asked_document(request, NO_MASKS, left_out, whole=True),
        digest=input_digest(answer.decision_id, b"asked"),
        left_out=left_out,
        evidence=(),
    )
    assert body == rfc8785.dumps(json.loads(body))


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_equal_questions_do_not_look_equal_and_different_ones_never_do(one: bytes, other: bytes) -> None:
    assert input_digest("a" * 36, one) != input_digest("b" * 36, one)
    assert (input_digest("a" * 36, one) == input_digest("a" * 36, other)) == (one == other)


async def test_answers_are_counted_by_effect_and_reason_and_explanations_are_not() -> None:
    desk = Desk()
    desk.check()
    desk.check()
    desk.check(ask(action="delete_table"))
    desk.decisions.sitting().explain(ask(), ADMIN)
    assert desk.decisions.counts == {(Effect.ALLOW, Reason.ALLOWED): 2, (Effect.DENY, Reason.NO_MATCH): 1}
