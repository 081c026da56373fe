"""Identity in SQL: SQLite or PostgreSQL."""

from pathlib import Path

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.sql_columns import INTEGER, TEXT
from ringfence_kit.sql_statements import Bound, Statement

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

_OF_DID: sa.BindParameter[str] = sa.bindparam("of_did")
_IDENTITY = Statement(sa.select(identities.c.record).where(identities.c.did == _OF_DID))
_IDENTITY_OF_AGENT = Statement(
    sa.select(identities.c.record).where(
        identities.c.agent == sa.bindparam("agent"), identities.c.environment == sa.bindparam("environment")
    )
)
_ADD_IDENTITY = Statement(sa.insert(identities))
_PUT_IDENTITY = Statement(
    sa.update(identities).where(identities.c.did == _OF_DID),
    sets=("public_key", "sponsor", "backup_sponsor", "debt", "revoked_at", "record"),
)
_ADD_LOG_LINE = Statement(sa.insert(did_log))
_SAME_SPENT = sa.and_(spent.c.purpose == sa.bindparam("purpose"), spent.c.key == sa.bindparam("key"))
_SPEND = Statement(
    # One statement says whether it was spent and spends it.
    sa.insert(spent).from_select(
        ["purpose", "key", "until"],
        sa.select(
            sa.bindparam("purpose", type_=TEXT), sa.bindparam("key", type_=TEXT), sa.bindparam("until", type_=INTEGER)
        ).where(~sa.exists(sa.select(spent.c.until).where(_SAME_SPENT))),
    )
)
_SAME_REVOCATION = sa.and_(
    revocations.c.environment == sa.bindparam("of_environment"),
    revocations.c.kind == sa.bindparam("of_kind"),
    revocations.c.subject == sa.bindparam("of_subject"),
)
_CHANGE_REVOCATION = Statement(sa.update(revocations).where(_SAME_REVOCATION), sets=("forget_at", "record"))
_ADD_REVOCATION = Statement(sa.insert(revocations))


class SqlIdentityTx(SqlTrustTx, SqlLogTx, SqlDelegations, SqlSponsorships, SqlStatusTx, SqlAgentKeys, SqlIssuerKeys):
    """An `IdentityTx` on a connection; each method's contract stands there."""

    def identity(self, did: str) -> AgentIdentity | None:
        """See `IdentityTx`."""
        return self._identity(_IDENTITY, of_did=did)

    def identity_of_agent(self, agent: str, environment: str) -> AgentIdentity | None:
        """See `IdentityTx`."""
        return self._identity(_IDENTITY_OF_AGENT, agent=agent, environment=environment)

    def add_identity(self, identity: AgentIdentity) -> None:
        """See `IdentityTx`."""
        _ADD_IDENTITY.change(
            self.connection,
            did=identity.did,
            agent=identity.agent,
            environment=identity.environment,
            enrolled_at=identity.created_at,
            expires_at=identity.expires_at,
            **_changing(identity),
        )

    def put_identity(self, identity: AgentIdentity) -> None:
        """See `IdentityTx`."""
        _PUT_IDENTITY.change(self.connection, of_did=identity.did, **_changing(identity))

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
        _ADD_LOG_LINE.change(self.connection, did=did, number=number, line=line)

    def spend(self, purpose: Purpose, key: str, *, until: Instant) -> bool:
        """See `IdentityTx`."""
        return _SPEND.change(self.connection, purpose=purpose.value, key=key, until=until) == 1

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
        if _CHANGE_REVOCATION.change(self.connection, **same, **row) == 0:
            _ADD_REVOCATION.change(self.connection, **key, **row)

    def forget_revocations(self, *, before: Instant, limit: int) -> int:
        """See `IdentityTx`."""
        key = (revocations.c.environment, revocations.c.kind, revocations.c.subject)
        expired = sa.select(*key).where(revocations.c.forget_at < before)
        old = expired.order_by(revocations.c.forget_at).limit(limit)
        return self.connection.execute(sa.delete(revocations).where(sa.tuple_(*key).in_(old))).rowcount

    def _identity(self, query: Statement, **bound: str) -> AgentIdentity | None:
        record = query.scalar(self.connection, **bound)
        return None if record is None else records.decode(record, AgentIdentity)


def _changing(identity: AgentIdentity) -> dict[str, Bound]:
    """Return the columns that may differ from one version of an identity to the next."""
    return {
        "public_key": identity.key,
        "sponsor": identity.content.sponsor,
        "backup_sponsor": identity.content.backup_sponsor,
        "debt": identity.trust.state.debt,
        "revoked_at": identity.revoked_at,
        "record": records.encode(identity),
    }


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
