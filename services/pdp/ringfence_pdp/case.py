"""A case: a request beside what is known of its agents, and the basis it is decided on."""

from typing import NamedTuple

from ringfence_kit.clock import EPOCH, Instant, Millis

from ringfence_pdp.chains.call import Call, call_of
from ringfence_pdp.chains.party import Party, party
from ringfence_pdp.clearance import Clearance, cleared
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.facts import Facts
from ringfence_pdp.filters.filtering import Filtered
from ringfence_pdp.kill_switch import KillSwitches
from ringfence_pdp.model import CheckRequest
from ringfence_pdp.rings import stricter
from ringfence_pdp.routine import Routine
from ringfence_pdp.vocabulary import Scope


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
    audiences: frozenset[str] = frozenset()
    """The audiences of tokens this pdp decides for; empty leaves that to the enforcement points."""
    proofs_at: Instant = EPOCH
    """The latest moment this pdp knows of: what has expired by then stays so when its clock is set back."""


class Case:
    """Everything about the agents and the tool is looked up here, once."""

    __slots__ = ("acting", "basis", "call", "cleared", "filtered", "request", "routine", "standing")

    acting: Party
    """The agent that acts."""
    call: Call | None
    """All parties, when the question brings up anybody or anything but that agent."""
    cleared: Clearance | None
    """That no stage before the rules objects to what that agent does alone, if that is known already."""
    filtered: Filtered | None
    """What content filters make of it, once they were asked."""

    def __init__(self, basis: Basis, request: CheckRequest, routine: Routine | None = None) -> None:
        request = _as_registered(basis.facts, request)
        self.basis = basis
        self.request = request
        self.routine = routine
        self.filtered = None
        self.cleared = known = cleared(basis, request, routine)
        if known is None:
            acting = party(basis.facts, request, request.environment, basis.now, basis.identity_age)
        else:
            acting = known.acting
        self.acting = acting
        if (
            request.target is None
            and not request.chain
            and request.delegation_token is None
            and not request.elevation_grants
        ):
            self.call = None
            self.standing = acting.standing
        else:
            self.call = call = call_of(basis, request, acting)
            self.standing = call.standing

    @property
    def parties(self) -> tuple[Party, ...]:
        """Everybody who has a part in the call; whoever stands behind it before whom it is made to."""
        return (self.acting,) if self.call is None else self.call.parties

    @property
    def subject(self) -> str:
        """The agent that acts, as messages call it."""
        return self.acting.name

    def scope(self) -> Scope | None:
        """What conditions see; None when too little is known to run any."""
        if self.call is not None:
            if any(one.identity is None or one.registered is None for one in self.call.parties):
                return None
            return Scope.of_call(self.request, self.acting, self.call, self.basis.now)
        if self.acting.registered is None:
            return None
        return Scope(self.request, self.acting, self.basis.now)


def _as_registered(facts: Facts, request: CheckRequest) -> CheckRequest:
    """Return a request with the side effects its tool has by its contract, unless it says graver ones itself."""
    tool = None if request.tool is None else facts.tools.get(request.tool)
    if tool is None:
        return request
    effects = stricter(request.side_effects, tool.effects)
    return request if effects is request.side_effects else request._replace(side_effects=effects)
