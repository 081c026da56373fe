"""Recording signals: evidence about agents becomes trust, once, from a source that is known.

- the id of a signal is counted once in an environment, whatever comes after;
- what a signal says about one environment touches nothing in another: the signal, the agent and an agent who rates it
  are all of the same one;
- a gateway passes judgements on, its own or those of agents it speaks for; everything else comes from our services,
  whose ids no gateway can use up;
- a word about oneself weighs nothing, whoever passes it on: an agent's, its gateway's, its sponsors';
- evidence counts when it is recorded. When it was observed is kept and decides nothing;
- while an agent is suspended, what is held against it counts and what speaks for it does not;
- a batch is one transaction and one event an agent, so a watcher sees the state after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.errors import NotPermitted
from ringfence_kit.events import Change
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.trust_decay import ring_at, score_at

from ringfence_identity.accounts import Accounts
from ringfence_identity.model import (
    IDENTITY,
    AgentIdentity,
    IdentityStatus,
    RecordedSignal,
    Suspension,
    SuspensionCause,
)
from ringfence_identity.revocation_record import end_permission
from ringfence_identity.store import IdentityTx
from ringfence_identity.suspension import suspended
from ringfence_identity.trust.evidence import (
    COMPLAINTS,
    FULL_WEIGHT,
    Evidence,
    Outcome,
    SignalKind,
    weight_of_rater,
)
from ringfence_identity.trust.ledger import Applied, apply_evidence

JUDGEMENTS = frozenset({SignalKind.TASK_ACCEPTED, SignalKind.TASK_REJECTED})
"""What a gateway may report: how a consumer judged an agent's work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One piece of evidence about one agent."""

    signal_id: str
    did: str
    environment: str
    kind: SignalKind
    rater: str
    """Who judged: a DID, an agent's name, or another principal; empty when a service of ours observed it."""
    evidence: str
    evidence_hash: bytes
    occurred_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalResult:
    """What became of one signal."""

    signal_id: str
    outcome: Outcome
    detail: str = ""


class Signals:
    """Records signals at the configured weights, in points by kind."""

    def __init__(self, *, weights: Mapping[SignalKind, int], accounts: Accounts, writer: Writer[IdentityTx]) -> None:
        self._weights = weights
        self._accounts = accounts
        self._writer = writer

    async def record(
        self, signals: Sequence[Signal], *, caller: Caller, mutation: Mutation
    ) -> tuple[SignalResult, ...]:
        """Apply signals in their order and return what became of each, in the same order."""
        vouched = tuple(_vouched(signal, caller) for signal in signals)

        def work(tx: IdentityTx) -> tuple[SignalResult, ...]:
            batch = _Batch(tx, mutation, caller, weights=self._weights, accounts=self._accounts)
            results = tuple(batch.take(signal) for signal in vouched)
            batch.store()
            return results

        return await self._writer.write(work, mutation=mutation, result=tuple[SignalResult, ...])


def _vouched(signal: Signal, caller: Caller) -> Signal:
    """Return the signal with its rater, or raise when `caller` may not say this in that rater's name."""
    if caller.has(Role.SERVICE, Role.PLATFORM_ADMIN):
        return signal
    rater = signal.rater or caller.principal
    if signal.kind not in JUDGEMENTS or not (rater == caller.principal or caller.speaks_for(rater)):
        raise NotPermitted(
            principal=caller.principal,
            action=f"record {signal.kind.value} in the name of {rater}",
            needed="service, or a gateway's own judgement or that of an agent it speaks for",
        )
    return replace(signal, rater=rater)


