"""Listing identities, a page at a time, for whoever may see them.

- an owner sees its own namespaces and nothing that tells of others: no count, no empty page on their account, no token
  that reaches them. What it owns is asked anew for every page;
- a page begins behind the last identity that was looked at, so an identity that was there at the first page is seen
  exactly once, whatever is enrolled or changed meanwhile;
- a page looks at so many identities and no more: with a filter that fits few it may be short, even empty, before the
  last, and its token goes on.
"""

import json
from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import NotPermitted
from ringfence_kit.pages import PageTokens

from ringfence_identity.access import reads_everything, require_environment, require_owner
from ringfence_identity.environments import Environments
from ringfence_identity.identity_order import FIRST, Place
from ringfence_identity.model import AgentIdentity, IdentityStatus
from ringfence_identity.snapshot import IdentitySnapshot

LOOKED_AT = 10_000
"""The most identities one page looks at, which takes some ten milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityQuery:
    """Which identities somebody wants listed, and which page of them. Empty means any."""

    namespace: str = ""
    """An id."""
    environment: str = ""
    status: IdentityStatus | None = None
    sponsor: str = ""
    page_size: int
    page_token: str = ""
    arguments: bytes
    """What a page token is bound to."""

    def matches(self, identity: AgentIdentity) -> bool:
        """Say whether `identity` is one of those."""
        return (
            self.environment in ("", identity.environment)
            and self.status in (None, identity.status)
            and self.sponsor in ("", identity.content.sponsor)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityPage:
    """One page of an answer."""

    identities: tuple[AgentIdentity, ...]
    next_page_token: str


class IdentityListing:
    """Lists identities from memory."""

    def __init__(
        self,
        *,
        environments: Environments,
        snapshot: IdentitySnapshot,
        tokens: PageTokens,
        looked_at: int = LOOKED_AT,
    ) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._tokens = tokens
        self._looked_at = looked_at

    def list_identities(self, query: IdentityQuery, *, caller: Caller, now: Instant) -> IdentityPage:
        """Return one page of the identities that match, by agent name and environment.

        Raises `NotPermitted`, `EnvironmentUnknown` and `PageTokenInvalid`.
        """
        namespaces = _namespaces_of(caller, query.namespace)
        if query.environment:
            hosted = self._environments.get(query.environment)
            require_environment(caller, hosted, action=f"list the identities of {query.environment}")
        after = FIRST
        if query.page_token:
            cursor = self._tokens.open(query.page_token, caller=caller.principal, arguments=query.arguments, now=now)
            after = Place(*json.loads(cursor))
        found, last = self._look(query, after, namespaces)
        token = ""
        if last is not None:
            cursor = json.dumps(last).encode()
            token = self._tokens.seal(cursor, caller=caller.principal, arguments=query.arguments, now=now)
        return IdentityPage(identities=tuple(found), next_page_token=token)

    def _look(
        self, query: IdentityQuery, after: Place, namespaces: tuple[str, ...] | None
    ) -> tuple[list[AgentIdentity], Place | None]:
        """Return what the page holds, and the last place looked at when there are more behind it."""
        found: list[AgentIdentity] = []
        last = after
        for looked_at, place in enumerate(self._snapshot.order.after(after, namespaces)):
            if len(found) == query.page_size or looked_at == self._looked_at:
                return found, last
            identity = self._snapshot.identity_at(place)
            if query.matches(identity):
                found.append(identity)
            last = place
        return found, None


def _namespaces_of(caller: Caller, namespace: str) -> tuple[str, ...] | None:
    """Return the ids of the namespaces to look into, None for all, or raise when the caller may not look there."""
    if namespace:
        if not reads_everything(caller):
            require_owner(caller, namespace, action=f"list the identities of {namespace}")
        return (namespace,)
    if reads_everything(caller):
        return None
    if not caller.namespaces:
        needed = "platform-admin, auditor, approver, gateway or service, or a namespace of its own"
        raise NotPermitted(principal=caller.principal, action="list identities", needed=needed)
    return tuple(caller.namespaces)
