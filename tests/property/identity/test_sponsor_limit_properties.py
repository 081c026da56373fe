"""However enrolments come, no sponsor has more than it may, and whoever is refused is told how long to wait."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from ringfence_identity.sponsors.limits import SponsorLimits, require_room
from ringfence_identity.store.sponsorships import Sponsored
from ringfence_kit.clock import HOUR, MINUTE, Instant
from ringfence_kit.errors import QuotaExceeded

limits = st.builds(SponsorLimits, agents=st.integers(0, 6), enrolments_per_hour=st.integers(0, 6))
steps = st.lists(st.tuples(st.sampled_from(["enrol", "revoke"]), st.integers(0, 30 * MINUTE)), min_size=1, max_size=80)


@dataclass(slots=True)
class OneSponsor:
    """A sponsor's enrolments in one environment, counted as the store counts them."""

    standing: int = 0
    enrolled_at: list[Instant] = field(default_factory=list)

    def sponsored(self, environment: str, sponsor: str, *, since: Instant, now: Instant) -> Sponsored:
        lately = [at for at in self.enrolled_at if at >= since]
        return Sponsored(standing=self.standing, enrolled=len(lately), first_enrolled_at=min(lately, default=None))

    def enrol(self, limits: SponsorLimits, now: Instant) -> None:
        require_room(self, limits, sponsor="sponsors/ada", environment="prod", now=now)
        self.standing += 1
        self.enrolled_at.append(now)

    def try_to_enrol(self, limits: SponsorLimits, now: Instant) -> int:
        """Return how long to wait; 0 when it was enrolled."""
        try:
            self.enrol(limits, now)
        except QuotaExceeded as refused:
            return refused.retry_after or 0
        return 0


def most_in_any_hour(times: Sequence[Instant]) -> int:
    return max((sum(start <= at < start + HOUR for at in times) for start in times), default=0)


@given(limits, steps)
def test_never_more_agents_than_one_may_and_never_more_enrolments_in_any_hour(
    limits: SponsorLimits, steps: list[tuple[str, int]]
) -> None:
    sponsor, now = OneSponsor(), Instant(10 * HOUR)
    for deed, passed in steps:
        now = Instant(now + passed)
        if deed == "revoke":
            sponsor.standing = max(0, sponsor.standing - 1)
            continue
        with suppress(QuotaExceeded):
            sponsor.enrol(limits, now)
    assert not limits.agents or sponsor.standing <= limits.agents
    assert not limits.enrolments_per_hour or most_in_any_hour(sponsor.enrolled_at) <= limits.enrolments_per_hour


@given(st.integers(1, 6), st.lists(st.integers(0, 30 * MINUTE), min_size=1, max_size=40))
def test_after_the_wait_that_is_named_there_is_room_and_not_a_moment_before(most: int, passing: list[int]) -> None:
    limits = SponsorLimits(agents=0, enrolments_per_hour=most)
    sponsor, now = OneSponsor(), Instant(10 * HOUR)
    for passed in passing:
        now = Instant(now + passed)
        wait = sponsor.try_to_enrol(limits, now)
        assert wait <= HOUR
        if wait:
            assert sponsor.try_to_enrol(limits, Instant(now + wait - 1)) == 1
            now = Instant(now + wait)
            assert sponsor.try_to_enrol(limits, now) == 0


@given(steps)
def test_without_limits_everybody_has_room(steps: list[tuple[str, int]]) -> None:
    sponsor = OneSponsor()
    for _ in steps:
        sponsor.enrol(SponsorLimits(agents=0, enrolments_per_hour=0), Instant(0))
    assert sponsor.standing == len(steps)
