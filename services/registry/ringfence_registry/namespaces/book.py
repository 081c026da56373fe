"""Every namespace as it stands now, in memory: what is asked in it, and who sees it. Changed by nothing but events.

Who sees a namespace:

- platform-admin, auditor and service: every one; so do an approver and a gateway that are bound to none;
- a namespace-owner, and an approver or gateway bound to namespaces: those;
- an agent: the namespaces in which it is registered under its DID, and the one identity knows it to be of;
- whoever is at home in an entitled namespace: those that entitle it;
- every caller, and who does not say who it is: those that are PUBLIC.

What a caller sees is worked out once for each set of homes and kept until somebody's audience changes, so a call asks
a dictionary. Agents that are retired or deleted open nothing.
"""

import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from ringfence_kit import records
from ringfence_kit.callers import BOUND_BY_NAMESPACES, Caller, Role
from ringfence_kit.events import Change, Event

from ringfence_registry.model import AGENT, Agent, AgentState
from ringfence_registry.namespaces.audience import Audience, Visibility
from ringfence_registry.namespaces.model import NAMESPACE, Namespace, NamespaceDefaults
from ringfence_registry.namespaces.policy import DEFAULT_POLICY, NamespacePolicy
from ringfence_registry.namespaces.visible import EVERYTHING, Visible
from ringfence_registry.recorded import agent_recorded

_OVERSEERS = (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE)
_UNLESS_BOUND = (Role.APPROVER, Role.GATEWAY)
_NOWHERE: frozenset[str] = frozenset()
MOST_KEPT = 4_096
"""How many answers are kept; beyond, they are made anew."""


def nowhere(did: str) -> str | None:  # noqa: ARG001 - the same for every DID
    """Know no agent's home: a registry without identity."""
    return None


class NamespaceBook:
    """Knows the policy and the audience of every namespace: a `PolicyReader` and a `VisibilityReader`."""

    def __init__(self, defaults: NamespaceDefaults, *, home_by_identity: Callable[[str], str | None] = nowhere) -> None:
        """`home_by_identity` returns the namespace identity says the agent with a DID is of."""
        self.defaults = defaults
        self._default_policy = DEFAULT_POLICY.in_force(defaults.least_verdict)
        self._home_by_identity = home_by_identity
        self._set_up: dict[str, Namespace] = {}
        self._policies: dict[str, NamespacePolicy] = {}
        """Of those that were set up, as they are in force."""
        self._ids: list[str] = []
        """Of the namespaces that hold an agent, or once did, or were set up; sorted."""
        self._did_of: dict[str, str] = {}
        self._homes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """DID → namespaces in which an agent has it, and how often."""
        self._seen_from: dict[frozenset[str], Visible] = {}

    def fill(self, namespaces: Iterable[Namespace], agents: Iterable[Agent]) -> None:
        """Take what the store was loaded with, whole or in parts, before anything else."""
        for namespace in namespaces:
            self._set(namespace)
        used = {*self._set_up, *self._ids}
        for agent in agents:
            used.add(agent.name.namespace)
            self._move_in(str(agent.name), agent)
        self._ids = sorted(used)

    def apply(self, event: Event) -> None:
        """Take one committed event."""
        if event.kind == AGENT:
            self._take_agent(event)
        elif event.kind == NAMESPACE:
            namespace = records.decode(event.record, Namespace)
            self._set(namespace)
            self._know(namespace.id)
            self._seen_from.clear()

    def policy_of(self, namespace: str) -> NamespacePolicy:
        """See `PolicyReader`."""
        return self._policies.get(namespace, self._default_policy)

    @property
    def default_policy(self) -> NamespacePolicy:
        """See `PolicyReader`."""
        return self._default_policy

    def namespace(self, namespace: str) -> Namespace:
        """Return the namespace with this id, with the registry's defaults when nobody set it up."""
        return self._set_up.get(namespace) or Namespace(id=namespace)

    def ids(self, *, after: str = "") -> Iterable[str]:
        """Yield the ids of the namespaces that hold an agent or were set up, in their order, from behind `after`."""
        return self._ids[bisect.bisect_right(self._ids, after) :]

    def visible(self, caller: Caller) -> Visible:
        """See `VisibilityReader`."""
        if _sees_everything(caller):
            return EVERYTHING
        return self._visible_from(self.homes(caller))

    def published(self) -> Visible:
        """See `VisibilityReader`."""
        return self._visible_from(_NOWHERE)

    def sees_with(self, caller: Caller, namespace: str, audience: Audience) -> bool:
        """Say whether the caller would see `namespace` if that had `audience`."""
        if _sees_everything(caller):
            return True
        homes = self.homes(caller)
        return namespace in homes or audience.admits(homes)

    def homes(self, caller: Caller) -> frozenset[str]:
        """Return the namespaces the caller is at home in."""
        own = caller.namespaces if caller.has(*BOUND_BY_NAMESPACES) else _NOWHERE
        return own | self._homes_of_agent(caller.principal) if caller.has(Role.AGENT) else own

    def _visible_from(self, homes: frozenset[str]) -> Visible:
        known = self._seen_from.get(homes)
        if known is None:
            if len(self._seen_from) >= MOST_KEPT:
                self._seen_from.clear()
            known = self._seen_from[homes] = self._work_out(homes)
        return known

    def _work_out(self, homes: frozenset[str]) -> Visible:
        all_others = self.defaults.visibility is Visibility.PUBLIC
        # The exceptions to the default: those who are seen where nothing is, or hidden where everything is seen.
        exceptions = {
            namespace.id
            for namespace in self._set_up.values()
            if namespace.audience(self.defaults.visibility).admits(homes) is not all_others
        }
        listed = exceptions - homes if all_others else exceptions | homes
        return Visible(listed=frozenset(listed), all_others=all_others)

    def _homes_of_agent(self, did: str) -> frozenset[str]:
        registered = self._homes.get(did)
        by_identity = self._home_by_identity(did)
        found = frozenset(registered) if registered else _NOWHERE
        return found if by_identity is None else found | {by_identity}

    def _take_agent(self, event: Event) -> None:
        agent = agent_recorded(event.record)
        self._move_out(event.name, agent.name.namespace)
        self._know(agent.name.namespace)
        if event.change is not Change.DELETED:
            self._move_in(event.name, agent)

    def _move_in(self, name: str, agent: Agent) -> None:
        if agent.spec.did and agent.state is not AgentState.RETIRED and not agent.deleted:
            self._did_of[name] = agent.spec.did
            self._homes[agent.spec.did][agent.name.namespace] += 1

    def _move_out(self, name: str, namespace: str) -> None:
        did = self._did_of.pop(name, None)
        if did is None:
            return
        homes = self._homes[did]
        homes[namespace] -= 1
        if not homes[namespace]:
            del homes[namespace]
        if not homes:
            del self._homes[did]

    def _set(self, namespace: Namespace) -> None:
        self._set_up[namespace.id] = namespace
        self._policies[namespace.id] = namespace.policy.in_force(self.defaults.least_verdict)

    def _know(self, namespace: str) -> None:
        at = bisect.bisect_left(self._ids, namespace)
        if at == len(self._ids) or self._ids[at] != namespace:
            self._ids.insert(at, namespace)


def _sees_everything(caller: Caller) -> bool:
    return caller.has(*_OVERSEERS) or (caller.has(*_UNLESS_BOUND) and not caller.namespaces)
