"""A party: one agent that takes part in a call, and everything that is known of it, looked up once."""

from typing import NamedTuple, Protocol

from ringfence_kit.clock import Instant, Millis
from ringfence_kit.names import AgentName

from ringfence_pdp.facts import AgentIdentity, Facts, RegisteredAgent, Standing, standing_at
from ringfence_pdp.health_facts import UNHEARD, AgentHealth
from ringfence_pdp.model import UNKNOWN


class Asked(Protocol):
    """What a question calls an agent: a request does, for the one that acts."""

    @property
    def did(self) -> str | None:
        """Its DID."""
        ...

    @property
    def agent(self) -> AgentName | None:
        """Its name."""
        ...


NO_STANDING = Standing(UNKNOWN, UNKNOWN)


class Party(NamedTuple):
    """An agent as the facts know it; what is None, they do not. Conditions see it as `agent`, `origin`, `target`."""

    identity: AgentIdentity | None
    registered: RegisteredAgent | None
    standing: Standing
    asked: Asked
    """What the question calls it."""
    health: AgentHealth = UNHEARD
    """How it does, of the agent that is called; of others nobody asks."""

    @property
    def name(self) -> str:
        """The agent as messages call it."""
        if self.identity is not None:
            return self.identity.resource_name
        return self.asked.did or str(self.asked.agent)

    @property
    def did(self) -> str:
        """Its DID, or what the question calls it when nobody knows it."""
        return self.name if self.identity is None else self.identity.did


def party(facts: Facts, asked: Asked, environment: str, now: Instant, age: Millis | None) -> Party:
    """Return the agent that is asked about. `age`: how long ago identity was last heard; None means never."""
    identity = facts.identity(asked.did, asked.agent, environment)
    if identity is None:
        return Party(None, None, NO_STANDING, asked)
    registered = facts.registered.get(identity.resource_name)
    return Party(identity, registered, standing_at(identity, now, age), asked)
