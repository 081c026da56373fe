"""Agents of a running identity that delegate to each other, with the client's own code."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ringfence.agent_key import AgentKey
from ringfence.delegation import Chain, Handover, begin_chain, exchange_request, extend_chain, rights_of
from ringfence.identity.v1 import delegation_pb2 as pb
from ringfence.identity.v1 import delegation_pb2_grpc
from ringfence.identity.v1 import identity_pb2 as ipb
from ringfence.proofs.delegation_grant import UNLIMITED, Budget
from ringfence_identity.birth_certificate import BirthContent
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import SECOND
from ringfence_kit.sealed_keys import Ed25519Signer
from support.identity.births import COMPLETE
from support.identity.keys import seeded_key
from support.identity.mesh import IdentityMesh
from support.serving import OPERATOR

ORDERS = "https://orders.example.com"
LEDGER = "https://ledger.example.com"

DELEGATING = replace(COMPLETE, max_delegation_depth=5)
"""A birth certificate of an agent that may delegate as deep as anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deputy:
    """An enrolled agent and its key."""

    key: AgentKey
    identity: ipb.AgentIdentity

    @property
    def did(self) -> str:
        return self.identity.did

    @property
    def signing(self) -> Ed25519Signer:
        """Its key, for what no client would sign."""
        return seeded_key(int.from_bytes(self.key.private_key.private_bytes_raw(), "big"))

    def with_key(self, number: int) -> "Deputy":
        """Return the same agent with another key."""
        private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
        return replace(self, key=replace(self.key, private_key=private))

    @property
    def caller(self) -> Caller:
        """The agent itself, calling with a token of its own."""
        return Caller(principal=self.did, roles=frozenset({Role.AGENT}), environment=self.identity.environment)


@dataclass(slots=True, kw_only=True)
class Delegating:
    """A running identity, and its agents at work."""

    mesh: IdentityMesh

    def stub(self, caller: Caller = ANONYMOUS) -> "delegation_pb2_grpc.DelegationServiceAsyncStub":
        """Return the stub of DelegationService for `caller`."""
        stub: delegation_pb2_grpc.DelegationServiceAsyncStub = delegation_pb2_grpc.DelegationServiceStub(
            self.mesh.channel(caller)
        )
        return stub

    def now(self) -> float:
        """Return the time of the mesh, as `time.time` says it."""
        return self.mesh.clock.now() / SECOND

    async def enrol(
        self, number: int, *, environment: str = "prod", content: BirthContent = DELEGATING, **begun: Any
    ) -> Deputy:
        """Enrol the agent whose key is `number`; `begun` is what else its registration begins with."""
        done = await self.mesh.enrol(
            f"deputy-{number}", key=seeded_key(number), environment=environment, content=content, **begun
        )
        private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
        key = AgentKey(private_key=private, agent=done.identity.agent, environment=environment, did=done.identity.did)
        return Deputy(key=key, identity=done.identity)

    def begin(self, by: Deputy, to: Deputy, **handover: Any) -> Chain:
        """Return a first grant; without more said, for reading invoices at ORDERS."""
        return begin_chain(by.key, rights_of(by.identity), handing(to, **handover), wall_clock=self.now)

    def extend(self, by: Deputy, chain: Sequence[str], to: Deputy, **handover: Any) -> Chain:
        """Return the chain with one more grant."""
        return extend_chain(by.key, chain, handing(to, **handover), wall_clock=self.now)

    def request(
        self, by: Deputy, chain: Sequence[str], *, audience: str = ORDERS, budget: Budget = UNLIMITED, **wanted: Any
    ) -> pb.ExchangeDelegationRequest:
        """Return a request of the holder's, with a fresh assertion."""
        issuer = f"https://{by.identity.environment}.id.ringfence.internal"
        return exchange_request(
            by.key, chain, issuer=issuer, audience=audience, budget=budget, wall_clock=self.now, **wanted
        )

    async def exchange(self, by: Deputy, chain: Sequence[str], **wanted: Any) -> pb.ExchangeDelegationResponse:
        """Exchange a chain as its holder would."""
        return await self.stub().ExchangeDelegation(self.request(by, chain, **wanted))

    async def revoke(
        self, name: str, *, caller: Caller = OPERATOR, grants: Sequence[str] = (), reason: str = "no longer needed"
    ) -> pb.RevokeDelegationResponse:
        """Revoke a grant."""
        request = pb.RevokeDelegationRequest(name=name, grants=grants, reason=reason, request_id=str(uuid.uuid4()))
        return await self.stub(caller).RevokeDelegation(request)

    async def listed(self, caller: Caller = OPERATOR, **wanted: Any) -> list[pb.Delegation]:
        """Return what one List shows."""
        request = pb.ListDelegationsRequest(**{"environment": "prod", **wanted})
        return list((await self.stub(caller).ListDelegations(request)).delegations)


def handing(to: Deputy, **handover: Any) -> Handover:
    """Return what is handed on to `to`."""
    return Handover(to=to.did, **{"scopes": ("invoices:read",), "audiences": (ORDERS,), **handover})


def claims_of(token: str) -> dict[str, Any]:
    """Return what a token says, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
