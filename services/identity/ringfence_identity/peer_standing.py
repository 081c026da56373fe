"""Who meets whom: agents looked up for one another within their environment, and what identity says of each.

A DID on a host names its environment; a did:key has the one it was enrolled in. Nothing of another environment is ever
found, so whether it exists there is not told.
"""

from ringfence.proofs.did import KeyDid
from ringfence.proofs.peer_verdict import Standing
from ringfence.proofs.public_keys import from_multibase
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.trust_decay import ring_at, score_at

from ringfence_identity.access import environment_of_did, require_environment
from ringfence_identity.dids import parse_did
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import AgentNotFound
from ringfence_identity.model import AgentIdentity
from ringfence_identity.snapshot import IdentitySnapshot


class Neighbours:
    """Finds agents for those of the same environment."""

    def __init__(self, environments: Environments, snapshot: IdentitySnapshot) -> None:
        self._environments = environments
        self._snapshot = snapshot

    def known(self, did: str) -> AgentIdentity | None:
        """Return the agent with this DID, or None."""
        return self._snapshot.identity(did)

    def environment_of(self, did: str, *, caller: Caller, action: str) -> Environment:
        """Return the environment of the agent with this DID, which must be the caller's if that is bound to one."""
        if not isinstance(parse_did(did), KeyDid):
            environment = environment_of_did(self._environments, did)
        elif (known := self._snapshot.identity(did)) is not None:
            environment = self._environments.get(known.environment)
        else:
            raise AgentNotFound(agent=did, environment="")
        require_environment(caller, environment, action=action)
        return environment

    def neighbour(self, did: str, environment: Environment, *, field: str) -> AgentIdentity:
        """Return the agent with this DID in `environment`."""
        if not isinstance(parse_did(did), KeyDid) and environment_of_did(self._environments, did) is not environment:
            raise InvalidRequest(Violation(field, f"is of another environment than {environment.name}"))
        known = self._snapshot.identity(did)
        if known is None or known.environment != environment.name:
            raise AgentNotFound(agent=did, environment=environment.name)
        return known


def standing_of(identity: AgentIdentity, *, now: Instant) -> Standing:
    """Return the standing of `identity` at `now`."""
    return Standing(
        did=identity.did,
        environment=identity.environment,
        active=identity.usable(now),
        key=from_multibase(identity.key),
        did_version_id=identity.did_version_id,
        revocation_epoch=identity.revocation_epoch,
        score=score_at(identity.trust.state, now),
        ring=ring_at(identity.trust.state, now),
        scopes=identity.content.permissions,
    )
