"""What a caller may see, change and decide. The grants table has said which methods; this says in which namespaces.

Everything here is decided before anybody looks whether the thing exists, so a refusal tells nothing (AIP-135), neither
by its words nor by the time it takes. The one exception looks, and answers alike: an agent may read itself, even when
it serves no more, and is refused in the same words for others and for nobody.

Seeing gives no say: an approver bound to some namespaces decides there, however much is public elsewhere. Stopping
something takes less than letting it go on, because whoever sees the harm has to be able to act.
"""

from collections.abc import Callable

from ringfence_kit.callers import Caller, Role
from ringfence_kit.errors import NotPermitted
from ringfence_kit.names import AgentName

from ringfence_registry.model import Agent
from ringfence_registry.namespaces.visible import Visible


def require_sight(caller: Caller, visible: Visible, namespace: str) -> None:
    """Raise `NotPermitted` unless the caller sees `namespace`, whether there is anything in it or not."""
    if not visible.sees(namespace):
        raise NotPermitted(
            principal=caller.principal,
            action=f"read namespaces/{namespace}",
            needed=f"to be one of those whom namespaces/{namespace} lets see it",
        )


def require_sight_of_agent(
    caller: Caller, visible: Visible, name: AgentName, look: Callable[[str], Agent | None]
) -> None:
    """Raise `NotPermitted` unless the caller sees the agent called `name`, which `look` finds if it exists."""
    if visible.sees(name.namespace) or caller.speaks_for(str(name)):
        return
    if caller.has(Role.AGENT, Role.GATEWAY) and _speaks_for(caller, look(str(name))):
        return
    raise NotPermitted(
        principal=caller.principal,
        action=f"read {name}",
        needed=f"to be that agent, or one of those whom namespaces/{name.namespace} lets see it",
    )


def require_owner(caller: Caller, namespace: str, what: str = "agents") -> None:
    """Raise `NotPermitted` unless the caller may change `what` of `namespace`."""
    if not caller.owns(namespace):
        raise NotPermitted(
            principal=caller.principal,
            action=f"change {what} of namespaces/{namespace}",
            needed=f"role platform-admin, or namespace-owner of {namespace}",
        )


def require_decider(caller: Caller, namespace: str, what: str = "agents") -> None:
    """Raise `NotPermitted` unless the caller may decide on `what` of `namespace`: an owner never decides alone."""
    if not _decides(caller, namespace):
        raise NotPermitted(
            principal=caller.principal,
            action=f"decide on {what} of namespaces/{namespace}",
            needed=f"role platform-admin, or approver, bound to {namespace} or to no namespace",
        )


def require_stopper(caller: Caller, namespace: str, what: str = "agents") -> None:
    """Raise `NotPermitted` unless the caller may stop `what` of `namespace`."""
    if not (caller.owns(namespace) or _decides(caller, namespace)):
        raise NotPermitted(
            principal=caller.principal,
            action=f"stop {what} of namespaces/{namespace}",
            needed=f"role platform-admin, namespace-owner of {namespace}, or approver, bound to it or to no namespace",
        )


def _speaks_for(caller: Caller, agent: Agent | None) -> bool:
    return agent is not None and agent.spec.did != "" and caller.speaks_for(agent.spec.did)


def _decides(caller: Caller, namespace: str) -> bool:
    if caller.has(Role.PLATFORM_ADMIN):
        return True
    return caller.has(Role.APPROVER) and (not caller.namespaces or namespace in caller.namespaces)