class _Batch:
    """The agents touched by one request, written once at its end."""

    def __init__(
        self,
        tx: IdentityTx,
        mutation: Mutation,
        caller: Caller,
        *,
        weights: Mapping[SignalKind, int],
        accounts: Accounts,
    ) -> None:
        self._tx = tx
        self._mutation = mutation
        self._caller = caller
        self._weights = weights
        self._accounts = accounts
        self._touched: dict[str, AgentIdentity] = {}
        self._incidents: dict[str, str] = {}
        """Why agents are suspended by this batch, by DID."""

    def take(self, signal: Signal) -> SignalResult:
        """Apply one signal and keep its id, unless it is refused: then it may come again."""
        known = self._tx.recorded_signal(signal.environment, self._counted_as(signal))
        if known is not None:
            same = (known.did, known.kind, known.evidence_hash) == (signal.did, signal.kind, signal.evidence_hash)
            detail = "" if same else "the id was recorded before, for other evidence"
            return SignalResult(signal_id=signal.signal_id, outcome=Outcome.DUPLICATE, detail=detail)
        rated = self._agent(signal.did, signal.environment)
        if rated is None:
            detail = f"no agent {signal.did} in environment {signal.environment}"
            return SignalResult(signal_id=signal.signal_id, outcome=Outcome.REFUSED, detail=detail)
        if rated.status is IdentityStatus.REVOKED or rated.expired(self._mutation.at):
            detail = "it is revoked" if rated.status is IdentityStatus.REVOKED else "it has expired"
            return SignalResult(signal_id=signal.signal_id, outcome=Outcome.REFUSED, detail=detail)
        applied = self._apply(rated, signal)
        self._keep(signal, applied.outcome)
        return SignalResult(signal_id=signal.signal_id, outcome=applied.outcome, detail=applied.detail)

    def store(self) -> None:
        """Write every agent that changed, and say so once; who watches revocations hears of a suspension too."""
        for identity in self._touched.values():
            after = replace(identity, updated_at=self._mutation.at, revision=self._tx.next_revision)
            if identity.did in self._incidents:
                end_permission(self._tx, after, reason=self._incidents[identity.did], at=self._mutation.at)
                continue
            self._tx.put_identity(after)
            self._tx.record(Change.MODIFIED, IDENTITY, after.did, records.encode(after))

    def _apply(self, rated: AgentIdentity, signal: Signal) -> Applied:
        points = self._weights[signal.kind]
        if points > 0 and rated.status is IdentityStatus.SUSPENDED:
            return Applied(rated.trust, Outcome.CAPPED, "it is suspended")
        rater, weight = self._rater(rated, signal)
        evidence = Evidence(points=points, rater=rater, rater_weight=weight, complaint=signal.kind in COMPLAINTS)
        applied = apply_evidence(rated.trust, evidence, now=self._mutation.at)
        if applied.outcome is Outcome.APPLIED:
            after = replace(rated, trust=applied.ledger)
            if signal.kind is SignalKind.INCIDENT_CONFIRMED:
                after = self._suspended(after, signal)
            self._touched[rated.did] = after
        return applied

    def _suspended(self, identity: AgentIdentity, signal: Signal) -> AgentIdentity:
        """Return an agent as a confirmed incident leaves it; a key in other hands stays the reason where it is one."""
        self._incidents[identity.did] = reason = f"a confirmed incident, {signal.signal_id}"
        suspension = identity.suspension
        if suspension is None or suspension.cause is not SuspensionCause.COMPROMISE:
            suspension = Suspension(cause=SuspensionCause.INCIDENT, reason=reason, at=self._mutation.at)
        return suspended(identity, suspension, revision=identity.revision)

    def _rater(self, rated: AgentIdentity, signal: Signal) -> tuple[str, int]:
        """Return who judged, under one name however they were named, and what their word weighs."""
        if not signal.rater:
            return "", FULL_WEIGHT
        if not _names_an_agent(signal.rater):
            return signal.rater, 0 if self._has_an_interest(rated, signal.rater) else FULL_WEIGHT
        rater = self._agent(signal.rater, signal.environment)
        if rater is None or not rater.usable(self._mutation.at):
            return signal.rater, 0
        weight = weight_of_rater(
            score=score_at(rater.trust.state, self._mutation.at),
            ring=ring_at(rater.trust.state, self._mutation.at),
            same_agent=rater.did == rated.did,
            same_sponsor=rater.content.sponsor == rated.content.sponsor,
        )
        return rater.did, weight

    def _has_an_interest(self, rated: AgentIdentity, person: str) -> bool:
        """Say whether a person or gateway judges what it answers or speaks for."""
        caller = self._caller
        if person == caller.principal and (caller.speaks_for(rated.did) or caller.speaks_for(rated.agent)):
            return True
        answering = (rated.content.sponsor, rated.content.backup_sponsor)
        return person in answering or any(self._accounts.is_of(person, self._tx.sponsor(name)) for name in answering)

    def _counted_as(self, signal: Signal) -> str:
        """Return the id under which it is counted: a gateway's are its own, so it cannot use up those of a service."""
        if self._caller.has(Role.SERVICE, Role.PLATFORM_ADMIN):
            return signal.signal_id
        return f"{self._caller.principal}/{signal.signal_id}"

    def _agent(self, named: str, environment: str) -> AgentIdentity | None:
        """Return the agent with this DID or name in `environment`, as this batch has left it."""
        by_name = AgentName.parse(named) is not None
        found = self._tx.identity_of_agent(named, environment) if by_name else self._tx.identity(named)
        if found is None or found.environment != environment:
            return None
        return self._touched.get(found.did, found)

    def _keep(self, signal: Signal, outcome: Outcome) -> None:
        self._tx.add_signal(
            RecordedSignal(
                environment=signal.environment,
                signal_id=self._counted_as(signal),
                did=signal.did,
                kind=signal.kind,
                rater=signal.rater,
                source=self._mutation.principal,
                evidence=signal.evidence,
                evidence_hash=signal.evidence_hash,
                occurred_at=signal.occurred_at,
                recorded_at=self._mutation.at,
                outcome=outcome,
            )
        )


def _names_an_agent(rater: str) -> bool:
    # Whatever is spelled like a DID is judged as one: in another case it names nobody, and nobody weighs nothing.
    return rater.lower().startswith("did:") or AgentName.parse(rater) is not None
