"""How long, and for what, an answer may be used again: derived from the policy and the moment, never guessed.

Only ALLOW is, and only of an agent that is alone: whatever else a question brings up (a chain, a target, proofs, an
approval) is not for keeping, and what counts has to be counted each time. Until the answer ends by itself it is what
asking again would give, unless its epoch is over:

- nothing in it depends on anything but the members named in `vary_on`, and facts, whose changes are told by the epoch;
- content filters found nothing, and a classifier elsewhere was not asked;
- no rule that may apply looks at the clock, at a score, which falls with every moment, or at what happened before;
- neither the ring nor any trust or identity it stands on ends within its time, were nothing heard meanwhile.
"""

from typing import NamedTuple

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.case import Case
from ringfence_pdp.cel.reads import reads
from ringfence_pdp.compiled import CompiledBundle, HintKey
from ringfence_pdp.facts import (
    HEARD_LATELY,
    HEARTBEAT,
    NEEDS_FRESH_FACTS,
    TOKEN_TTL,
    AgentIdentity,
    standing_at,
)
from ringfence_pdp.model import CheckRequest, Decision, Effect
from ringfence_pdp.policy_filters import FilterUse

KEPT = 10_000
"""Hints kept with a bundle."""

AHEAD = Millis(60_000)
"""How far ahead a ring is looked at, so that it need not be for each answer."""

TTL = HEARTBEAT
"""How long at most. A cache that hears nothing for as long has lost its pdp."""

ALWAYS = (
    "action.name",
    "action.side_effects",
    "action.tool",
    "action.tool_schema_hash",
    "environment",
    "resource.environment",
    "side",
    "subject.agent",
    "subject.did",
)
"""What every answer depends on."""

OBLIGED = "supported_obligations"
LOOKED_THROUGH = ("action.argument_origins", "action.arguments", "action.arguments_digest")
"""What an answer depends on that content filters had a say in."""

_MEMBERS = {
    "action.protocol": "action.protocol",
    "args": "action.arguments",
    "context": "context",
    "resource.data_class": "resource.data_class",
    "resource.id": "resource.id",
    "resource.labels": "resource.labels",
    "resource.owner": "resource.owner",
    "resource.type": "resource.type",
}
"""By attribute of conditions, the member of the request it is read from. Of facts, the epoch tells."""

_MOMENTARY = ("now", "agent.trust", "origin.trust", "target.trust", "session")
"""What is another a moment later without anybody saying so."""


_ALLOW = Effect.ALLOW


class CacheHint(NamedTuple):
    """For how long, and for questions equal in which members."""

    ttl: Millis
    vary_on: tuple[str, ...]
    """Ordered."""


class Kept(NamedTuple):
    """What was found out for a question, good until anything of it is another."""

    identity: AgentIdentity
    ring: int
    until: Instant
    """Asked before then, the ring is the same until the answer ends."""
    hint: CacheHint | None


def cache_hint(case: Case, decision: Decision) -> CacheHint | None:
    """Return how an answer may be used again; None when it may not, or when it counts against a limit."""
    basis, request, identity = case.basis, case.request, case.acting.identity
    bundle, age = basis.bundle, basis.identity_age
    if decision.verdict.effect is not _ALLOW or bundle is None or age is None or identity is None:
        return None
    if case.call is not None or request.approval is not None:
        return None
    if decision.findings or (bundle.filters and basis.facts.boundaries.to_look_at):
        return None  # what is flagged is told each time; and who else filters depends on what the call crosses
    ring, tool = decision.ring, request.tool
    if age + TTL > (HEARD_LATELY if ring <= NEEDS_FRESH_FACTS else TOKEN_TTL - 1):
        return None
    key = case.routine or (identity.did, ring, request.action, tool, request.side)
    kept = bundle.hints.get(key)
    if kept is None or kept.identity is not identity or kept.ring != ring or basis.now >= kept.until:
        kept = _keep(bundle, key, Kept(identity, ring, *_found(basis.now, bundle, request, identity)))
    if kept.hint is None or tool is None:
        return kept.hint
    known = basis.facts.tools.get(tool)
    return kept.hint if known is not None and known.reaches_trusted(Instant(basis.now + TTL)) else None


def _keep(bundle: CompiledBundle, key: HintKey, kept: Kept) -> Kept:
    if len(bundle.hints) >= KEPT:
        bundle.hints.clear()
    bundle.hints[key] = kept
    return kept


def _found(
    now: Instant, bundle: CompiledBundle, request: CheckRequest, identity: AgentIdentity
) -> tuple[Instant, CacheHint | None]:
    """Return until when what follows is so for whoever asks again: how an answer may be used again."""
    for ahead in (AHEAD, Millis(0)):
        then = Instant(now + ahead + TTL)
        ends = identity.expires_at is not None and identity.expires_at <= then
        if not ends and standing_at(identity, then, FRESH).ring == standing_at(identity, now, FRESH).ring:
            members = _vary_on(bundle, request, identity.resource_name)
            hint = None if members is None else CacheHint(TTL, members)
            return Instant(now + max(ahead, 1)), hint
    return Instant(now + 1), None


FRESH = Millis(0)


def _vary_on(bundle: CompiledBundle, request: CheckRequest, agent: str) -> tuple[str, ...] | None:
    """Return what an answer depends on as far as the policies go; None when it may not be used again."""
    if bundle.limits and bundle.counting(
        environment=request.environment, agent=agent, action=request.action, tool=request.tool, side=request.side
    ):
        return None
    return _members(bundle, request, agent)


def _members(bundle: CompiledBundle, request: CheckRequest, agent: str) -> tuple[str, ...] | None:
    selecting = bundle.index.candidates(
        environment=request.environment, agent=agent, action=request.action, tool=request.tool or ""
    )
    members = set(ALWAYS)
    filters = bundle.filtering(
        environment=request.environment, party=agent, action=request.action, tool=request.tool, side=request.side
    )
    if filters:
        members.update(LOOKED_THROUGH)
    if any(one.written.use is FilterUse.REMOTE for one in filters):
        return None  # what a classifier elsewhere would say next time, nobody here knows
    for rule in (bundle.rules[ordinal] for ordinal in selecting):
        if rule.obligations:
            members.add(OBLIGED)
        for path in () if rule.condition is None else reads(rule.condition.checked):
            if path.startswith(_MOMENTARY):
                return None
            members.update(member for read, member in _MEMBERS.items() if path == read or path.startswith(f"{read}."))
    return tuple(sorted(members))
