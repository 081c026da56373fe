"""Reads: who an agent is, and how far it is trusted at this moment. From memory; nothing is changed by asking."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ringfence.proofs.did import KeyDid
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.trust_decay import TrustState, ring_with, score_at

from ringfence_identity.access import environment_of_did, reachable, require_environment, require_reader
from ringfence_identity.dids import parse_did
from ringfence_identity.environments import Environments
from ringfence_identity.errors import AgentNotFound
from ringfence_identity.model import AgentIdentity
from ringfence_identity.snapshot import IdentitySnapshot


class Trust(NamedTuple):
    """How far an agent is trusted at one instant, and what that was computed from."""

    did: str
    environment: str
    score: int
    ring: int
    computed_at: Instant
    state: TrustState


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusts:
    """The trust of many agents at one instant, and the DIDs that name none the caller may meet."""

    found: tuple[Trust, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Which identity is asked for: by `did`, or by `agent` and `environment`."""

    agent: str = ""
    environment: str = ""
    did: str = ""


class Directory:
    """Looks identities up. An agent's own credential sees its own environment only."""

    def __init__(self, environments: Environments, snapshot: IdentitySnapshot) -> None:
        self._environments = environments
        self._snapshot = snapshot

    def find(self, wanted: Lookup, *, caller: Caller) -> AgentIdentity:
        """Return the identity that is asked for."""
        if wanted.did:
            return self.by_did(wanted.did, caller=caller)
        return self.by_name(wanted.agent, wanted.environment, caller=caller)

    def by_name(self, agent: str, environment: str, *, caller: Caller) -> AgentIdentity:
        """Return the identity of an agent in one environment."""
        hosted = self._environments.get(environment)
        require_environment(caller, hosted, action=f"read {agent} of {environment}")
        identity = self._snapshot.identity_of_agent(agent, hosted.name)
        require_reader(caller, agent=agent, did=identity.did if identity else None, action=f"read {agent}")
        if identity is None:
            raise AgentNotFound(agent=agent, environment=environment)
        return identity

    def by_did(self, did: str, *, caller: Caller) -> AgentIdentity:
        """Return the identity with this DID."""
        identity = self._snapshot.identity(did)
        action = f"read {did}"
        if identity is not None or not isinstance(parse_did(did), KeyDid):
            # What it says of its own environment is public; a did:key says nothing.
            require_environment(caller, environment_of_did(self._environments, did), action=action)
        require_reader(caller, agent=identity.agent if identity else None, did=did, action=action)
        if identity is None:
            raise AgentNotFound(agent=did, environment="")
        return identity

    def trust(self, did: str, *, caller: Caller, now: Instant) -> Trust:
        """Return the trust of the agent with this DID at `now`: for everyone who may meet it in its environment."""
        known = self._snapshot.identity(did)
        if known is None or caller.environment not in ("", known.environment):
            known = reachable(self._environments, did, known, caller=caller, action=f"read the trust of {did}")
        return trust_at(known, now)

    def trusts(self, dids: Sequence[str], *, caller: Caller, now: Instant) -> Trusts:
        """Return the trust of many agents, all at `now`, and the DIDs that name none the caller may meet."""
        found: list[Trust] = []
        missing: list[str] = []
        for did in dids:
            known = self._snapshot.identity(did)
            if known is None or caller.environment not in ("", known.environment):
                missing.append(did)
            else:
                found.append(trust_at(known, now))
        return Trusts(found=tuple(found), missing=tuple(missing))


def trust_at(identity: AgentIdentity, now: Instant) -> Trust:
    """Return the trust of `identity` at `now`."""
    state = identity.trust.state
    score = score_at(state, now)
    return Trust(identity.did, identity.environment, score, ring_with(state, score, now), now, state)
