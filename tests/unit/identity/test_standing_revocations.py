"""What stands of the revocations, and for how long."""

from dataclasses import replace

from ringfence_identity.model import Revocation, RevocationKind
from ringfence_identity.standing_revocations import StandingRevocations
from ringfence_kit.clock import Instant

NOW = Instant(1_767_225_600_000)

FOR_EVER = Revocation(
    kind=RevocationKind.AGENT, subject="did:key:z1", environment="prod", minimum_epoch=2, reason="left", at=NOW
)
BRIEF = Revocation(
    kind=RevocationKind.ELEVATION,
    subject="elevations/1",
    environment="dev",
    reason="over",
    at=NOW,
    forget_at=Instant(NOW + 10),
)


def test_what_stands_is_told_by_environment() -> None:
    standing = StandingRevocations((FOR_EVER, BRIEF))
    assert standing.standing("prod", now=NOW) == (FOR_EVER,)
    assert standing.standing("dev", now=NOW) == (BRIEF,)
    assert standing.standing("", now=NOW) == (FOR_EVER, BRIEF)
    assert standing.standing("staging", now=NOW) == ()


def test_one_takes_the_place_of_the_one_before_it() -> None:
    standing = StandingRevocations((FOR_EVER,))
    later = replace(FOR_EVER, minimum_epoch=3, usable=True)
    standing.put(later, now=NOW)
    assert standing.standing("", now=NOW) == (later,)


def test_the_same_word_in_another_environment_or_of_another_kind_is_another_subject() -> None:
    standing = StandingRevocations((FOR_EVER,))
    elsewhere = replace(FOR_EVER, environment="dev")
    otherwise = replace(FOR_EVER, kind=RevocationKind.DELEGATION)
    standing.put(elsewhere, now=NOW)
    standing.put(otherwise, now=NOW)
    assert standing.standing("", now=NOW) == (FOR_EVER, elsewhere, otherwise)


def test_what_has_expired_is_not_told_from_that_moment_on() -> None:
    standing = StandingRevocations((BRIEF,))
    assert standing.standing("dev", now=Instant(NOW + 9)) == (BRIEF,)
    assert standing.standing("dev", now=Instant(NOW + 10)) == ()


def test_what_has_expired_is_let_go_when_the_next_one_comes() -> None:
    standing = StandingRevocations((BRIEF,))
    standing.put(FOR_EVER, now=Instant(NOW + 9))
    assert len(standing) == 2
    standing.put(FOR_EVER, now=Instant(NOW + 10))
    assert len(standing) == 1


def test_a_longer_memory_outlives_the_shorter_one_it_replaced() -> None:
    standing = StandingRevocations((BRIEF,))
    longer = replace(BRIEF, forget_at=Instant(NOW + 20))
    standing.put(longer, now=NOW)
    standing.put(FOR_EVER, now=Instant(NOW + 15))
    assert longer in standing.standing("", now=Instant(NOW + 15))
    standing.put(FOR_EVER, now=Instant(NOW + 20))
    assert len(standing) == 1


def test_what_came_to_stand_for_ever_is_not_let_go_with_what_it_replaced() -> None:
    standing = StandingRevocations((BRIEF,))
    kept = replace(BRIEF, forget_at=None)
    standing.put(kept, now=NOW)
    standing.put(FOR_EVER, now=Instant(NOW + 10_000))
    assert kept in standing.standing("", now=Instant(NOW + 10_000))
