"""The registrar of an agent's environment, fetched while identity is there, to check its statements while it is not."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ringfence.errors import typed_errors
from ringfence.identity.v1.identity_pb2 import ResolveDidRequest, ResolveDidResponse
from ringfence.proofs.canonical_json import JsonObject, parse_object
from ringfence.proofs.did import AgentDid, DidError, RegistrarDid, parse_did
from ringfence.proofs.document_keys import ASSERTION, DocumentKeysError, document_keys
from ringfence.proofs.public_keys import PublicKey, Thumbprint


class RegistrarError(ValueError):
    """A DID document that does not lead to a registrar, with the problem in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedRegistrar:
    """Whose statements are believed: a DID and the keys it states with."""

    did: str
    keys: Mapping[Thumbprint, PublicKey]


class Resolving(Protocol):
    """What is used of an IdentityServiceStub made on a channel for threads."""

    @property
    def ResolveDid(self) -> Callable[[ResolveDidRequest], ResolveDidResponse]:  # noqa: N802 - the proto's
        """Return a DID document."""
        ...


class AioResolving(Protocol):
    """What is used of an IdentityServiceStub made on an asyncio channel."""

    @property
    def ResolveDid(self) -> Callable[[ResolveDidRequest], Awaitable[ResolveDidResponse]]:  # noqa: N802 - the proto's
        """Return a DID document."""
        ...


def fetch_registrar(identity: Resolving, agent: str) -> TrustedRegistrar:
    """Return the registrar of the agent with this DID. Raises RingfenceError, RegistrarError.

    A did:key names no registrar; for such an agent give the DID of any other of its environment.
    The channel is what this rests on: use TLS, or check the log that GetDidLog returns (`proofs.did_log_check`).
    """
    with typed_errors():
        did = registrar_of(agent, identity.ResolveDid(ResolveDidRequest(did=agent)))
        return _registrar(did, identity.ResolveDid(ResolveDidRequest(did=did)))


async def fetch_registrar_aio(identity: AioResolving, agent: str) -> TrustedRegistrar:
    """As `fetch_registrar`, on the event loop."""
    with typed_errors():
        did = registrar_of(agent, await identity.ResolveDid(ResolveDidRequest(did=agent)))
        return _registrar(did, await identity.ResolveDid(ResolveDidRequest(did=did)))


def registrar_of(agent: str, resolved: ResolveDidResponse) -> str:
    """Return the DID of the registrar that controls `agent`: it must be on the same host, in the same environment."""
    controller = _document(resolved).get("controller")
    try:
        mine, its = parse_did(agent), parse_did(controller if isinstance(controller, str) else "")
    except DidError as refused:
        raise RegistrarError(f"{agent} has no registrar: {refused}") from refused
    if not isinstance(mine, AgentDid) or not isinstance(its, RegistrarDid) or mine.host != its.host:
        raise RegistrarError(f"{agent} is not controlled by the registrar of its own host")
    return str(its)


def _registrar(did: str, resolved: ResolveDidResponse) -> TrustedRegistrar:
    try:
        return TrustedRegistrar(did=did, keys=document_keys(_document(resolved), did=did, relationship=ASSERTION))
    except DocumentKeysError as refused:
        raise RegistrarError(f"{did} cannot be trusted: {refused}") from refused


def _document(resolved: ResolveDidResponse) -> JsonObject:
    try:
        return parse_object(resolved.did_document)
    except (ValueError, RecursionError) as error:
        raise RegistrarError("the DID document is not a JSON object") from error
