"""A case: a request beside what is known of its agent, and the basis it is decided on."""

from typing import NamedTuple

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.compile import CompiledBundle
from ringfence_pdp.facts import Facts, Standing, standing_at
from ringfence_pdp.kill_switch import KillSwitches
from ringfence_pdp.model import UNKNOWN, CheckRequest
from ringfence_pdp.vocabulary import AgentView, Scope


class Basis(NamedTuple):
    """What a decision stands on. A batch is decided on one."""

    bundle: CompiledBundle | None
    kill_switches: KillSwitches
    facts: Facts
    now: Instant
    identity_age: Millis | None
    """How long ago identity was last heard; None means never."""
    gated_environments: frozenset[str]
    """Those in which a tool has to be approved with the hash of its schema."""


_NO_STANDING = Standing(UNKNOWN, UNKNOWN)


class Case:
    """Everything about the agent is looked up here, once."""

    __slots__ = ("basis", "identity", "registered", "request", "standing")

    def __init__(self, basis: Basis, request: CheckRequest) -> None:
        self.basis = basis
        self.request = request
        facts = basis.facts
        identity = facts.identity(request.did, request.agent, request.environment)
        self.identity = identity
        self.registered = facts.registered.get(identity.resource_name) if identity is not None else None
        self.standing = standing_at(identity, basis.now, basis.identity_age) if identity is not None else _NO_STANDING

    @property
    def subject(self) -> str:
        """The agent as messages call it."""
        if self.identity is not None:
            return self.identity.resource_name
        return self.request.did or str(self.request.agent)

    def scope(self) -> Scope | None:
        """What conditions see; None when too little is known to run any."""
        if self.identity is None or self.registered is None:
            return None
        return Scope(self.request, AgentView(self.identity, self.registered, self.standing), self.basis.now)
