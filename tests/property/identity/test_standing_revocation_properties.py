"""The revocations that stand, against a plain list of all that ever came."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_identity.model import Revocation, RevocationKind
from ringfence_identity.standing_revocations import StandingRevocations
from ringfence_kit.clock import Instant

NEVER = st.none()

revocations = st.builds(
    Revocation,
    kind=st.sampled_from(RevocationKind),
    subject=st.sampled_from(["a", "b", "c"]),
    environment=st.sampled_from(["dev", "prod"]),
    reason=st.just("over"),
    at=st.just(Instant(0)),
    forget_at=NEVER | st.integers(0, 60).map(Instant),
)
histories = st.lists(st.tuples(revocations, st.integers(0, 5)), max_size=60)


@given(histories, st.sampled_from(["", "dev", "prod"]), st.integers(0, 3))
def test_what_is_told_is_the_newest_of_each_subject_that_has_not_expired(
    history: list[tuple[Revocation, int]], environment: str, later: int
) -> None:
    standing, now = StandingRevocations(), Instant(0)
    newest: dict[object, Revocation] = {}
    for revocation, passed in history:
        now = Instant(now + passed)
        standing.put(revocation, now=now)
        newest[revocation.environment, revocation.kind, revocation.subject] = revocation
    now = Instant(now + later)
    expected = {
        one
        for one in newest.values()
        if environment in ("", one.environment) and (one.forget_at is None or one.forget_at > now)
    }
    told = standing.standing(environment, now=now)
    assert set(told) == expected
    assert len(told) == len(expected)


@given(histories)
def test_nothing_that_expired_before_the_newest_came_is_held(history: list[tuple[Revocation, int]]) -> None:
    standing, now = StandingRevocations(), Instant(0)
    for revocation, passed in history:
        now = Instant(now + passed)
        standing.put(revocation, now=now)
        assert len(standing) == len(standing.standing("", now=now))


@given(histories)
def test_a_restart_tells_the_same(history: list[tuple[Revocation, int]]) -> None:
    standing, now = StandingRevocations(), Instant(0)
    for revocation, passed in history:
        now = Instant(now + passed)
        standing.put(revocation, now=now)
    loaded = StandingRevocations(standing.standing("", now=now))
    for passed in range(70):
        then = Instant(now + passed)
        assert loaded.standing("", now=then) == standing.standing("", now=then)
