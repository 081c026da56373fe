"""Sponsors, and whom they answer for, in memory, with the contract of the SQL store."""

from collections.abc import Sequence

from ringfence_kit.clock import Instant
from ringfence_kit.memory import MemoryTable, MemoryTx

from ringfence_identity.model import AgentIdentity, Sponsor
from ringfence_identity.store.sponsorships import Sponsored

SPONSORS: MemoryTable[str, Sponsor] = MemoryTable("sponsors")
IDENTITIES: MemoryTable[str, AgentIdentity] = MemoryTable("identities")
FORMER_SPONSORS: MemoryTable[tuple[str, str, str], Instant] = MemoryTable("former_sponsors")


class MemorySponsorships(MemoryTx):
    """A `SponsorshipTx` on rows in memory; each method's contract stands there."""

    def sponsor(self, name: str) -> Sponsor | None:
        """See `SponsorshipTx`."""
        return self.rows.table(SPONSORS).get(name)

    def sponsor_of_account(self, account: str) -> Sponsor | None:
        """See `SponsorshipTx`."""
        return next((known for known in self.rows.table(SPONSORS).values() if known.account == account), None)

    def add_sponsor(self, sponsor: Sponsor) -> None:
        """See `SponsorshipTx`."""
        self.rows.table(SPONSORS)[sponsor.name] = sponsor

    def put_sponsor(self, sponsor: Sponsor) -> None:
        """See `SponsorshipTx`."""
        self.rows.table(SPONSORS)[sponsor.name] = sponsor

    def agents_of(self, sponsor: str) -> Sequence[AgentIdentity]:
        """See `SponsorshipTx`."""
        return [
            known
            for _, known in sorted(self.rows.table(IDENTITIES).items())
            if sponsor in (known.content.sponsor, known.content.backup_sponsor) and known.revoked_at is None
        ]

    def sponsored(self, environment: str, sponsor: str, *, since: Instant, now: Instant) -> Sponsored:
        """See `SponsorshipTx`."""
        own = [
            known
            for known in self.rows.table(IDENTITIES).values()
            if (known.environment, known.content.sponsor) == (environment, sponsor)
        ]
        lately = [known.created_at for known in own if known.created_at >= since]
        return Sponsored(
            standing=sum(
                known.revoked_at is None and (known.expires_at is None or known.expires_at > now) for known in own
            ),
            enrolled=len(lately),
            first_enrolled_at=min(lately, default=None),
        )

    def worst_debt(self, environment: str, sponsor: str, *, since: Instant) -> int:
        """See `SponsorshipTx`."""
        former = self.rows.table(FORMER_SPONSORS)
        return max(
            (
                known.trust.state.debt
                for known in self.rows.table(IDENTITIES).values()
                if known.environment == environment
                and (known.revoked_at is None or known.revoked_at >= since)
                and (
                    known.content.sponsor == sponsor
                    or former.get((environment, sponsor, known.did), since - 1) >= since
                )
            ),
            default=0,
        )

    def end_sponsorship(self, identity: AgentIdentity, *, at: Instant) -> None:
        """See `SponsorshipTx`."""
        self.rows.table(FORMER_SPONSORS)[identity.environment, identity.content.sponsor, identity.did] = at
