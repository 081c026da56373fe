"""What sponsors, and whom they answer for, ask of storage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.clock import Instant

from ringfence_identity.model import AgentIdentity, Sponsor


@dataclass(frozen=True, slots=True, kw_only=True)
class Sponsored:
    """How much a sponsor answers for in one environment."""

    standing: int
    """Agents that are neither revoked nor expired."""
    enrolled: int
    """Agents enrolled since the moment that was asked about, whatever became of them."""
    first_enrolled_at: Instant | None
    """When the first of these was enrolled."""


class SponsorCounts(Protocol):
    """Counts what a sponsor answers for."""

    def sponsored(self, environment: str, sponsor: str, *, since: Instant, now: Instant) -> Sponsored:
        """Return how many agents `sponsor` answers for in `environment` at `now`, and how many came since `since`."""
        ...


class SponsorshipTx(SponsorCounts, Protocol):
    """The part of `IdentityTx` that is about sponsors and whom they answer for."""

    def sponsor(self, name: str) -> Sponsor | None:
        """Return the sponsor called `name`, or None."""
        ...

    def sponsor_of_account(self, account: str) -> Sponsor | None:
        """Return the sponsor with this OIDC account, or None."""
        ...

    def add_sponsor(self, sponsor: Sponsor) -> None:
        """Store a sponsor whose name and account are new."""
        ...

    def put_sponsor(self, sponsor: Sponsor) -> None:
        """Store `sponsor`, in place of the one with its name. Name and account never change."""
        ...

    def agents_of(self, sponsor: str) -> Sequence[AgentIdentity]:
        """Return all not revoked, in any environment, that `sponsor` answers for or backs up; by DID."""
        ...

    def worst_debt(self, environment: str, sponsor: str, *, since: Instant) -> int:
        """Return the largest debt, in micro-points, among agents `sponsor` answers for in `environment`, or did.

        Left out are those revoked before `since`, and those another sponsor took over before `since`; 0 when none is
        left. What counts is the debt as it is now.
        """
        ...

    def end_sponsorship(self, identity: AgentIdentity, *, at: Instant) -> None:
        """Remember that the sponsor of `identity` answers for it no more since `at`; `put_identity` names the next."""
        ...
