"""Which agents a caller may see and change. The grants table has said which methods; this says on what.

Everything here is decided before anybody looks whether the agent exists, so a refusal tells nothing (AIP-135). The one
exception looks and tells nothing either: an agent may read itself, and is refused alike for others and for nobody.
"""

from ringfence_kit.callers import Caller, Role
from ringfence_kit.errors import NotPermitted
from ringfence_kit.names import AgentName

from ringfence_registry.model import Agent

_READ_EVERYTHING = (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.APPROVER, Role.GATEWAY, Role.SERVICE)


def require_owner(caller: Caller, namespace: str) -> None:
    """Raise `NotPermitted` unless the caller may change agents of `namespace`."""
    if not caller.owns(namespace):
        raise NotPermitted(
            principal=caller.principal,
            action=f"change agents of namespaces/{namespace}",
            needed=f"role platform-admin, or namespace-owner of {namespace}",
        )


def require_namespace_reader(caller: Caller, namespace: str | None) -> None:
    """Raise `NotPermitted` unless the caller may see all agents of `namespace`; None means of all namespaces."""
    if caller.has(*_READ_EVERYTHING) or (namespace is not None and caller.owns(namespace)):
        return
    raise NotPermitted(
        principal=caller.principal,
        action=f"read the agents of namespaces/{namespace or '-'}",
        needed=_readers(f"namespace-owner of {namespace}" if namespace else ""),
    )


def require_agent_reader(caller: Caller, name: AgentName, agent: Agent | None) -> None:
    """Raise `NotPermitted` unless the caller may see the agent called `name`, which may not exist."""
    if caller.has(*_READ_EVERYTHING) or caller.owns(name.namespace):
        return
    if agent is not None and agent.spec.did and caller.speaks_for(agent.spec.did):
        return
    raise NotPermitted(
        principal=caller.principal,
        action=f"read {name}",
        needed=_readers(f"namespace-owner of {name.namespace}, or to be that agent"),
    )


def _readers(last: str) -> str:
    return ", ".join(
        [f"one of the roles {', '.join(role.value for role in _READ_EVERYTHING)}", *([last] if last else [])]
    )
