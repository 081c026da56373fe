"""The ring a call with several parties needs, and whether it has it: by itself, or raised by an elevation grant.

Asked are the ring of the action, of everybody behind the call; and of every agent that is called along the chain, the
least trusted ring its policies take calls from (`min_caller_ring`), of everybody before it. An elevation grant lowers
all of these to its ring, and adds the approvals it demands.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from ringfence.proofs.elevation import ElevationGrant
from ringfence_kit.clock import DAY, SECOND, Millis

from ringfence_pdp.case import Case
from ringfence_pdp.chains.elevations import elevated
from ringfence_pdp.facts import HEARTBEAT, MISSED_HEARTBEATS
from ringfence_pdp.model import Approval, Reason, Side, Stage, Verdict
from ringfence_pdp.stages import denial, required_ring


class Needed(NamedTuple):
    """One ring that is asked."""

    ring: int
    """The least trusted that will do."""
    has: int
    """The one that is judged."""
    by: str
    """What asks it, for a person."""


class Gate(NamedTuple):
    """Whether a call is trusted enough."""

    objection: Verdict | None
    elevation: ElevationGrant | None = None
    """What raised it, when it was not by itself."""

    def approval(self, case: Case) -> Approval | None:
        """Return the approval that an elevation demands: of anybody, until it ends."""
        if self.elevation is None:
            return None
        left = min(max(self.elevation.expires_at - case.basis.now, SECOND), DAY)
        return Approval(min_approvals=self.elevation.approvals, approver_groups=(), timeout=Millis(left))


def ring_gate(case: Case) -> Gate:
    """Judge the rings of a call."""
    if any(one.identity is None for one in case.parties):
        return Gate(denial(Stage.RING, Reason.AGENT_UNKNOWN, "the ring of an unknown agent is not known"))
    unmet = [needed for needed in _needed(case) if needed.has > needed.ring]
    if not unmet:
        return Gate(None)
    strictest = min(unmet, key=lambda needed: needed.ring)
    message = f"{strictest.by} needs ring {strictest.ring} or better, and the call is judged at ring {strictest.has}"
    if not case.request.elevation_grants:
        return Gate(denial(Stage.RING, Reason.RING_INSUFFICIENT, f"{message}, that of its least trusted party"))
    grant, problem = _elevated(case, strictest.ring)
    if grant is None:
        return Gate(denial(Stage.RING, Reason.ELEVATION_INVALID, f"{message}; no grant that is shown helps: {problem}"))
    return Gate(None, grant)


def _needed(case: Case) -> Iterator[Needed]:
    yield Needed(required_ring(case), case.standing.ring, case.request.action)
    bundle, request = case.basis.bundle, case.request
    if bundle is None or not bundle.has_caller_rings:
        return
    subjects = (case.acting,) if case.call is None else case.call.subjects
    target = None if case.call is None else case.call.target
    rings = list(accumulate((one.standing.ring for one in subjects), max))
    rings[-1] = case.standing.ring  # of the whole call also its token is judged
    called = [*subjects[1:], *([] if target is None else [target])]
    if target is None and request.side is Side.CALLEE:
        # Nobody says who is called: then the policies that the question selects are those of whoever is.
        called.append(case.acting)
    for callee, ring in zip(called, rings[: len(called)] if called else (), strict=True):
        least = bundle.min_caller_ring(callee.name, request.environment)
        if least is not None:
            yield Needed(least, ring, callee.name)


def _elevated(case: Case, needed: int) -> tuple[ElevationGrant | None, str]:
    basis, request = case.basis, case.request
    if basis.identity_age is None or basis.identity_age > MISSED_HEARTBEATS * HEARTBEAT:
        return None, "identity is silent, so nobody is elevated"
    origin = case.acting if case.call is None else case.call.subjects[0]
    return elevated(
        request.elevation_grants,
        issuer=basis.facts.issuers.get(request.environment),
        revocations=basis.facts.revocations,
        origin=origin.did,
        action=request.action,
        resource=request.resource.id or request.tool,
        needed=needed,
        now=max(basis.now, basis.proofs_at),
    )
