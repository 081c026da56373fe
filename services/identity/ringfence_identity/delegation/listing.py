"""Listing delegation grants: everyone sees what they are part of, oldest first, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant

from ringfence_identity.access import require_environment
from ringfence_identity.delegation.model import Delegation, DelegationQuery, Onlooker, Position
from ringfence_identity.environments import Environments
from ringfence_identity.store import IdentityStore

_SEE_EVERYTHING = (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDelegations:
    """Which grants are wanted."""

    environment: str
    delegator: str = ""
    delegatee: str = ""
    show_ended: bool = False
    page_size: int
    after: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationPage:
    """Some grants, and where to go on; None after the last."""

    delegations: Sequence[Delegation]
    following: Position | None


class DelegationListing:
    """Lists grants."""

    def __init__(self, environments: Environments, store: IdentityStore) -> None:
        self._environments = environments
        self._store = store

    async def page(self, wanted: ListDelegations, *, caller: Caller, now: Instant) -> DelegationPage:
        """Return one page of what `caller` may see."""
        environment = self._environments.get(wanted.environment)
        require_environment(caller, environment, action=f"list delegations of {environment.name}")
        query = DelegationQuery(
            environment=environment.name,
            onlooker=_onlooker(caller),
            delegator=wanted.delegator,
            delegatee=wanted.delegatee,
            holding_at=None if wanted.show_ended else now,
            after=wanted.after,
            limit=wanted.page_size + 1,
        )
        found = await self._store.delegations(query)
        page = found[: wanted.page_size]
        return DelegationPage(delegations=page, following=_place_of(page[-1]) if len(found) > len(page) else None)


def _onlooker(caller: Caller) -> Onlooker:
    if caller.has(*_SEE_EVERYTHING):
        return Onlooker(everything=True)
    return Onlooker(
        did=caller.principal if caller.has(Role.AGENT) else "",
        namespaces=caller.namespaces if caller.has(Role.NAMESPACE_OWNER) else frozenset(),
    )


def _place_of(delegation: Delegation) -> Position:
    return Position(seen_at=delegation.grant.seen_at, path=delegation.grant.path)
