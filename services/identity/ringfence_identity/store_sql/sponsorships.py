"""Sponsors, and whom they answer for, in SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.sql import SqlTx
from ringfence_kit.sql_columns import INTEGER
from ringfence_kit.sql_statements import Bound, Statement

from ringfence_identity.model import AgentIdentity, Sponsor
from ringfence_identity.store.sponsorships import Sponsored
from ringfence_identity.tables import former_sponsors, identities, sponsors

_SPONSOR = Statement(sa.select(sponsors.c.record).where(sponsors.c.name == sa.bindparam("name")))
_SPONSOR_OF_ACCOUNT = Statement(sa.select(sponsors.c.record).where(sponsors.c.account == sa.bindparam("account")))
_SINCE, _NOW = sa.bindparam("since", type_=INTEGER), sa.bindparam("now", type_=INTEGER)
_THEIRS = sa.and_(
    identities.c.sponsor == sa.bindparam("sponsor"), identities.c.environment == sa.bindparam("environment")
)
_LIVES = sa.and_(
    identities.c.revoked_at.is_(None), sa.or_(identities.c.expires_at.is_(None), identities.c.expires_at > _NOW)
)
_ENROLLED_LATELY = sa.case((identities.c.enrolled_at >= _SINCE, identities.c.enrolled_at))
_SPONSORED = Statement(
    sa.select(
        sa.func.count(sa.case((_LIVES, 1))), sa.func.count(_ENROLLED_LATELY), sa.func.min(_ENROLLED_LATELY)
    ).where(_THEIRS)
)
_NOT_LONG_REVOKED = sa.or_(identities.c.revoked_at.is_(None), identities.c.revoked_at >= _SINCE)
_OWES = identities.c.debt > sa.literal_column("0")
_WORST_FIRST = identities.c.debt.desc()
_WORST_DEBT = Statement(
    # From the largest debt down, in the index of those who owe: it ends with the first that counts.
    sa.select(identities.c.debt).where(_THEIRS, _OWES, _NOT_LONG_REVOKED).order_by(_WORST_FIRST).limit(1)
)
_WORST_DEBT_LEFT = Statement(
    sa.select(sa.func.max(identities.c.debt))
    .join(former_sponsors, former_sponsors.c.did == identities.c.did)
    .where(
        former_sponsors.c.environment == sa.bindparam("environment"),
        former_sponsors.c.sponsor == sa.bindparam("sponsor"),
        former_sponsors.c.until >= _SINCE,
        _NOT_LONG_REVOKED,
    )
)


class SqlSponsorships(SqlTx):
    """A `SponsorshipTx` on a connection; each method's contract stands there."""

    def sponsor(self, name: str) -> Sponsor | None:
        """See `SponsorshipTx`."""
        return self._sponsor(_SPONSOR, name=name)

    def sponsor_of_account(self, account: str) -> Sponsor | None:
        """See `SponsorshipTx`."""
        return self._sponsor(_SPONSOR_OF_ACCOUNT, account=account)

    def add_sponsor(self, sponsor: Sponsor) -> None:
        """See `SponsorshipTx`."""
        row = {"name": sponsor.name, "account": sponsor.account, "record": records.encode(sponsor)}
        self.connection.execute(sa.insert(sponsors).values(row))

    def put_sponsor(self, sponsor: Sponsor) -> None:
        """See `SponsorshipTx`."""
        record = records.encode(sponsor)
        self.connection.execute(sa.update(sponsors).where(sponsors.c.name == sponsor.name).values(record=record))

    def agents_of(self, sponsor: str) -> Sequence[AgentIdentity]:
        """See `SponsorshipTx`."""
        answers = sa.or_(identities.c.sponsor == sponsor, identities.c.backup_sponsor == sponsor)
        query = sa.select(identities.c.record).where(answers, identities.c.revoked_at.is_(None))
        return [
            records.decode(record, AgentIdentity)
            for record in self.connection.scalars(query.order_by(identities.c.did))
        ]

    def sponsored(self, environment: str, sponsor: str, *, since: Instant, now: Instant) -> Sponsored:
        """See `SponsorshipTx`."""
        standing, enrolled, first = _SPONSORED.row(
            self.connection, environment=environment, sponsor=sponsor, since=since, now=now
        )
        return Sponsored(standing=standing, enrolled=enrolled, first_enrolled_at=first)

    def worst_debt(self, environment: str, sponsor: str, *, since: Instant) -> int:
        """See `SponsorshipTx`."""
        bound: dict[str, Bound] = {"environment": environment, "sponsor": sponsor, "since": since}
        return max(query.scalar(self.connection, **bound) or 0 for query in (_WORST_DEBT, _WORST_DEBT_LEFT))

    def end_sponsorship(self, identity: AgentIdentity, *, at: Instant) -> None:
        """See `SponsorshipTx`."""
        key = {"environment": identity.environment, "sponsor": identity.content.sponsor, "did": identity.did}
        same = sa.and_(*(former_sponsors.c[column] == value for column, value in key.items()))
        again = self.connection.execute(sa.update(former_sponsors).where(same).values(until=at))
        if again.rowcount == 0:
            self.connection.execute(sa.insert(former_sponsors).values(**key, until=at))

    def _sponsor(self, query: Statement, **bound: str) -> Sponsor | None:
        record = query.scalar(self.connection, **bound)
        return None if record is None else records.decode(record, Sponsor)
