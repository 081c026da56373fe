"""That nothing speaks against what an agent does alone, before rules are asked: remembered for as long as it is so.

Agents do the same few things again and again, and facts about them seldom change. The rules:

- only what no stage objected to is remembered, so a stage that objects is always asked, and says why;
- it holds while every fact it was found on is the very same object (facts are never changed in place, what is told anew
  is a new one), and until the first instant at which one of them may mean something else by itself: a score that fades,
  a grant, an identity or a trust that ends. A clock that is set back before it was found leaves it;
- it is of one bundle, and kept with it, by what was asked and by the routine that was. Whoever asks by both names of an
  agent, or while identity is silent, is looked at anew each time.

Deciding with and without it is the same; a property test holds the two together.
"""

from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.chains.party import Party
from ringfence_pdp.compiled import CompiledBundle, CompiledRule
from ringfence_pdp.facts import HEARD_LATELY, AgentIdentity, Facts, RegisteredAgent, RegisteredTool, standing_until
from ringfence_pdp.kill_switch import KillSwitches
from ringfence_pdp.model import CheckRequest, Decision, Side, SideEffects, Target
from ringfence_pdp.routine import Routine

KEPT = 20_000
"""Clearances kept with a bundle, each by what was asked and by its routine."""

Key: TypeAlias = tuple[str, str, str, str | None, str | None, SideEffects, Side, str | None]
"""A DID and an environment, an action, a tool, its schema and effects, a side, the environment of the resource."""


class Ground(Protocol):
    """What of the basis of a decision the stages before the rules look at."""

    @property
    def bundle(self) -> CompiledBundle | None:
        """The policies."""
        ...

    @property
    def kill_switches(self) -> KillSwitches:
        """The switches engaged."""
        ...

    @property
    def facts(self) -> Facts:
        """What is known."""
        ...

    @property
    def now(self) -> Instant:
        """The moment of the decision."""
        ...

    @property
    def identity_age(self) -> Millis | None:
        """How long ago identity was last heard; None means never."""
        ...

    @property
    def gated_environments(self) -> frozenset[str]:
        """Those in which a tool has to be approved with the hash of its schema."""
        ...


@dataclass(frozen=True, slots=True)
class Clearance:
    """What an agent was cleared on, and for how long."""

    identity: AgentIdentity
    named: tuple[str, str]
    """Under which the facts know that identity, besides its DID."""
    registered: RegisteredAgent
    tool: RegisteredTool | None
    switches: KillSwitches
    gated: frozenset[str]
    since: Instant
    until: Instant
    acting: Party
    rules: tuple[CompiledRule, ...]
    """Those that select what it does, in the order in which they are judged."""
    ruled: dict[int, Decision] = field(default_factory=dict, compare=False)
    """What is decided where a rule's own word settles it, by the number of that verdict: one object each, by which
    whatever was written of a decision is found again."""


def cleared(ground: Ground, request: CheckRequest, routine: Routine | None = None) -> Clearance | None:
    """Return what clears the agent that asks, alone, as far as the rules; None when it is to be looked at."""
    bundle, facts, age = ground.bundle, ground.facts, ground.identity_age
    did, tool = request.did, request.tool
    if bundle is None or age is None or age > HEARD_LATELY or (did is not None and request.agent is not None):
        return None
    if routine is not None and request.resource.environment is not None:
        routine = None  # which a routine says nothing of
    known: Clearance | None = None if routine is None else bundle.clearances.get(routine)
    if known is None:
        identity = facts.identity(did, request.agent, request.environment)
        known = None if identity is None else bundle.clearances.get(_key(identity, request))
        if known is None:
            return None
        if routine is not None:
            _keep(bundle, routine, known)
    if (
        known.identity is not (facts.by_name.get(known.named) if did is None else facts.by_did.get(did))
        or known.registered is not facts.registered.get(known.named[1])
        or known.tool is not (None if tool is None else facts.tools.get(tool))
        or known.switches is not ground.kill_switches
        or known.gated is not ground.gated_environments
        or not known.since <= ground.now < known.until
    ):
        return None
    return known


def remember(ground: Ground, request: CheckRequest, acting: Party, routine: Routine | None = None) -> None:
    """Take note that no stage before the rules objects to what `acting` does alone."""
    bundle, age, identity, registered = ground.bundle, ground.identity_age, acting.identity, acting.registered
    if bundle is None or identity is None or registered is None or age is None or age > HEARD_LATELY:
        return
    tool = None if request.tool is None else ground.facts.tools.get(request.tool)
    ends = (standing_until(identity, ground.now), identity.expires_at, None if tool is None else tool.trust_expires_at)
    clearance = Clearance(
        identity,
        (identity.environment, identity.resource_name),
        registered,
        tool,
        ground.kill_switches,
        ground.gated_environments,
        since=ground.now,
        until=min((end for end in ends if end is not None), default=_NEVER),
        acting=acting._replace(asked=Target(agent=identity.name)),
        rules=tuple(
            bundle.selecting(
                bundle.index,
                environment=request.environment,
                governed=identity.resource_name,
                action=request.action,
                tool=request.tool,
                side=request.side,
            )
        ),
    )
    _keep(bundle, _key(identity, request), clearance)
    if routine is not None and request.resource.environment is None:
        _keep(bundle, routine, clearance)


_NEVER = Instant(2**63)


def _keep(bundle: CompiledBundle, key: Key | Routine, clearance: Clearance) -> None:
    if len(bundle.clearances) >= KEPT:
        bundle.clearances.clear()
    bundle.clearances[key] = clearance


def _key(identity: AgentIdentity, request: CheckRequest) -> Key:
    return (
        identity.did,
        request.environment,
        request.action,
        request.tool,
        request.tool_schema_hash,
        request.side_effects,
        request.side,
        request.resource.environment,
    )
