"""Delegation grants in SQL.

The record is what was granted and never changes; what changes stands in columns of its own, so that a whole tree of
grants ends by one UPDATE over a range of the index on paths.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence.proofs.delegation_grant import Budget
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.sql import Database, SqlTx

from ringfence_identity.delegation.model import Delegation, DelegationQuery, Onlooker, SeenGrant
from ringfence_identity.tables import delegation_agents, delegation_namespaces, delegations

_STANDING = (
    delegations.c.record,
    delegations.c.calls_spent,
    delegations.c.cost_spent,
    delegations.c.revoked_at,
    delegations.c.revocation_reason,
)


class SqlDelegations(SqlTx):
    """A `DelegationTx` on a connection; each method's contract stands there."""

    def delegation(self, name: str) -> Delegation | None:
        """See `DelegationTx`."""
        found = self._delegations(delegations.c.name == name)
        return found[0] if found else None

    def add_delegation(self, grant: SeenGrant) -> None:
        """See `DelegationTx`."""
        row = {
            "name": grant.name,
            "environment": grant.environment,
            "path": grant.path,
            "delegator": grant.delegator,
            "delegatee": grant.delegatee,
            "issued_at": grant.issued_at,
            "seen_at": grant.seen_at,
            "expires_at": grant.expires_at,
            "calls_spent": 0,
            "cost_spent": 0,
            "record": records.encode(grant),
        }
        self.connection.execute(sa.insert(delegations).values(row))
        parties = [{"name": grant.name, "did": did} for did in grant.agents]
        self.connection.execute(sa.insert(delegation_agents), parties)
        places = [{"name": grant.name, "namespace": namespace} for namespace in grant.namespaces]
        self.connection.execute(sa.insert(delegation_namespaces), places)

    def spend_budget(self, name: str, amount: Budget) -> None:
        """See `DelegationTx`."""
        total = {
            "calls_spent": delegations.c.calls_spent + amount.calls,
            "cost_spent": delegations.c.cost_spent + amount.cost_micros,
        }
        self.connection.execute(sa.update(delegations).where(delegations.c.name == name).values(total))

    def revoke_delegations(self, name: str, *, reason: str, at: Instant) -> int:
        """See `DelegationTx`."""
        path = self.connection.scalars(sa.select(delegations.c.path).where(delegations.c.name == name)).one()
        # `0` is the character after `/`: between the two lies every path that goes on from this one.
        below = sa.and_(delegations.c.path > f"{path}/", delegations.c.path < f"{path}0")
        ending = sa.update(delegations).where(
            sa.or_(delegations.c.path == path, below), delegations.c.revoked_at.is_(None)
        )
        return self.connection.execute(ending.values(revoked_at=at, revocation_reason=reason)).rowcount

    def grants_of(self, did: str, *, since: Instant | None = None) -> Sequence[Delegation]:
        """See `DelegationTx`."""
        by_it = delegations.c.delegator == did
        if since is None:
            through = sa.or_(by_it, delegations.c.delegatee == did)
        else:
            through = sa.and_(by_it, sa.or_(delegations.c.issued_at >= since, delegations.c.seen_at >= since))
        return self._delegations(through, delegations.c.revoked_at.is_(None))

    def forget_delegations(self, *, before: Instant, limit: int) -> int:
        """See `DelegationTx`."""
        oldest = sa.select(delegations.c.name).where(delegations.c.expires_at < before)
        names = self.connection.scalars(oldest.order_by(delegations.c.expires_at).limit(limit)).all()
        for table in (delegation_agents, delegation_namespaces, delegations):
            self.connection.execute(sa.delete(table).where(table.c.name.in_(names)))
        return len(names)

    def _delegations(self, *conditions: sa.ColumnElement[bool]) -> Sequence[Delegation]:
        rows = self.connection.execute(sa.select(*_STANDING).where(*conditions).order_by(delegations.c.path))
        return [_standing(row) for row in rows]


class SqlDelegationStore:
    """A `DelegationStore` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delegations(self, query: DelegationQuery) -> Sequence[Delegation]:
        """See `DelegationStore`."""
        order = (delegations.c.seen_at, delegations.c.path)
        wanted = sa.select(*_STANDING).where(*_conditions(query)).order_by(*order).limit(query.limit)
        return await self._database.read(lambda connection: [_standing(row) for row in connection.execute(wanted)])


def _conditions(query: DelegationQuery) -> list[sa.ColumnElement[bool]]:
    conditions = [delegations.c.environment == query.environment, *_seen_by(query.onlooker)]
    if query.delegator:
        conditions.append(delegations.c.delegator == query.delegator)
    if query.delegatee:
        conditions.append(delegations.c.delegatee == query.delegatee)
    if query.holding_at is not None:
        conditions += [delegations.c.revoked_at.is_(None), delegations.c.expires_at > query.holding_at]
    if query.after is not None:
        place = sa.tuple_(sa.literal(query.after.seen_at), sa.literal(query.after.path))
        conditions.append(sa.tuple_(delegations.c.seen_at, delegations.c.path) > place)
    return conditions


def _seen_by(onlooker: Onlooker) -> list[sa.ColumnElement[bool]]:
    if onlooker.everything:
        return []
    of_agent = sa.select(delegation_agents.c.name).where(delegation_agents.c.did == onlooker.did)
    of_owner = sa.select(delegation_namespaces.c.name).where(
        delegation_namespaces.c.namespace.in_(sorted(onlooker.namespaces))
    )
    return [sa.or_(delegations.c.name.in_(of_agent), delegations.c.name.in_(of_owner))]


def _standing(row: sa.Row[bytes, int, int, int | None, str | None]) -> Delegation:
    record, calls, cost, revoked_at, reason = row
    return Delegation(
        grant=records.decode(record, SeenGrant),
        spent=Budget(calls=calls, cost_micros=cost),
        revoked_at=None if revoked_at is None else Instant(revoked_at),
        revocation_reason=reason or "",
    )
