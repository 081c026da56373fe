"""The schedule of issuer keys, whatever is done to it and whenever: what a verifier may rely on."""

import itertools
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.access_token import LONGEST_LIFETIME
from ringfence.proofs.jwk_set import ED_DSA
from ringfence_identity.issuer_keys.schedule import (
    LONGEST_JWKS_CACHE,
    SHORTEST_LEAD,
    IssuerKey,
    KeySchedule,
    KeyState,
    coming_key,
    next_activation,
    published_keys,
    signing_key,
    standing_of_key,
)
from ringfence_kit.clock import DAY, MINUTE, SECOND, Instant, Millis

START = Instant(1_767_225_600_000)

SCHEDULES = st.builds(
    KeySchedule,
    period=st.integers(2 * SHORTEST_LEAD, 60 * DAY).map(Millis),
    lead=st.integers(SHORTEST_LEAD, 2 * SHORTEST_LEAD).map(Millis),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["upkeep", "rotate", "kill the signer", "kill the next", "kill the oldest"]),
        st.one_of(st.just(0), st.integers(1, 10 * MINUTE), st.integers(1, 40 * DAY)),
    ),
    min_size=1,
    max_size=12,
)


@dataclass(slots=True)
class Line:
    """The keys of one algorithm in the hands of upkeep and operators, as the use cases change them."""

    schedule: KeySchedule
    now: Instant = START
    keys: list[IssuerKey] = field(default_factory=list)
    planned: set[str] = field(default_factory=set)
    """Those that were published in good time; the others took over at once."""

    def upkeep(self) -> None:
        activates_at = next_activation(self.keys, ED_DSA, self.schedule, now=self.now)
        if activates_at is not None:
            self._add(activates_at)

    def rotate(self) -> None:
        if coming_key(self.keys, ED_DSA, now=self.now) is None:
            self._add(Instant(self.now + self.schedule.lead))

    def kill(self, victim: IssuerKey | None) -> None:
        if victim is None or victim.revoked_at is not None:
            return
        self._put(replace(victim, revoked_at=self.now))
        if signing_key(self.keys, ED_DSA, now=self.now) is None:
            coming = coming_key(self.keys, ED_DSA, now=self.now)
            if coming is None:
                self._add(self.now)
            else:
                self.planned.discard(coming.key_id)
                self._put(replace(coming, activates_at=self.now))

    def take(self, step: str) -> None:
        match step:
            case "upkeep":
                self.upkeep()
            case "rotate":
                self.rotate()
            case "kill the signer":
                self.kill(signing_key(self.keys, ED_DSA, now=self.now))
            case "kill the next":
                self.kill(coming_key(self.keys, ED_DSA, now=self.now))
            case "kill the oldest":
                self.kill(self.keys[0])

    def _add(self, activates_at: Instant) -> None:
        name = f"key-{len(self.keys) * 37 % 101:03}"  # in an order that has nothing to do with time
        if activates_at > self.now:
            self.planned.add(name)
        self.keys.append(
            IssuerKey(
                environment="prod",
                key_id=name,
                algorithm=ED_DSA,
                jwk={},
                created_at=self.now,
                activates_at=activates_at,
            )
        )

    def _put(self, key: IssuerKey) -> None:
        self.keys = [key if known.key_id == key.key_id else known for known in self.keys]


def lived(schedule: KeySchedule, steps: list[tuple[str, int]]) -> list[Line]:
    """Return the line as it stood after each step; time passes before each."""
    line = Line(schedule)
    line.upkeep()
    moments = [replace(line, keys=list(line.keys), planned=set(line.planned))]
    for step, passed in steps:
        line.now = Instant(line.now + passed)
        line.take(step)
        moments.append(replace(line, keys=list(line.keys), planned=set(line.planned)))
    return moments


@given(SCHEDULES, STEPS)
def test_exactly_one_key_signs_and_it_is_published(schedule: KeySchedule, steps: list[tuple[str, int]]) -> None:
    for line in lived(schedule, steps):
        signing = signing_key(line.keys, ED_DSA, now=line.now)
        assert signing is not None
        assert signing.revoked_at is None
        assert signing in published_keys(line.keys, now=line.now)
        active = [key for key in line.keys if standing_of_key(key, line.keys, now=line.now).state is KeyState.ACTIVE]
        assert active == [signing]


@given(SCHEDULES, STEPS)
def test_a_planned_key_is_known_to_every_cache_before_it_signs(
    schedule: KeySchedule, steps: list[tuple[str, int]]
) -> None:
    last = lived(schedule, steps)[-1]
    for key in last.keys:
        if key.key_id in last.planned:
            assert key.activates_at - key.created_at >= 2 * LONGEST_JWKS_CACHE


@given(SCHEDULES, STEPS, st.integers(0, LONGEST_LIFETIME + MINUTE - 1))
def test_what_a_key_signed_verifies_until_it_expires_unless_the_key_is_killed(
    schedule: KeySchedule, steps: list[tuple[str, int]], later: int
) -> None:
    moments = lived(schedule, steps)
    for before, after in itertools.pairwise(moments):
        signing = signing_key(before.keys, ED_DSA, now=before.now)
        at = Instant(min(after.now, before.now + later))
        assert signing is not None
        standing = next(key for key in after.keys if key.key_id == signing.key_id)
        if standing.revoked_at is None:
            assert standing in published_keys(after.keys, now=at)


@given(SCHEDULES, STEPS, st.integers(0, 400 * DAY))
def test_a_killed_key_is_never_published_and_never_signs_again(
    schedule: KeySchedule, steps: list[tuple[str, int]], later: int
) -> None:
    last = lived(schedule, steps)[-1]
    at = Instant(last.now + later)
    killed = {key.key_id for key in last.keys if key.revoked_at is not None}
    signing = signing_key(last.keys, ED_DSA, now=at)
    assert not killed & {key.key_id for key in published_keys(last.keys, now=at)}
    assert signing is None or signing.key_id not in killed


@given(SCHEDULES, STEPS)
def test_a_key_that_was_followed_never_signs_again(schedule: KeySchedule, steps: list[tuple[str, int]]) -> None:
    signed: list[str] = []
    for line in lived(schedule, steps):
        signing = signing_key(line.keys, ED_DSA, now=line.now)
        assert signing is not None
        if not signed or signed[-1] != signing.key_id:
            assert signing.key_id not in signed
            signed.append(signing.key_id)


@given(SCHEDULES, STEPS)
def test_at_most_one_key_waits_and_the_set_stays_small(schedule: KeySchedule, steps: list[tuple[str, int]]) -> None:
    for line in lived(schedule, steps):
        waiting = [key for key in line.keys if key.revoked_at is None and key.activates_at > line.now]
        assert len(waiting) <= 1
        recent = [key for key in line.keys if key.created_at > line.now - schedule.lead - 10 * MINUTE]
        assert len(published_keys(line.keys, now=line.now)) <= 3 + len(recent)


@given(SCHEDULES, STEPS, st.randoms(use_true_random=False))
def test_replicas_agree_in_whatever_order_they_heard_of_the_keys(
    schedule: KeySchedule, steps: list[tuple[str, int]], random: object
) -> None:
    last = lived(schedule, steps)[-1]
    shuffled = list(last.keys)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    for moment in (last.now, Instant(last.now + SECOND), Instant(last.now + DAY)):
        assert signing_key(shuffled, ED_DSA, now=moment) == signing_key(last.keys, ED_DSA, now=moment)
        assert published_keys(shuffled, now=moment) == published_keys(last.keys, now=moment)
