"""How much one person may answer for in one environment: agents at a time, and enrolments in any hour.

A person who answers for more than they can know answers for nothing, and whoever takes over an account could otherwise
fill the directory. Counted in the transaction that enrols, from what is stored: the limits hold for all replicas
together and over restarts, and nothing is spent on an enrolment that fails.
"""

from dataclasses import dataclass

from ringfence_kit.clock import HOUR, Instant, Millis
from ringfence_kit.errors import QuotaExceeded

from ringfence_identity.store.sponsorships import SponsorCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class SponsorLimits:
    """What one sponsor may have in one environment; 0 is no limit."""

    agents: int = 1_000
    enrolments_per_hour: int = 500


def require_room(
    counts: SponsorCounts,
    limits: SponsorLimits,
    *,
    sponsor: str,
    environment: str,
    now: Instant,
    enrolling: bool = True,
) -> None:
    """Raise `QuotaExceeded` when `sponsor` cannot answer for one more agent; `enrolling` one that is new."""
    if not limits.agents and not limits.enrolments_per_hour:
        return
    hour_ago = Instant(now - HOUR + 1)
    counted = counts.sponsored(environment, sponsor, since=hour_ago, now=now)
    if limits.agents and counted.standing >= limits.agents:
        problem = f"answers for {counted.standing} agents of {environment}, as many as one may; revoke some first"
        raise QuotaExceeded(principal=sponsor, method_class="agents", retry_after=None, problem=problem)
    if enrolling and limits.enrolments_per_hour and counted.enrolled >= limits.enrolments_per_hour:
        raise QuotaExceeded(
            principal=sponsor,
            method_class="enrolment",
            # After the limit was lowered more may stand there, and a wait be followed by another.
            retry_after=Millis((counted.first_enrolled_at or now) + HOUR - now),
            problem=f"had {counted.enrolled} agents enrolled in {environment} within an hour, as many as one may",
        )
