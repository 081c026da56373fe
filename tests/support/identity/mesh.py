"""Identity running as a server, and an agent that enrols with it over the wire."""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import identity_pb2_grpc, revocation_pb2, trust_pb2_grpc
from ringfence_identity.app import build
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.config import IdentityConfig
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import ManualClock
from ringfence_kit.ids import counting_ids
from ringfence_kit.sealed_keys import Ed25519Signer
from ringfence_kit.server_config import AuthConfig, IssuerConfig
from support.identity.assertions import assertion
from support.identity.births import COMPLETE
from support.identity.keys import seeded_key
from support.serving import OPERATOR, SERVICE, Mesh, server_config, serving

OWNER = Caller(principal="test:olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"billing"}))
STRANGER = Caller(principal="test:stan", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"sales"}))
AUDITOR = Caller(principal="test:audrey", roles=frozenset({Role.AUDITOR}))
GATEWAY = Caller(principal="test:gate", roles=frozenset({Role.GATEWAY}))

AUDIENCE = "https://orders.example.com"


@dataclass(slots=True, kw_only=True)
class IdentityMesh:
    """The running service, with a stub of each face for any caller."""

    mesh: Mesh
    clock: ManualClock
    _channels: dict[Caller, Any] = field(default_factory=dict)

    def identity(self, caller: Caller = OPERATOR) -> "identity_pb2_grpc.IdentityServiceAsyncStub":
        """Return the stub of IdentityService for `caller`."""
        stub: identity_pb2_grpc.IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(self.channel(caller))
        return stub

    def credentials(self, caller: Caller = OPERATOR) -> "identity_pb2_grpc.CredentialServiceAsyncStub":
        """Return the stub of CredentialService for `caller`."""
        stub: identity_pb2_grpc.CredentialServiceAsyncStub = identity_pb2_grpc.CredentialServiceStub(
            self.channel(caller)
        )
        return stub

    def trust(self, caller: Caller = OPERATOR) -> "trust_pb2_grpc.TrustServiceAsyncStub":
        """Return the stub of TrustService for `caller`."""
        stub: trust_pb2_grpc.TrustServiceAsyncStub = trust_pb2_grpc.TrustServiceStub(self.channel(caller))
        return stub

    def channel(self, caller: Caller = OPERATOR) -> Any:
        """Return a channel of `caller`'s, the same each time."""
        if caller not in self._channels:
            self._channels[caller] = self.mesh.channel(caller)
        return self._channels[caller]

    async def watch(self, caller: Caller = SERVICE, **wanted: Any) -> AsyncGenerator[pb.WatchAgentsResponse, None]:
        """Yield what WatchAgents sends."""
        call = self.identity(caller).WatchAgents(pb.WatchAgentsRequest(**wanted))
        try:
            async for response in call:
                yield response
        finally:
            call.cancel()

    async def standing_revocations(self, environment: str) -> list[revocation_pb2.Revocation]:
        """Return what WatchRevocations says is revoked."""
        request = revocation_pb2.WatchRevocationsRequest(environment=environment, send_initial_state=True)
        call = self.identity(SERVICE).WatchRevocations(request)
        stands: list[revocation_pb2.Revocation] = []
        async for item in call:
            if item.initial_state_end:
                break
            stands.append(item.revocation)
        call.cancel()
        return stands

    async def fetch(self, path: str, *, host: str = "", headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Return the answer of the HTTP face to a GET, as if for `host`."""
        sent = {**(headers or {}), **({"host": host} if host else {})}
        async with httpx.AsyncClient() as client:
            return await client.get(f"http://{self.mesh.address('identity.http_listen')}{path}", headers=sent)

    async def get(self, path: str) -> str:
        """Return the text of a document that is there."""
        response = await self.fetch(path)
        response.raise_for_status()
        return response.text

    async def with_sponsors(self, *names: str) -> None:
        """Register sponsors."""
        for name in names or ("ada", "grace"):
            sponsor = pb.Sponsor(display_name=name.title(), contact=f"{name}@example.com")
            await self.identity().RegisterSponsor(pb.RegisterSponsorRequest(sponsor_id=name, sponsor=sponsor))

    async def begin(
        self,
        agent: str = "reconciler",
        *,
        environment: str = "prod",
        content: BirthContent = COMPLETE,
        caller: Caller = OPERATOR,
        **fields: Any,
    ) -> pb.BeginRegistrationResponse:
        """Return the answer to BeginRegistration, with the signing input; `fields` are further ones of the request."""
        request = pb.BeginRegistrationRequest(
            parent="namespaces/billing",
            agent_id=agent,
            environment=environment,
            sponsor=content.sponsor,
            birth_certificate=birth_content_to_proto(content),
            **fields,
        )
        return await self.identity(caller).BeginRegistration(request)

    async def answer(
        self,
        agent: str = "reconciler",
        *,
        key: Ed25519Signer | None = None,
        environment: str = "prod",
        content: BirthContent = COMPLETE,
        **fields: Any,
    ) -> pb.CompleteRegistrationRequest:
        """Return a CompleteRegistration that would succeed."""
        key = key or seeded_key(1)
        begun = await self.begin(agent, environment=environment, content=content, **fields)
        return pb.CompleteRegistrationRequest(
            challenge=begun.challenge,
            public_key=key.public_key,
            proof_of_possession=key.sign(begun.signing_input),
            birth_certificate=birth_content_to_proto(content),
            request_id=str(uuid.uuid4()),
        )

    async def enrol(
        self,
        agent: str = "reconciler",
        *,
        key: Ed25519Signer | None = None,
        environment: str = "prod",
        content: BirthContent = COMPLETE,
        **fields: Any,
    ) -> pb.CompleteRegistrationResponse:
        """Enrol an agent."""
        request = await self.answer(agent, key=key, environment=environment, content=content, **fields)
        return await self.identity().CompleteRegistration(request)

    def assertion(self, identity: pb.AgentIdentity, key: Ed25519Signer | None = None, **claims: Any) -> str:
        """Return an assertion for `identity`, of a fresh jti."""
        issuer = f"https://{identity.environment}.id.ringfence.internal"
        said = {"jti": str(uuid.uuid4()), **claims}
        return assertion(key or seeded_key(1), identity.did, issuer, self.clock.now(), **said)

    async def token(
        self, identity: pb.AgentIdentity, key: Ed25519Signer | None = None, audience: str = AUDIENCE
    ) -> pb.IssueTokenResponse:
        """Issue a token for every permission."""
        request = pb.IssueTokenRequest(assertion=self.assertion(identity, key), audience=audience)
        return await self.credentials().IssueToken(request)


@asynccontextmanager
async def identity_mesh(
    tmp_path: Path,
    *,
    config: IdentityConfig | None = None,
    clock: ManualClock | None = None,
    issuers: tuple[IssuerConfig, ...] = (),
) -> AsyncIterator[IdentityMesh]:
    """Run identity on free ports, with data under `tmp_path`: again on the same path is a restart.

    `issuers` are those identity knows sponsors' accounts by; the callers of a test come through its own.
    """
    clock = clock or ManualClock()
    settings = server_config(tmp_path)
    known = replace(settings, auth=AuthConfig(issuers=issuers))
    service = build(config or IdentityConfig(), known, clock=clock, new_id=counting_ids(clock.now()))
    async with serving(service, config=settings, clock=clock) as mesh:
        yield IdentityMesh(mesh=mesh, clock=clock)
