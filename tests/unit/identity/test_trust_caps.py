"""The caps by themselves: what is left, for whom, and when it is free again."""

from dataclasses import replace

import pytest
from ringfence_identity.trust.caps import (
    COMPLAINT_DAY_CAP,
    DAY_CAP,
    HOUR_CAP,
    RATER_DAY_CAP,
    Cap,
    Credit,
    TrustLedger,
    caps_in_force,
    complaint_caps,
    day_cap,
    earning_caps,
    since,
    under,
)
from ringfence_kit.clock import DAY, HOUR, Instant
from ringfence_kit.trust_decay import MICRO, TrustState

T0 = Instant(1_767_225_600_000)


def credit(points: int, *, ago: int = 0, rater: str = "", rise: int = 0) -> Credit:
    return Credit(at=Instant(T0 - ago), rater=rater, weight=points * MICRO, rise=rise * MICRO)


def test_what_happened_a_full_window_ago_weighs_no_more() -> None:
    counted = (credit(1, ago=HOUR), credit(2, ago=HOUR - 1))
    assert since(counted, T0, HOUR) == counted[1:]


def test_nothing_used_is_all_left_and_free_now() -> None:
    day, hour, rater = earning_caps((), "person:ada", T0)
    assert (day.left, hour.left, rater.left) == (DAY_CAP, HOUR_CAP, RATER_DAY_CAP)
    assert (day.free_at, hour.free_at, rater.free_at) == (None, None, None)
    assert rater.rater == "person:ada"


def test_a_cap_is_free_when_its_newest_credit_leaves_the_window() -> None:
    gains = (credit(3, ago=5 * HOUR), credit(4, ago=HOUR // 2))
    day, hour = earning_caps(gains, "", T0)
    assert (day.left, day.free_at) == (53 * MICRO, T0 - HOUR // 2 + DAY)
    assert (hour.left, hour.free_at) == (16 * MICRO, T0 + HOUR // 2)


def test_fading_debt_uses_up_the_day_and_not_the_hour() -> None:
    day, hour = earning_caps((credit(2, rise=45),), "", T0)
    assert (day.left, hour.left) == (15 * MICRO, 18 * MICRO)
    assert day_cap((credit(2, rise=45),), T0) == day


def test_what_our_services_observe_has_no_cap_of_a_rater() -> None:
    assert len(earning_caps((credit(10),), "", T0)) == 2
    assert len(complaint_caps((), "", T0)) == 1


def test_a_rater_uses_up_nothing_of_another() -> None:
    gains = (credit(10, rater="a"), credit(4, rater="b"))
    assert earning_caps(gains, "a", T0)[-1].left == 0
    assert earning_caps(gains, "b", T0)[-1].left == 6 * MICRO
    assert earning_caps(gains, "c", T0)[-1].left == RATER_DAY_CAP


@pytest.mark.parametrize(("wanted", "given", "said"), [(5, 5, ""), (7, 7, ""), (8, 7, "the cap of b is reached")])
def test_the_narrowest_cap_decides_and_is_named(wanted: int, given: int, said: str) -> None:
    caps = [Cap(rule=rule, limit=99, left=left, free_at=None) for rule, left in (("a", 9), ("b", 7))]
    assert under(wanted, caps) == (given, said)


def test_every_rater_and_reporter_of_the_day_has_a_line() -> None:
    ledger = TrustLedger(
        state=TrustState(),
        gains=(credit(1, rater="b"), credit(1, rater="a"), credit(1), credit(9, rater="old", ago=DAY)),
        complaints=(credit(2, rater="eve"),),
    )
    lines = [(cap.rule, cap.rater) for cap in caps_in_force(ledger, T0)]
    assert lines == [
        ("60 points a day", ""),
        ("20 points an hour", ""),
        ("10 points a day from one rater", "a"),
        ("10 points a day from one rater", "b"),
        ("60 points of complaints a day", ""),
        ("20 points of complaints a day from one reporter", "eve"),
    ]
    quiet = replace(ledger, gains=(), complaints=())
    assert [cap.left for cap in caps_in_force(quiet, T0)] == [DAY_CAP, HOUR_CAP, COMPLAINT_DAY_CAP]
