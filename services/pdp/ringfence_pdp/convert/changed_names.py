"""Which facts an answer of each watch is about, by the names facts have them under."""

from typing import Final, TypeAlias

from ringfence.identity.v1 import identity_pb2, revocation_pb2
from ringfence.registry.v1 import boundary_pb2, registry_pb2, tool_pb2
from ringfence.telemetry.v1 import health_pb2

from ringfence_pdp.snapshots.facts_by_name import revoked_name
from ringfence_pdp.snapshots.shipped import RevokedKind

_REVOKED: Final = {
    revocation_pb2.REVOCATION_KIND_AGENT: RevokedKind.AGENT,
    revocation_pb2.REVOCATION_KIND_DELEGATION: RevokedKind.DELEGATION,
    revocation_pb2.REVOCATION_KIND_ELEVATION: RevokedKind.ELEVATION,
    revocation_pb2.REVOCATION_KIND_ISSUER_KEY: RevokedKind.ISSUER_KEY,
}


Names: TypeAlias = tuple[str, ...]


def did_of(answer: identity_pb2.WatchAgentsResponse) -> Names:
    """Return the DID of an identity."""
    return (answer.identity.did,)


def agents_of(answer: registry_pb2.WatchAgentsResponse) -> Names:
    """Return the names of registered agents: of one, or of a part of the state."""
    return tuple([agent.name for agent in answer.agents]) or (answer.agent.name,)


def tool_of(answer: tool_pb2.WatchToolsResponse) -> Names:
    """Return what agents call a tool."""
    return (answer.tool.name.rpartition("/")[2],)


def boundary_of(answer: boundary_pb2.WatchBoundariesResponse) -> Names:
    """Return the name of a boundary."""
    return (answer.boundary.name,)


def revoked_of(answer: revocation_pb2.WatchRevocationsResponse) -> Names:
    """Return the name of a revocation; none for a kind which is no fact."""
    revoked = answer.revocation
    kind = _REVOKED.get(revoked.kind)
    return () if kind is None else (revoked_name(kind, revoked.subject),)


def health_name_of(answer: health_pb2.WatchHealthResponse) -> Names:
    """Return what telemetry calls an agent."""
    return (answer.health.agent,)
