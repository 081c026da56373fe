"""Agents identity knows, with keys that sign cards: a small identity steered by its attributes."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ringfence.proofs.did import AgentDid, Host, Scid, multihash_of
from ringfence.proofs.did_keys import KeyPeriod
from ringfence.proofs.public_keys import PublicKey, import_key
from ringfence_kit.clock import EPOCH, Instant
from ringfence_registry.cards.signatures.keys import AgentKeys, IdentityAway, IdentityStanding

from support.registry.signed_cards import TestSigner

LEDGER = "namespaces/finance/agents/ledger"


def scid(text: str) -> Scid:
    """Return an SCID of that text."""
    return Scid(multihash_of(hashlib.sha256(text.encode()).digest()))


@dataclass(slots=True)
class SigningAgent:
    """An agent with an identity, and its private keys by number."""

    __test__ = False

    agent: str = LEDGER
    environment: str = "dev"

    @property
    def did(self) -> str:
        """Its DID."""
        return str(
            AgentDid(scid(f"{self.environment} {self.agent}"), Host(f"{self.environment}.id.ringfence.internal"))
        )

    def private(self, number: int = 1) -> Ed25519PrivateKey:
        """Return its key of that number."""
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"{self.did} {number}".encode()).digest())

    def key(self, number: int = 1) -> PublicKey:
        """Return the public half."""
        return import_key(self.private(number).public_key().public_bytes_raw())

    def signer(self, number: int = 1) -> TestSigner:
        """Return what signs cards with that key."""
        return TestSigner("EdDSA", f"{self.did}#{self.key(number).thumbprint}", self.private(number))

    def known(self, periods: Sequence[KeyPeriod] = (), **changes: Any) -> AgentKeys:
        """Return what identity says of it: its first key in force, unless changed."""
        said = AgentKeys(
            did=self.did,
            agent=self.agent,
            standing=IdentityStanding.ACTIVE,
            periods=tuple(periods) or (KeyPeriod(key=self.key(), since=EPOCH),),
        )
        return replace(said, **changes)

    def rotated(self, at: Instant, **changes: Any) -> AgentKeys:
        """Return what identity says once the first key was replaced by the second at `at`."""
        first = KeyPeriod(key=self.key(1), since=EPOCH, until=at)
        return self.known((first, KeyPeriod(key=self.key(2), since=at)), **changes)


@dataclass(slots=True)
class SmallIdentity:
    """An `IdentityReader`: knows `agents`, unless it is `away`, and counts who was asked for."""

    agents: dict[str, AgentKeys] = field(default_factory=dict)
    away: bool = False
    asked: list[str] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Nobody is answered before it is set; it is, unless a test clears it."""
    called: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by every call."""

    def __post_init__(self) -> None:
        self.answers.set()

    def put(self, keys: AgentKeys) -> None:
        """Know an agent from now on, or know something else of it."""
        self.agents[keys.did] = keys

    async def keys_of(self, did: str) -> AgentKeys | None:
        """See `IdentityReader`."""
        self.asked.append(did)
        self.called.set()
        said = self.agents.get(did)
        await self.answers.wait()
        if self.away:
            raise IdentityAway("nobody answers")
        return said
