"""Answers given together, and answers used again, are those that would be given alone and anew."""

from dataclasses import replace
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import Instant, Millis
from ringfence_pdp.cacheable import TTL, cache_hint
from ringfence_pdp.case import Basis, Case
from ringfence_pdp.compile import compile_files
from ringfence_pdp.decide import decide
from ringfence_pdp.model import CheckRequest, Effect
from support.pdp.bundles import World, bundles, worlds
from support.pdp.bundles import files as files_of
from support.pdp.desk import ADMIN, Desk
from support.pdp.world import basis

MEMBERS = {
    "action.arguments": "arguments",
    "action.name": "action",
    "action.protocol": "protocol",
    "action.side_effects": "side_effects",
    "action.tool": "tool",
    "action.tool_schema_hash": "tool_schema_hash",
    "context": "context",
    "environment": "environment",
    "side": "side",
    "subject.agent": "agent",
    "subject.did": "did",
    "supported_obligations": "supported_obligations",
}
"""Member of a message → attribute of the question; those of the resource have the names they have there."""

ANYBODY_READS = {"governs": {}, "rules": [{"effect": "ALLOW", "match": {"actions": ["read_*", "list_*"]}}]}

several = st.lists(worlds(), min_size=2, max_size=4)


def stands_on(drawn: list[dict[str, Any]], world: World, *, later: int = 0) -> Basis:
    age = world.identity_age
    stood = basis(
        compile_files(files_of(drawn)),
        facts=world.facts,
        switches=world.switches,
        identity_age=None if age is None else Millis(age + later),
        gated=world.gated,
    )
    return stood._replace(now=Instant(stood.now + later))


def as_far_as(request: CheckRequest, other: CheckRequest, vary_on: tuple[str, ...]) -> CheckRequest:
    """Return `other`, made equal to `request` in what an answer varies on."""
    for member in vary_on:
        holder, _, name = member.partition(".")
        if holder == "resource":
            resource = other.resource._replace(**{name: getattr(request.resource, name)})
            other = other._replace(resource=resource)
        else:
            other = other._replace(**{MEMBERS[member]: getattr(request, MEMBERS[member])})
    return other


@settings(max_examples=300)
@given(drawn=bundles(careless=False), world=worlds(), other=worlds(), later=st.integers(0, TTL - 1))
def test_what_is_kept_is_what_asking_again_would_give(
    drawn: list[dict[str, Any]], world: World, other: World, later: int
) -> None:
    # What everybody may read anyway, so that there is something to keep.
    permitting, request = [*drawn, ANYBODY_READS], world.request
    stood_on = stands_on(permitting, world)
    decision = decide(stood_on, request)
    hint = cache_hint(Case(stood_on, request), decision)
    if hint is None:
        return
    event("kept")
    assert decision.effect is Effect.ALLOW
    again = decide(stands_on(permitting, world, later=later), as_far_as(request, other.request, hint.vary_on))
    assert (again.verdict, again.ring, again.composed) == (decision.verdict, decision.ring, decision.composed)


@settings(max_examples=50)
@given(drawn=bundles(careless=False), world=worlds(), others=several)
async def test_a_batch_is_each_of_its_questions_asked_alone(
    drawn: list[dict[str, Any]], world: World, others: list[World]
) -> None:
    desk = Desk()
    desk.agents.facts, desk.agents.age = world.facts, world.identity_age
    desk.policy.current = replace(desk.policy.current, compiled=compile_files(files_of(drawn)))
    questions = [one.request for one in (world, *others)]
    together = desk.decisions.sitting()
    batch = [together.check(question, ADMIN, b"") for question in questions]
    alone = [desk.decisions.sitting().check(question, ADMIN, b"") for question in questions]

    def said(answered: Any) -> Any:
        answer = getattr(answered, "answer", answered)
        return (type(answered), answer.decision, answer.cache, answer.epoch, answer.decided_at)

    assert list(map(said, batch)) == list(map(said, alone))
