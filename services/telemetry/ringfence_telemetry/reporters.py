"""Who reports, and whose usage it may report: the binding of a credential to the agents it speaks for.

Pure. The rules:

- a label that is a mesh identity (a DID or an agent's resource name) counts only from a reporter bound to it; from any
  other it is kept, marked untrusted, and moves nobody's score or budget;
- a reporter bound to exactly one agent reports that agent, whatever its framework calls the parts inside it;
- a reporter with several agents may name only those; other names from it are untrusted;
- one of the mesh's own services or an administrator may name anyone.
"""

from dataclasses import dataclass
from typing import NamedTuple

from ringfence_kit.callers import Caller, Role
from ringfence_kit.names import AgentName

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """The credential a request came with, as it is kept beside the request."""

    principal: str
    speaks_for_all: bool = False
    agents: tuple[str, ...] = ()
    """DIDs and resource names it is bound to, sorted."""


class Attribution(NamedTuple):
    """Which agent a label stands for; empty when the span's ancestors must say."""

    agent: str
    trusted: bool


class Binding:
    """A reporter's answers, remembered per label."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self._agents = frozenset(reporter.agents)
        self._names_all = reporter.speaks_for_all
        self._sole = reporter.agents[0] if len(reporter.agents) == 1 and not reporter.speaks_for_all else ""
        self._known: dict[str, Attribution] = {}

    def binds(self, agent: str) -> bool:
        """Say whether the reporter is bound to `agent` by name."""
        return agent in self._agents

    def may_name(self, agent: str) -> bool:
        """Say whether usage of `agent` may be reported with this credential."""
        return self._names_all or agent in self._agents

    def attribution(self, label: str) -> Attribution:
        """Return the agent that `label` stands for when this reporter writes it, and whether to believe it."""
        known = self._known.get(label)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[label] = self._decide(label)
        return known

    def _decide(self, label: str) -> Attribution:
        if self.may_name(label):
            return Attribution(label, trusted=True)
        if is_identity(label):
            return Attribution(label, trusted=False)
        if self._sole:
            return Attribution(self._sole, trusted=True)
        return Attribution(label, trusted=not label and bool(self._agents))


def reporter_of(caller: Caller) -> Reporter:
    """Return what a caller's credential is bound to."""
    if caller.has(Role.SERVICE, Role.PLATFORM_ADMIN):
        return Reporter(principal=caller.principal, speaks_for_all=True)
    agents = set(caller.agents) if caller.has(Role.GATEWAY) else set()
    if caller.has(Role.AGENT):
        agents.add(caller.principal)
    return Reporter(principal=caller.principal, agents=tuple(sorted(agents)))


def is_identity(label: str) -> bool:
    """Say whether a label is a mesh identity: a DID, or an agent's resource name."""
    # Most labels are a framework's own names, and are told by how they begin.
    return label.startswith("did:") or (label.startswith("namespaces/") and AgentName.parse(label) is not None)
