"""Agents as identity keeps them, put into a store without enrolment, and signals recorded about them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ringfence_identity.accounts import Accounts
from ringfence_identity.config import SignalWeightsConfig
from ringfence_identity.model import IDENTITY, AgentIdentity
from ringfence_identity.store import IdentityTx
from ringfence_identity.trust.caps import TrustLedger
from ringfence_identity.trust.evidence import Outcome, SignalKind
from ringfence_identity.trust.signals import Signal, Signals
from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.trust_decay import MICRO, TrustState
from support.identity.births import COMPLETE
from support.serving import SERVICE

T0 = Instant(1_767_225_600_000)

RINGS = ((900, 0), (700, 1), (400, 2))


def rated_agent(number: int, *, score: int = 300, environment: str = "prod", sponsor: str = "ada") -> AgentIdentity:
    """Return an agent that stands at `score` at T0, in the ring of that score, of its own sponsor."""
    ring = next((ring for threshold, ring in RINGS if score >= threshold), 3)
    state = TrustState(
        earned=max(0, score - 300) * MICRO,
        debt=max(0, 300 - score) * MICRO,
        last_positive_at=T0,
        debt_at=T0,
        last_event_at=T0,
        stored_ring=max(1, ring),
    )
    return AgentIdentity(
        uid=f"uid-{environment}-{number}",
        agent=f"namespaces/billing/agents/a{number}",
        environment=environment,
        did=f"did:webvh:Qm{number:03}:{environment}.example:agents:Qm{number:03}",
        key=f"z6Mk{environment}{number}",
        did_version_id="1-Qm",
        content=replace(COMPLETE, sponsor=f"sponsors/{sponsor}", backup_sponsor="sponsors/backup"),
        certificate_serial=1,
        certificate_hash="hash",
        trust=TrustLedger(state=state),
        created_at=T0,
        updated_at=T0,
        revision=1,
    )


def observed(signal_id: str, agent: AgentIdentity, kind: SignalKind, *, rater: str = "") -> Signal:
    """Return a signal about `agent`."""
    return Signal(
        signal_id=signal_id,
        did=agent.did,
        environment=agent.environment,
        kind=kind,
        rater=rater,
        evidence=f"audit/{signal_id}",
        evidence_hash=hashlib.sha256(signal_id.encode()).digest(),
        occurred_at=T0,
    )


async def put_agents(writer: Writer[IdentityTx], agents: Iterable[AgentIdentity]) -> None:
    """Store agents as they are."""

    def work(tx: IdentityTx) -> None:
        for agent in agents:
            tx.add_identity(agent)
            tx.record(Change.ADDED, IDENTITY, agent.did, records.encode(agent))

    await writer.write(work, mutation=Mutation(principal="test", at=T0), result=type(None))


async def record_at(
    writer: Writer[IdentityTx], signals: Sequence[Signal], now: int, *, caller: Caller = SERVICE
) -> list[Outcome]:
    """Record one batch at `now`, at the default weights, and return what became of each signal."""
    recorder = Signals(weights=SignalWeightsConfig().points(), accounts=Accounts({}), writer=writer)
    mutation = Mutation(principal=caller.principal, at=Instant(now))
    return [result.outcome for result in await recorder.record(signals, caller=caller, mutation=mutation)]
