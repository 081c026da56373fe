"""Identity in SQL: SQLite or PostgreSQL."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision

from ringfence_identity.model import AgentIdentity, Revocation, Sponsor
from ringfence_identity.shared_parts import SharedParts
from ringfence_identity.store import Loaded, Purpose
from ringfence_identity.store_sql.agent_keys import SqlAgentKeys
from ringfence_identity.store_sql.delegations import SqlDelegations, SqlDelegationStore
from ringfence_identity.store_sql.issuer_keys import SqlIssuerKeys, every_issuer_key
from ringfence_identity.store_sql.sponsorships import SqlSponsorships
from ringfence_identity.store_sql.statuses import SqlStatusStore, SqlStatusTx, superseded
from ringfence_identity.store_sql.transparency import SqlLogStore, SqlLogTx
from ringfence_identity.store_sql.trust import SqlTrustStore, SqlTrustTx
from ringfence_identity.tables import (
    did_log,
    identities,
    registrars,
    revocations,
    spent,
    sponsors,
)

MIGRATIONS = Path(__file__).parents[1] / "migrations" / "versions"

# Statements of what happens at every enrolment and token are made once: making one costs more than running it.
_OF_DID: sa.BindParameter[str] = sa.bindparam("of_did")
_IDENTITY = sa.select(identities.c.record).where(identities.c.did == _OF_DID)
_IDENTITY_OF_AGENT = sa.select(identities.c.record).where(
    identities.c.agent == sa.bindparam("agent"), identities.c.environment == sa.bindparam("environment")
)
_CHANGE_IDENTITY = sa.update(identities).where(identities.c.did == _OF_DID)
_ADD_IDENTITY = sa.insert(identities)
_ADD_LOG_LINE = sa.insert(did_log)
_SPENT = sa.select(spent.c.until).where(spent.c.purpose == sa.bindparam("purpose"), spent.c.key == sa.bindparam("key"))
_SPEND = sa.insert(spent)
_SAME_REVOCATION = sa.and_(
    revocations.c.environment == sa.bindparam("of_environment"),
    revocations.c.kind == sa.bindparam("of_kind"),
    revocations.c.subject == sa.bindparam("of_subject"),
)
_CHANGE_REVOCATION = sa.update(revocations).where(_SAME_REVOCATION)
_ADD_REVOCATION = sa.insert(revocations)


class SqlIdentityTx(SqlTrustTx, SqlLogTx, SqlDelegations, SqlSponsorships, SqlStatusTx, SqlAgentKeys, SqlIssuerKeys):
    """An `IdentityTx` on a connection; each method's contract stands there."""

    def identity(self, did: str) -> AgentIdentity | None:
        """See `IdentityTx`."""
        return self._identity(_IDENTITY, of_did=did)

    def identity_of_agent(self, agent: str, environment: str) -> AgentIdentity | None:
        """See `IdentityTx`."""
        return self._identity(_IDENTITY_OF_AGENT, agent=agent, environment=environment)

    def put_identity(self, identity: AgentIdentity) -> None:
        """See `IdentityTx`."""
        row = {
            "public_key": identity.key,
            "sponsor": identity.content.sponsor,
            "backup_sponsor": identity.content.backup_sponsor,
            "debt": identity.trust.state.debt,
            "revoked_at": identity.revoked_at,
            "record": records.encode(identity),
        }
        updated = self.connection.execute(_CHANGE_IDENTITY, {"of_did": identity.did, **row})
        if updated.rowcount == 0:
            fixed = {
                "did": identity.did,
                "agent": identity.agent,
                "environment": identity.environment,
                "enrolled_at": identity.created_at,
                "expires_at": identity.expires_at,
            }
            self.connection.execute(_ADD_IDENTITY, {**fixed, **row})

    def registrar(self, host: str) -> str | None:
        """See `IdentityTx`."""
        return self.connection.scalar(sa.select(registrars.c.did).where(registrars.c.host == host))

    def add_registrar(self, host: str, did: str) -> None:
        """See `IdentityTx`."""
        self.connection.execute(sa.insert(registrars).values(host=host, did=did))

    def last_log_line(self, did: str) -> str | None:
        """See `IdentityTx`."""
        query = sa.select(did_log.c.line).where(did_log.c.did == did).order_by(did_log.c.number.desc()).limit(1)
        return self.connection.scalar(query)

    def log_size(self, did: str) -> int:
        """See `IdentityTx`."""
        size = sa.func.sum(sa.func.length(did_log.c.line) + 1)
        return int(self.connection.scalar(sa.select(size).where(did_log.c.did == did)) or 0)

    def add_log_line(self, did: str, number: int, line: str) -> None:
        """See `IdentityTx`."""
        self.connection.execute(_ADD_LOG_LINE, {"did": did, "number": number, "line": line})

    def spend(self, purpose: Purpose, key: str, *, until: Instant) -> bool:
        """See `IdentityTx`."""
        once = {"purpose": purpose.value, "key": key}
        if self.connection.scalar(_SPENT, once) is not None:
            return False
        self.connection.execute(_SPEND, {**once, "until": until})
        return True

    def forget_spent(self, *, before: Instant, limit: int) -> int:
        """See `IdentityTx`."""
        old = sa.select(spent.c.purpose, spent.c.key).where(spent.c.until < before).order_by(spent.c.until).limit(limit)
        forgotten = self.connection.execute(sa.delete(spent).where(sa.tuple_(spent.c.purpose, spent.c.key).in_(old)))
        return forgotten.rowcount

    def put_revocation(self, revocation: Revocation) -> None:
        """See `IdentityTx`."""
        key = {
            "environment": revocation.environment,
            "kind": revocation.kind.value,
            "subject": revocation.subject,
        }
        row = {"forget_at": revocation.forget_at, "record": records.encode(revocation)}
        same = {f"of_{column}": value for column, value in key.items()}
        updated = self.connection.execute(_CHANGE_REVOCATION, {**same, **row})
        if updated.rowcount == 0:
            self.connection.execute(_ADD_REVOCATION, {**key, **row})

    def forget_revocations(self, *, before: Instant, limit: int) -> int:
        """See `IdentityTx`."""
        key = (revocations.c.environment, revocations.c.kind, revocations.c.subject)
        expired = sa.select(*key).where(revocations.c.forget_at < before)
        old = expired.order_by(revocations.c.forget_at).limit(limit)
        return self.connection.execute(sa.delete(revocations).where(sa.tuple_(*key).in_(old))).rowcount

    def _identity(self, query: sa.Select[Any], **bound: str) -> AgentIdentity | None:
        record = self.connection.scalar(query, bound)
        return None if record is None else records.decode(record, AgentIdentity)


