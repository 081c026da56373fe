"""Sponsors, and whom they answer for, in SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.sql import SqlTx

from ringfence_identity.model import AgentIdentity, Sponsor
from ringfence_identity.store_sponsorships import Sponsored
from ringfence_identity.tables import former_sponsors, identities, sponsors


class SqlSponsorships(SqlTx):
    """A `SponsorshipTx` on a connection; each method's contract stands there."""

    def sponsor(self, name: str) -> Sponsor | None:
        """See `SponsorshipTx`."""
        return self._sponsor(sponsors.c.name == name)

    def sponsor_of_account(self, account: str) -> Sponsor | None:
        """See `SponsorshipTx`."""
        return self._sponsor(sponsors.c.account == account)

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
        ends = identities.c.expires_at
        lives = sa.and_(identities.c.revoked_at.is_(None), sa.or_(ends.is_(None), ends > now))
        lately = sa.case((identities.c.enrolled_at >= since, identities.c.enrolled_at))
        query = sa.select(sa.func.count(sa.case((lives, 1))), sa.func.count(lately), sa.func.min(lately)).where(
            identities.c.environment == environment, identities.c.sponsor == sponsor
        )
        standing, enrolled, first = self.connection.execute(query).one()
        return Sponsored(standing=standing, enrolled=enrolled, first_enrolled_at=first)

    def worst_debt(self, environment: str, sponsor: str, *, since: Instant) -> int:
        """See `SponsorshipTx`."""
        lately = sa.or_(identities.c.revoked_at.is_(None), identities.c.revoked_at >= since)
        current = sa.select(sa.func.max(identities.c.debt)).where(
            identities.c.environment == environment, identities.c.sponsor == sponsor, lately
        )
        former = (
            sa.select(sa.func.max(identities.c.debt))
            .join(former_sponsors, former_sponsors.c.did == identities.c.did)
            .where(
                former_sponsors.c.environment == environment,
                former_sponsors.c.sponsor == sponsor,
                former_sponsors.c.until >= since,
                lately,
            )
        )
        return max(self.connection.scalar(current) or 0, self.connection.scalar(former) or 0)

    def end_sponsorship(self, identity: AgentIdentity, *, at: Instant) -> None:
        """See `SponsorshipTx`."""
        key = {"environment": identity.environment, "sponsor": identity.content.sponsor, "did": identity.did}
        same = sa.and_(*(former_sponsors.c[column] == value for column, value in key.items()))
        again = self.connection.execute(sa.update(former_sponsors).where(same).values(until=at))
        if again.rowcount == 0:
            self.connection.execute(sa.insert(former_sponsors).values(**key, until=at))

    def _sponsor(self, *conditions: sa.ColumnElement[bool]) -> Sponsor | None:
        record = self.connection.scalar(sa.select(sponsors.c.record).where(*conditions))
        return None if record is None else records.decode(record, Sponsor)
