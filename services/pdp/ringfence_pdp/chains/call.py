"""A call with more than one party: who stands behind it, who is called, and how far its least trusted party is trusted.

- a delegation token that verifies names the whole chain; a claimed chain names it without proof and can only restrict.
  With both, both have to say the same;
- nobody is in a chain twice, the agent called included; at most six stand behind a call;
- the call is judged at the least trusted ring and the lowest score of all who stand behind it, and of the token's. What
  the agent called is trusted lends nothing: a confused deputy gets what the origin would get.

Whatever is wrong is one problem, found once; the validity stage denies by it.
"""

from typing import NamedTuple, Protocol

from ringfence_kit.clock import Instant, Millis
from ringfence_kit.names import AgentName

from ringfence_pdp.chains.party import Party, party
from ringfence_pdp.chains.tokens import ChainRefused, Delegated, delegated
from ringfence_pdp.facts import Facts, Standing
from ringfence_pdp.model import CheckRequest, Reason, Target

SUBJECTS_MAX = 6
"""The origin, whoever handed on, and who acts: one more than a delegation has grants."""


class Ground(Protocol):
    """What of the basis of a decision a chain is judged on."""

    @property
    def facts(self) -> Facts:
        """What is known."""
        ...

    @property
    def now(self) -> Instant:
        """The moment of the decision."""
        ...

    @property
    def proofs_at(self) -> Instant:
        """The latest moment there was: what has expired by then stays so when a clock is set back."""
        ...

    @property
    def identity_age(self) -> Millis | None:
        """How long ago identity was last heard; None means never."""
        ...

    @property
    def audiences(self) -> frozenset[str]:
        """The audiences this pdp decides for; empty when it was not told."""
        ...


class Problem(NamedTuple):
    """What speaks against a chain as such."""

    reason: Reason
    message: str


class Call(NamedTuple):
    """The parties to a call."""

    subjects: tuple[Party, ...]
    """The origin first, the acting agent last."""
    target: Party | None
    standing: Standing
    """How far the call is trusted: no further than anybody behind it."""
    delegated: Delegated | None
    problem: Problem | None

    @property
    def parties(self) -> tuple[Party, ...]:
        """Everybody who has a part in it."""
        return self.subjects if self.target is None else (*self.subjects, self.target)

    @property
    def chain(self) -> tuple[str, ...]:
        """The DIDs it is judged for; empty when nobody stands before the acting agent."""
        return tuple(one.did for one in self.subjects) if self.subjects[1:] else ()


def call_of(ground: Ground, request: CheckRequest, acting: Party) -> Call:
    """Return the parties to what is asked."""
    target = None if request.target is None else _called(ground, request.target, request)
    claimed = tuple(_party(ground, _target(text), request) for text in request.chain)
    shown: Delegated | None = None
    problem: Problem | None = None
    subjects = (*claimed, acting)
    if request.delegation_token is not None:
        try:
            shown = _shown(ground, request.delegation_token, request, acting, target)
        except ChainRefused as refused:
            problem = Problem(Reason.CHAIN_INVALID, refused.problem)
        else:
            proven = tuple(_party(ground, Target(did=did), request) for did in shown.delegation.path[:-1])
            subjects = (*proven, acting)
            if claimed and [one.did for one in claimed] != [one.did for one in proven]:
                problem = Problem(Reason.CHAIN_INVALID, _disagreement(claimed, proven))
    standing = _least_trusted(subjects, shown)
    return Call(subjects, target, standing, shown, problem or _of_shape(subjects, target))


def _party(ground: Ground, asked: Target, request: CheckRequest) -> Party:
    return party(ground.facts, asked, request.environment, ground.now, ground.identity_age)


def _called(ground: Ground, asked: Target, request: CheckRequest) -> Party:
    called = _party(ground, asked, request)
    if called.identity is None:
        return called
    return called._replace(health=ground.facts.health_of(called.identity, ground.now))


def _target(text: str) -> Target:
    """A DID or the name of an agent, as the question spells it."""
    return Target(did=text) if text.startswith("did:") else Target(agent=AgentName.parse(text))


def _shown(ground: Ground, token: str, request: CheckRequest, acting: Party, target: Party | None) -> Delegated:
    return delegated(
        token,
        issuer=ground.facts.issuers.get(request.environment),
        revocations=ground.facts.revocations,
        holder=acting,
        target=target,
        audiences=ground.audiences,
        now=max(ground.now, ground.proofs_at),
    )


def _disagreement(claimed: tuple[Party, ...], proven: tuple[Party, ...]) -> str:
    said, shown = ("→".join(one.name for one in chain) for chain in (claimed, proven))
    return f"the question says it is made for {said}, the token for {shown}; send the chain of the token, or none"


def _of_shape(subjects: tuple[Party, ...], target: Party | None) -> Problem | None:
    if len(subjects) > SUBJECTS_MAX:
        message = f"{len(subjects)} agents stand behind the call, {SUBJECTS_MAX} are allowed"
        return Problem(Reason.CHAIN_TOO_LONG, message)
    names: set[str] = set()
    for one in subjects if target is None else (*subjects, target):
        if one.name in names:
            message = f"{one.name} is in the chain twice; authority is not handed back to who handed it on"
            return Problem(Reason.CHAIN_CYCLE, message)
        names.add(one.name)
    return None


def _least_trusted(subjects: tuple[Party, ...], shown: Delegated | None) -> Standing:
    ring = max(one.standing.ring for one in subjects)
    score = min(one.standing.score for one in subjects)
    return Standing(ring if shown is None else max(ring, shown.token.ring), score)
