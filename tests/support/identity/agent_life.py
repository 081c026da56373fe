"""An agent and everything that can happen to its keys, over any store: the use cases, wired as `app.py` wires them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ringfence.proofs.public_keys import public_key_of
from ringfence.proofs.rotation import rotation_input
from ringfence.proofs.timestamps import whole_second
from ringfence_identity.compromise import Compromise, Compromised, ReportCompromise
from ringfence_identity.config import IdentityConfig
from ringfence_identity.issuance import Newcomer, issue_identity
from ringfence_identity.key_succession import NewKey
from ringfence_identity.model import IDENTITY, AgentIdentity, Sponsor
from ringfence_identity.registrars import Registrars
from ringfence_identity.revocation import Revocation, Revoke
from ringfence_identity.rotation import RotateKey, Rotation
from ringfence_identity.status.places import place_of
from ringfence_identity.store import IdentityTx
from ringfence_identity.store.agent_keys import UsedKey
from ringfence_identity.suspension import Reinstate, Suspend, Suspensions
from ringfence_kit import records
from ringfence_kit.clock import Instant, ManualClock
from ringfence_kit.events import Change
from ringfence_kit.names import AgentName
from ringfence_kit.sealed_keys import Ed25519Signer, FileKeyStore
from ringfence_kit.sealing import Seal
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.identity.births import COMPLETE
from support.identity.keys import seeded_key
from support.identity.opened import OpenedIdentity, opened_identity
from support.serving import OPERATOR

NONCE = b"sixteen bytes or"


@dataclass(slots=True, kw_only=True)
class AgentLife:
    """One enrolled agent; keys are named by their number (`seeded_key`)."""

    opened: OpenedIdentity
    clock: ManualClock
    registrars: Registrars
    rotation: Rotation
    compromise: Compromise
    suspensions: Suspensions
    revocation: Revocation
    did: str = field(default="", init=False)

    @property
    def identity(self) -> AgentIdentity:
        """The agent as it stands."""
        identity = self.opened.snapshot.identity(self.did)
        assert identity is not None
        return identity

    def new_key(self, old: Ed25519Signer, new: Ed25519Signer, version_id: str = "") -> NewKey:
        """Return `new` with a proof for the place of `old`, at the version of now or another."""
        bare = NewKey(
            public_key=new.public_key,
            nonce=NONCE,
            version_id=version_id or self.identity.did_version_id,
            proof=b"",
        )
        return NewKey(
            public_key=bare.public_key,
            nonce=bare.nonce,
            version_id=bare.version_id,
            proof=new.sign(self.message(old, bare)),
        )

    def message(self, old: Ed25519Signer, new: NewKey) -> bytes:
        """Return what has to be signed to put `new` in the place of `old`."""
        return rotation_input(
            did=self.did,
            environment=self.identity.environment,
            version_id=new.version_id,
            old_key=old.public_key,
            new_key=new.public_key,
            nonce=new.nonce,
        )

    async def rotate(self, old: int, new: int, *, version_id: str = "") -> AgentIdentity:
        """Rotate as a holder of both keys would."""
        key = self.new_key(seeded_key(old), seeded_key(new), version_id)
        proof = seeded_key(old).sign(self.message(seeded_key(old), key))
        wanted = RotateKey(did=self.did, new_key=key, old_key_proof=proof)
        return await self.rotation.rotate(wanted, mutation=self.mutation())

    async def lose(
        self, old: int, new: int | None = None, *, since: Instant | None = None, version_id: str = ""
    ) -> Compromised:
        """Report the key as compromised, with another one to go on with or without."""
        key = None if new is None else self.new_key(seeded_key(old), seeded_key(new), version_id)
        wanted = ReportCompromise(did=self.did, reason="lost", compromised_since=since, replacement=key)
        return await self.compromise.report(wanted, caller=OPERATOR, mutation=self.mutation())

    async def suspend(self) -> AgentIdentity:
        """Suspend the agent."""
        wanted = Suspend(did=self.did, reason="a look")
        return await self.suspensions.suspend(wanted, caller=OPERATOR, mutation=self.mutation())

    async def reinstate(self, old: int = 0, new: int | None = None) -> AgentIdentity:
        """Reinstate the agent, with another key or without."""
        key = None if new is None else self.new_key(seeded_key(old), seeded_key(new))
        wanted = Reinstate(did=self.did, reason="fine", replacement=key)
        return await self.suspensions.reinstate(wanted, caller=OPERATOR, mutation=self.mutation())

    async def revoke(self) -> AgentIdentity:
        """Revoke the agent."""
        wanted = Revoke(did=self.did, reason="done")
        return await self.revocation.revoke(wanted, caller=OPERATOR, mutation=self.mutation())

    async def log(self) -> str:
        """Return the agent's `did.jsonl`."""
        return "".join(f"{line}\n" for line in await self.opened.store.log_lines(self.did))

    async def keys(self) -> list[UsedKey]:
        """Return every key the agent has had."""
        return await self.opened.writer.write(
            lambda tx: list(tx.keys_of(self.did)), mutation=self.mutation(), result=list[UsedKey]
        )

    async def pad_log(self, size: int) -> None:
        """Make the agent's log look as if it had so many characters more."""
        await self.opened.writer.write(
            lambda tx: tx.add_log_line(self.did, 0, " " * size), mutation=self.mutation(), result=type(None)
        )

    def mutation(self) -> Mutation:
        """Return a change of the operator's, now."""
        return Mutation(principal=OPERATOR.principal, at=self.clock.now())

    async def enrol(self, key: int) -> None:
        """Enrol the agent with its first key."""
        (registrar,) = (one for one in self.registrars if one.environment.name == "prod")
        newcomer = Newcomer(
            agent=AgentName("billing", "reconciler"),
            key=public_key_of(seeded_key(key)),
            content=COMPLETE,
            debt=0,
            uid=f"uid-{key}",
            certificate_id="00000000-0000-4000-8000-000000000001",
            status_place=place_of(0, registrar.keys.status_places),
        )
        now = self.clock.now()

        def work(tx: IdentityTx) -> str:
            sponsor = Sponsor(
                name=COMPLETE.sponsor,
                display_name="Ada",
                contact="ada@example.com",
                verified_by="test",
                created_at=now,
                revision=tx.next_revision,
            )
            tx.add_sponsor(sponsor)
            issued = issue_identity(registrar, newcomer, revision=tx.next_revision, now=now)
            identity, first = issued.identity, issued.first_entry
            assert first is not None
            tx.add_identity(identity)
            tx.add_key(UsedKey(key=identity.key, did=identity.did, since=whole_second(now)))
            tx.add_log_line(identity.did, first.number, first.line)
            tx.record(Change.ADDED, IDENTITY, identity.did, records.encode(identity))
            return identity.did

        self.did = await self.opened.writer.write(work, mutation=self.mutation(), result=str)


@asynccontextmanager
async def agent_life(backend: Backend, folder: Path) -> AsyncIterator[AgentLife]:
    """Open a store with one agent, enrolled with key 1; key files lie under `folder`."""
    clock = ManualClock()
    async with opened_identity(backend, clock=clock) as opened:
        environments = IdentityConfig().hosted(enrolled_in=opened.snapshot.environment_of)
        registrars = Registrars(environments)
        keys = FileKeyStore(folder / "identity.keys", Seal.unsealed())
        await registrars.open(keys=keys, writer=opened.writer, clock=clock)
        parts: dict[str, Any] = {
            "environments": environments,
            "registrars": registrars,
            "snapshot": opened.snapshot,
            "writer": opened.writer,
        }
        life = AgentLife(
            opened=opened,
            clock=clock,
            registrars=registrars,
            rotation=Rotation(environments=environments, registrars=registrars, writer=opened.writer),
            compromise=Compromise(**parts),
            suspensions=Suspensions(**parts),
            revocation=Revocation(**parts),
        )
        await life.enrol(1)
        yield life
