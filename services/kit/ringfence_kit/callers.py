"""Who is calling: the one value every use case gets, and how a handler reads it.

The rules:

- a caller is established once, by `authentication.py`, before any handler runs;
- `api.py` reads it once with `current_caller()` and passes it on as an argument; nothing deeper reads the context;
- roles say which methods may be called (the service's grants table); `namespaces`, `agents` and `environment` say on
  which objects, and the use case checks them before it reveals whether the object exists.
"""

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ringfence_kit.clock import Instant
from ringfence_kit.members import plain_members


@plain_members
class Role(enum.Enum):
    """What a caller is in the mesh. The values are the words used in configuration and in token claims."""

    PLATFORM_ADMIN = "platform-admin"
    """Runs the mesh: may do everything that is not bound to a person or an agent."""
    NAMESPACE_OWNER = "namespace-owner"
    """Owns the namespaces listed in `Caller.namespaces`, and only those."""
    APPROVER = "approver"
    """Answers approval requests."""
    AUDITOR = "auditor"
    """Reads everything and changes nothing."""
    GATEWAY = "gateway"
    """Asks for decisions and speaks for the agents listed in `Caller.agents`."""
    AGENT = "agent"
    """One agent, acting for itself: `Caller.principal` is its DID."""
    SERVICE = "service"
    """One of the mesh's own services."""
    DECIDER = "decider"
    """A program that decides for itself, on all that the pdp knows, and about every agent."""

    # Roles are looked for in sets with every call. There is one object of each, so which one it is will do, and is told
    # without a line of Python; an enumeration's own hash is that of the member's name.
    __hash__ = object.__hash__


BOUND_BY_NAMESPACES = frozenset({Role.NAMESPACE_OWNER, Role.APPROVER, Role.GATEWAY})
"""Roles that namespaces narrow. An owner without any owns nothing; the others are bound by none then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller, or `ANONYMOUS`."""

    principal: str
    """Who it is, unique over all ways to authenticate: `spiffe://…`, `dns:…`, a DID, `<issuer>:<sub>`, `dev:…`."""
    roles: frozenset[Role] = frozenset()
    namespaces: frozenset[str] = frozenset()
    """Ids of the namespaces a namespace-owner owns, and those an approver or gateway is bound to."""
    agents: frozenset[str] = frozenset()
    """DIDs and resource names of the agents a gateway speaks for."""
    groups: frozenset[str] = frozenset()
    """Groups of people an approver is in, e.g. `data-oncall`; nobody else is in any."""
    environment: str = ""
    """The environment an agent's token is good for; empty for callers that are not bound to one."""
    expires_at: Instant | None = None
    """When the credential ends. A stream is closed then; None for certificates, which the connection's age bounds."""

    def has(self, *roles: Role) -> bool:
        """Say whether the caller holds at least one of `roles`."""
        return not self.roles.isdisjoint(roles)

    def owns(self, namespace: str) -> bool:
        """Say whether the caller owns `namespace` (an id); a platform-admin owns every one."""
        return Role.PLATFORM_ADMIN in self.roles or (
            Role.NAMESPACE_OWNER in self.roles and namespace in self.namespaces
        )

    def speaks_for(self, agent: str) -> bool:
        """Say whether the caller may act as `agent` (a DID or resource name): the agent itself or its gateway."""
        return (Role.AGENT in self.roles and self.principal == agent) or (
            Role.GATEWAY in self.roles and agent in self.agents
        )


ANONYMOUS = Caller(principal="anonymous")
"""Presented neither a certificate nor a token; only open methods accept it."""

_CURRENT: ContextVar[Caller] = ContextVar("ringfence_caller")


def current_caller() -> Caller:
    """Return who is calling. Valid inside a handler only; anywhere else it is a LookupError, a mistake of ours."""
    return _CURRENT.get()


def establish_caller(caller: Caller) -> None:
    """Set the caller of this call: for the interceptors, before each handler. Short calls may share a context."""
    _CURRENT.set(caller)


@contextmanager
def calling_as(caller: Caller) -> Iterator[None]:
    """Run a block as `caller`: how a test calls `api.py` without a server."""
    token = _CURRENT.set(caller)
    try:
        yield
    finally:
        _CURRENT.reset(token)