class SqlIdentityStore(SqlTrustStore, SqlLogStore, SqlDelegationStore, SqlStatusStore):
    """An `IdentityStore` on a database."""

    async def load(self) -> tuple[Revision, Loaded]:
        """See `IdentityStore`."""
        return await self._database.load(_load)

    async def log_lines(self, did: str) -> tuple[str, ...]:
        """See `IdentityStore`."""
        query = sa.select(did_log.c.line).where(did_log.c.did == did).order_by(did_log.c.number)
        return await self._database.read(lambda connection: tuple(connection.scalars(query)))


def _load(connection: sa.Connection) -> Loaded:
    parts = SharedParts()
    every_identity = connection.scalars(sa.select(identities.c.record).order_by(identities.c.did))
    every_sponsor = connection.scalars(sa.select(sponsors.c.record).order_by(sponsors.c.name))
    in_order = (revocations.c.environment, revocations.c.kind, revocations.c.subject)
    every_revocation = connection.scalars(sa.select(revocations.c.record).order_by(*in_order))
    return Loaded(
        identities=tuple(parts.share(records.decode(record, AgentIdentity)) for record in every_identity),
        sponsors=tuple(records.decode(record, Sponsor) for record in every_sponsor),
        revocations=tuple(records.decode(record, Revocation) for record in every_revocation),
        superseded=superseded(connection),
        issuer_keys=every_issuer_key(connection),
    )
