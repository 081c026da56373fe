"""What identity takes back and whose signatures it vouches for: its stream of revocations, its keys, its registrars."""

from collections.abc import Awaitable, Callable

import grpc.aio
from ringfence.errors import RingfenceError, typed_errors
from ringfence.identity.v1 import identity_pb2, identity_pb2_grpc, revocation_pb2
from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.jwk_set import read_jwk_set
from ringfence.registrar import RegistrarError, TrustedRegistrar, fetch_registrar_aio
from ringfence.watch import AioWatch, Change

from ringfence_pdp.chains.issuers import Issuer
from ringfence_pdp.chains.revocations import Revocations


def revocation_watch(
    channel: grpc.aio.Channel,
) -> AioWatch[revocation_pb2.WatchRevocationsRequest, revocation_pb2.WatchRevocationsResponse]:
    """Return a watch of everything that is revoked in any environment, current state first."""
    stub: identity_pb2_grpc.IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(channel)
    return AioWatch(stub.WatchRevocations, revocation_pb2.WatchRevocationsRequest(), initial_state=True)


def take_revocation(view: Revocations, change: Change, answer: revocation_pb2.WatchRevocationsResponse) -> None:  # noqa: ARG001 - a revocation is only ever added
    """Put one event of identity's watch into a view."""
    revoked = answer.revocation
    match revoked.kind:
        case revocation_pb2.REVOCATION_KIND_AGENT:
            view.agents[revoked.subject] = (revoked.minimum_epoch, revoked.usable)
        case revocation_pb2.REVOCATION_KIND_DELEGATION:
            view.delegations.add(revoked.subject)
        case revocation_pb2.REVOCATION_KIND_ISSUER_KEY:
            view.issuer_keys.add(revoked.subject)
        case revocation_pb2.REVOCATION_KIND_ELEVATION:
            view.elevations.add(revoked.subject)
        case _:
            return  # birth certificates: a token of an earlier one says so by its `bc`


def issuer_fetcher(channel: Callable[[], grpc.aio.Channel]) -> Callable[[str, str], Awaitable[Issuer]]:
    """Return what fetches the issuer of an environment over `channel()`; `agent` is the DID of anybody in it.

    Raises RingfenceError for what cannot be had, and ValueError for what cannot be read.
    """

    async def fetch(environment: str, agent: str) -> Issuer:
        stub: identity_pb2_grpc.IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(channel())
        keys: identity_pb2_grpc.CredentialServiceAsyncStub = identity_pb2_grpc.CredentialServiceStub(channel())
        with typed_errors():
            published = await keys.GetJwks(identity_pb2.GetJwksRequest(environment=environment))
        registrar = await _registrar(stub, agent)
        return Issuer(
            environment=environment,
            name=published.issuer,
            keys=read_jwk_set(parse_object(published.jwks.decode())),
            registrar=registrar.did,
            registrar_keys={str(name): key for name, key in registrar.keys.items()},
        )

    return fetch


async def _registrar(stub: "identity_pb2_grpc.IdentityServiceAsyncStub", agent: str) -> TrustedRegistrar:
    try:
        return await fetch_registrar_aio(stub, agent)
    except (RingfenceError, RegistrarError):
        # Tokens verify without it. Nobody is elevated until it can be had.
        return TrustedRegistrar(did="", keys={})
