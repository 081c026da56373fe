"""Verifying a peer over every kind of store: a challenge counts once, and what the store says now is what counts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ringfence.proofs.peer_transcript import (
    Party,
    PeerRole,
    Requirements,
    Transcript,
    hash_of_challenge,
    signing_input,
)
from ringfence.proofs.peer_verdict import PeerRefusal
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.config import IdentityConfig
from ringfence_identity.model import IDENTITY, AgentIdentity, IdentityStatus
from ringfence_identity.peers.verification import CreateChallenge, PeerVerdict, PeerVerification, VerifyPeer
from ringfence_identity.store import IdentityTx
from ringfence_kit import records
from ringfence_kit.clock import SECOND, Instant
from ringfence_kit.events import Change
from support.backends import Backend
from support.identity.agent_life import AgentLife, agent_life
from support.identity.keys import seeded_key
from support.serving import SERVICE

SCID = "QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE"
VERIFIER = f"did:webvh:{SCID}:prod.id.ringfence.internal:agents:{SCID}"
PLACE = "https://orders.example.com"


@dataclass
class Verifying:
    """The use case, with a peer whose key is 1 and a verifier whose key is 2."""

    life: AgentLife
    verification: PeerVerification

    async def add_verifier(self) -> None:
        verifier = replace(
            self.life.identity,
            uid="verifier",
            did=VERIFIER,
            agent="namespaces/billing/agents/buyer",
            key=public_key_of(seeded_key(2)).multibase,
        )
        await self.put(verifier)

    async def put(self, identity: AgentIdentity) -> None:
        def work(tx: IdentityTx) -> None:
            tx.add_identity(identity)
            tx.record(Change.MODIFIED, IDENTITY, identity.did, records.encode(identity))

        await self.life.opened.writer.write(work, mutation=self.life.mutation(), result=type(None))

    def answer(self) -> VerifyPeer:
        now = self.life.clock.now()
        wanted = CreateChallenge(verifier=VERIFIER, peer=self.life.did, audience=PLACE, require=Requirements())
        challenged = self.verification.challenge(wanted, caller=SERVICE, now=now)
        expires_at = Instant(challenged.expires_at - challenged.expires_at % SECOND)
        transcript = Transcript(
            environment="prod",
            audience=PLACE,
            verifier=self.party(VERIFIER, 2),
            peer=self.party(self.life.did, 1),
            challenge_hash=hash_of_challenge(challenged.challenge),
            issued_at=Instant(expires_at - 30 * SECOND),
            expires_at=expires_at,
        )
        signed = transcript.encode()
        return VerifyPeer(
            challenge=challenged.challenge,
            signed=signed,
            transcript=transcript,
            peer_signature=seeded_key(1).sign(signing_input(PeerRole.PEER, signed)),
        )

    def party(self, did: str, key: int) -> Party:
        known = self.life.opened.snapshot.identity(did)
        assert known is not None
        thumbprint = public_key_of(seeded_key(key)).thumbprint
        return Party(did=did, key=thumbprint, version=known.did_version_id, nonce=bytes([key]) * 32)

    async def verify(self, answer: VerifyPeer) -> PeerVerdict:
        return await self.verification.verify(answer, caller=SERVICE, now=self.life.clock.now())


@pytest.fixture
async def verifying(backend: Backend, tmp_path: Path) -> AsyncIterator[Verifying]:
    async with agent_life(backend, tmp_path) as life:
        nonces = iter([bytes([number]) * 16 for number in range(1, 100)])
        verification = PeerVerification(
            environments=IdentityConfig().hosted(enrolled_in=life.opened.snapshot.environment_of),
            registrars=life.registrars,
            snapshot=life.opened.snapshot,
            writer=life.opened.writer,
            new_nonce=lambda: next(nonces),
        )
        verifying = Verifying(life, verification)
        await verifying.add_verifier()
        yield verifying


async def test_a_challenge_counts_once(verifying: Verifying) -> None:
    answer = verifying.answer()
    first = await verifying.verify(answer)
    assert first.refusals == ()
    assert first.peer is not None
    assert first.peer.did == verifying.life.did
    assert (await verifying.verify(answer)).refusals == (PeerRefusal.REPLAYED,)
    assert (await verifying.verify(verifying.answer())).refusals == ()


async def test_of_many_at_once_one_counts(verifying: Verifying) -> None:
    answer = verifying.answer()
    verdicts = await asyncio.gather(*(verifying.verify(answer) for _ in range(12)))
    assert sum(verdict.peer is not None for verdict in verdicts) == 1


async def test_what_the_store_says_counts_and_not_an_older_memory(verifying: Verifying) -> None:
    """Another replica has suspended the peer, and this one has not heard of it yet."""
    answer = verifying.answer()
    suspended = replace(verifying.life.identity, status=IdentityStatus.SUSPENDED)

    def unheard(tx: IdentityTx) -> None:
        tx.put_identity(suspended)

    await verifying.life.opened.writer.write(unheard, mutation=verifying.life.mutation(), result=type(None))
    assert verifying.life.identity.status is IdentityStatus.ACTIVE
    assert (await verifying.verify(answer)).refusals == (PeerRefusal.NOT_ACTIVE,)


async def test_a_key_that_another_replica_rotated_away_proves_nothing(verifying: Verifying) -> None:
    answer = verifying.answer()
    rotated = replace(verifying.life.identity, key=public_key_of(seeded_key(3)).multibase, did_version_id="2-Qm")

    def unheard(tx: IdentityTx) -> None:
        tx.put_identity(rotated)

    await verifying.life.opened.writer.write(unheard, mutation=verifying.life.mutation(), result=type(None))
    assert (await verifying.verify(answer)).refusals == (PeerRefusal.PROOF_INVALID,)
