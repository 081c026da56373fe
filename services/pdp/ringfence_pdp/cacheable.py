"""How long, and for what, an answer may be used again: derived from the policy and the moment, never guessed.

Only ALLOW is, and only of an agent that is alone: whatever else a question brings up (a chain, a target, proofs, an
approval) is not for keeping, and what counts has to be counted each time. Until the answer ends by itself it is what
asking again would give, unless its epoch is over:

- nothing in it depends on anything but the members named in `vary_on`, and facts, whose changes are told by the epoch;
- no rule that may apply looks at the clock, at a score, which falls with every moment, or at what happened before;
- neither the ring nor any trust or identity it stands on ends within its time, were nothing heard meanwhile.
"""

from typing import NamedTuple

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.case import Basis
from ringfence_pdp.cel.reads import reads
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.facts import HEARTBEAT, TOKEN_TTL, AgentIdentity, standing_at
from ringfence_pdp.model import CheckRequest, Decision, Effect

KEPT = 10_000
"""Answers of `_vary_on` kept with a bundle."""

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

_MEMBERS = {
    "action.protocol": "action.protocol",
    "args": "action.arguments",
    "context": "context",
    "resource.data_class": "resource.data_class",
    "resource.id": "resource.id",
    "resource.labels": "resource.labels",
    "resource.owner": "resource.owner",
    "resource.type": "resource.type",
    "session": "session",
}
"""By attribute of conditions, the member of the request it is read from. Of facts, the epoch tells."""

_MOMENTARY = ("now", "agent.trust", "origin.trust", "target.trust", "history")
"""What is another a moment later without anybody saying so."""


class CacheHint(NamedTuple):
    """For how long, and for questions equal in which members."""

    ttl: Millis
    vary_on: tuple[str, ...]
    """Ordered."""


def cache_hint(basis: Basis, request: CheckRequest, decision: Decision) -> CacheHint | None:
    """Return how an answer may be used again; None when it may not, or when it counts against a limit."""
    bundle, facts = basis.bundle, basis.facts
    if decision.effect is not Effect.ALLOW or bundle is None or decision.chain or _brings_along(request):
        return None
    identity = facts.identity(request.did, request.agent, request.environment)
    if identity is None or not _lasts(basis, request, decision, identity):
        return None
    vary_on = _vary_on(bundle, request, identity.resource_name)
    return None if vary_on is None else CacheHint(TTL, vary_on)


def _brings_along(request: CheckRequest) -> bool:
    return bool(
        request.target is not None
        or request.chain
        or request.delegation_token is not None
        or request.elevation_grants
        or request.approval is not None
    )


def _lasts(basis: Basis, request: CheckRequest, decision: Decision, identity: AgentIdentity) -> bool:
    """Say whether what the answer stands on is the same until it ends, were nothing heard meanwhile."""
    age, then = basis.identity_age, Instant(basis.now + TTL)
    if age is None or age + TTL >= TOKEN_TTL or (identity.expires_at is not None and identity.expires_at <= then):
        return False
    tool = None if request.tool is None else basis.facts.tools.get(request.tool)
    if tool is not None and not tool.reaches_trusted(then):
        return False
    return standing_at(identity, then, Millis(age + TTL)).ring == decision.ring


def _vary_on(bundle: CompiledBundle, request: CheckRequest, agent: str) -> tuple[str, ...] | None:
    """Return what an answer depends on as far as the policies go; None when it may not be used again."""
    tool = request.tool or ""
    key = (request.environment, agent, request.action, tool, request.side)
    found = bundle.vary_on.get(key, _UNKNOWN)
    if found is not _UNKNOWN:
        return found
    if bundle.limits and bundle.counting(
        environment=request.environment, agent=agent, action=request.action, tool=request.tool, side=request.side
    ):
        members = None
    else:
        members = _members(bundle, request, agent)
    if len(bundle.vary_on) >= KEPT:
        bundle.vary_on.clear()
    bundle.vary_on[key] = members
    return members


_UNKNOWN: tuple[str, ...] = ("not known",)


def _members(bundle: CompiledBundle, request: CheckRequest, agent: str) -> tuple[str, ...] | None:
    selecting = bundle.index.candidates(
        environment=request.environment, agent=agent, action=request.action, tool=request.tool or ""
    )
    members = set(ALWAYS)
    for rule in (bundle.rules[ordinal] for ordinal in selecting):
        if rule.obligations:
            members.add(OBLIGED)
        for path in () if rule.condition is None else reads(rule.condition.checked):
            if path.startswith(_MOMENTARY):
                return None
            members.update(member for read, member in _MEMBERS.items() if path == read or path.startswith(f"{read}."))
    return tuple(sorted(members))
