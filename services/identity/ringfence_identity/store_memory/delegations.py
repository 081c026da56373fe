"""Delegation grants in memory, with the contract of the SQL store."""

from collections.abc import Sequence
from dataclasses import replace

from ringfence.proofs.delegation_grant import Budget
from ringfence_kit.clock import Instant
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable, MemoryTx

from ringfence_identity.delegation.model import Delegation, DelegationQuery, Onlooker, Position, SeenGrant

DELEGATIONS: MemoryTable[str, Delegation] = MemoryTable("delegations")


class MemoryDelegations(MemoryTx):
    """A `DelegationTx` on rows in memory; each method's contract stands there."""

    def delegation(self, name: str) -> Delegation | None:
        """See `DelegationTx`."""
        return self.rows.table(DELEGATIONS).get(name)

    def add_delegation(self, grant: SeenGrant) -> None:
        """See `DelegationTx`."""
        rows = self.rows.table(DELEGATIONS)
        if grant.name in rows:
            raise KeyError(grant.name)
        rows[grant.name] = Delegation(grant=grant)

    def spend_budget(self, name: str, amount: Budget) -> None:
        """See `DelegationTx`."""
        rows = self.rows.table(DELEGATIONS)
        spent = rows[name].spent
        total = Budget(calls=spent.calls + amount.calls, cost_micros=spent.cost_micros + amount.cost_micros)
        rows[name] = replace(rows[name], spent=total)

    def revoke_delegations(self, name: str, *, reason: str, at: Instant) -> int:
        """See `DelegationTx`."""
        rows = self.rows.table(DELEGATIONS)
        path = rows[name].grant.path
        ended = [
            known
            for known in rows.values()
            if known.revoked_at is None and (known.grant.path == path or known.grant.path.startswith(f"{path}/"))
        ]
        for known in ended:
            rows[known.grant.name] = replace(known, revoked_at=at, revocation_reason=reason)
        return len(ended)

    def grants_of(self, did: str, *, since: Instant | None = None) -> Sequence[Delegation]:
        """See `DelegationTx`."""
        known = self.rows.table(DELEGATIONS).values()
        return sorted((one for one in known if _is_of(one, did, since)), key=lambda one: one.grant.path)

    def forget_delegations(self, *, before: Instant, limit: int) -> int:
        """See `DelegationTx`."""
        rows = self.rows.table(DELEGATIONS)
        old = sorted((known.grant.expires_at, name) for name, known in rows.items())
        forgotten = [name for expires_at, name in old if expires_at < before][:limit]
        for name in forgotten:
            del rows[name]
        return len(forgotten)


class MemoryDelegationStore:
    """A `DelegationStore` on a database in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def delegations(self, query: DelegationQuery) -> Sequence[Delegation]:
        """See `DelegationStore`."""

        def look(rows: MemoryRows) -> Sequence[Delegation]:
            found = [known for known in rows.table(DELEGATIONS).values() if _matches(known, query)]
            return sorted(found, key=_order)[: query.limit]

        return await self._database.read(look)


def _is_of(known: Delegation, did: str, since: Instant | None) -> bool:
    grant = known.grant
    if known.revoked_at is not None:
        return False
    if since is None:
        return did in (grant.delegator, grant.delegatee)
    return grant.delegator == did and (grant.issued_at >= since or grant.seen_at >= since)


def _matches(known: Delegation, query: DelegationQuery) -> bool:
    grant = known.grant
    holding = query.holding_at is None or (known.revoked_at is None and grant.expires_at > query.holding_at)
    return (
        grant.environment == query.environment
        and query.delegator in ("", grant.delegator)
        and query.delegatee in ("", grant.delegatee)
        and holding
        and _is_seen_by(grant, query.onlooker)
        and (query.after is None or _order(known) > _place(query.after))
    )


def _is_seen_by(grant: SeenGrant, onlooker: Onlooker) -> bool:
    return onlooker.everything or onlooker.did in grant.agents or not onlooker.namespaces.isdisjoint(grant.namespaces)


def _order(known: Delegation) -> tuple[Instant, str]:
    return known.grant.seen_at, known.grant.path


def _place(position: Position) -> tuple[Instant, str]:
    return position.seen_at, position.path
