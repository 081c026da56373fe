"""Who may judge whom: everybody but oneself, whatever name one goes by.

Pure. An agent has a DID in each environment, an alias of each DID, and a resource name; telemetry does not know which
of them belong together. So whoever is bound to agents names others the way it is bound itself: among DIDs of one
environment, two that differ are two agents, and among resource names likewise. Everything else could be oneself.
"""

from collections.abc import Collection
from typing import NamedTuple

from ringfence_kit.names import AgentName

from ringfence_telemetry.reporters import Reporter

BY_NAME = "by name"
NOWHERE = "nowhere"
"""What is neither a DID with a host nor a resource name: nobody can be told from anybody by it."""


class _Known(NamedTuple):
    """A name of an agent, in one spelling."""

    where: str
    """The environment's host of a DID; `BY_NAME`; `NOWHERE`."""
    whom: str


def why_not(reporter: Reporter, agent: str) -> str:
    """Return what would be needed to judge `agent`, empty when it may be judged."""
    if reporter.speaks_for_all or not reporter.agents:
        return ""
    own, judged = {_known(each) for each in reporter.agents}, _known(agent)
    if judged in own or agent in reporter.agents or agent == reporter.principal:
        return "another party's judgement"
    if judged.where == NOWHERE or judged.where not in _places(own):
        return "to name it as you are bound yourself, in your own environment; it could be another name of yours"
    return ""


def _places(known: Collection[_Known]) -> set[str]:
    return {each.where for each in known}


def _known(agent: str) -> _Known:
    """Return what a name says; `did:webvh:{SCID}:{host}:…` and its alias `did:web:{host}:…` say the same."""
    match agent.split(":"):
        case ["did", "webvh", _, host, *path] if path:
            return _Known(host.lower(), ":".join(path))
        case ["did", "web", host, *path] if path:
            return _Known(host.lower(), ":".join(path))
        case _:
            return _Known(NOWHERE if AgentName.parse(agent) is None else BY_NAME, agent)
