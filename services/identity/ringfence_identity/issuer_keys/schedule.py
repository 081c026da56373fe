"""Which issuer key signs, and which are published: a pure function of the keys, their schedule and the time.

- each algorithm has a line of keys of its own; in each, one key signs, the last that has begun to;
- a key is published from the moment it is made, and begins to sign when every cache of the key set has had the time to
  learn it. Only the first key of a line, and one that takes over from a revoked key, begin at once;
- a key that was followed stays published until what it signed has expired everywhere;
- a revoked key is published no more, and neither is it revived by revoking the one that followed it.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.access_token import LONGEST_LIFETIME
from ringfence.proofs.jwk_set import ED_DSA, ES256, Algorithm
from ringfence_kit.clock import DAY, MINUTE, Instant, Millis

ALGORITHMS: tuple[Algorithm, ...] = (ED_DSA, ES256)

ISSUER_KEY = "issuer-key"
"""The kind of an issuer key's events; they are named by its thumbprint."""

LONGEST_JWKS_CACHE = Millis(20 * MINUTE)
"""How long a gateway may go on with an old key set: istiod's default; Envoy's is 10 min, ours for Envoy 1 min."""

SHORTEST_LEAD = Millis(2 * LONGEST_JWKS_CACHE)

KEPT_AFTER_LAST_SIGNATURE = Millis(LONGEST_LIFETIME + MINUTE)
"""The longest life of a token, and the clock skew that Envoy grants when nobody says otherwise."""

KILL_REMEMBERED = DAY
"""How long a revoked key must be remembered: until no cache of any key set can hold it any more, at the most generous.
Whoever stole it can sign tokens that begin at any time, so their lifetime bounds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySchedule:
    """When keys follow each other."""

    period: Millis = Millis(30 * DAY)
    """How long a key signs."""
    lead: Millis = Millis(60 * MINUTE)
    """How long a key is published before it signs."""


USUAL_SCHEDULE = KeySchedule()
"""What holds where an operator says nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKey:
    """The public half of a key that signs access tokens, and when it does."""

    environment: str
    key_id: str
    """Its RFC 7638 thumbprint, which tokens carry as `kid`."""
    algorithm: Algorithm
    jwk: dict[str, str]
    """The required members of its JWK."""
    created_at: Instant
    activates_at: Instant
    """When it begins to sign."""
    revoked_at: Instant | None = None
    revocation_reason: str = ""


class KeyState(enum.Enum):
    """What a key is good for at one instant."""

    PUBLISHED = "published"
    ACTIVE = "active"
    RETIRING = "retiring"
    REVOKED = "revoked"
    GONE = "gone"
    """Nothing any more: what it signed has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStanding:
    """A key as it stands at one instant."""

    key: IssuerKey
    state: KeyState
    removed_at: Instant | None
    """When it leaves, or left, the key set; None while nothing follows it."""


def signing_key(keys: Sequence[IssuerKey], algorithm: Algorithm, *, now: Instant) -> IssuerKey | None:
    """Return the key of that algorithm which signs at `now`; None when none may."""
    begun = [key for key in _line(keys, algorithm) if _took_over(key) and key.activates_at <= now]
    return begun[-1] if begun and begun[-1].revoked_at is None else None


def coming_key(keys: Sequence[IssuerKey], algorithm: Algorithm, *, now: Instant) -> IssuerKey | None:
    """Return the key of that algorithm which is published and will sign next; None when there is none."""
    coming = [key for key in _line(keys, algorithm) if key.revoked_at is None and key.activates_at > now]
    return coming[0] if coming else None


def published_keys(keys: Sequence[IssuerKey], *, now: Instant) -> tuple[IssuerKey, ...]:
    """Return the keys of the key set at `now`, in the order in which they sign."""
    in_line = [key for algorithm in ALGORITHMS for key in _line(keys, algorithm)]
    return tuple(key for key in in_line if _is_published(key, keys, now))


def next_activation(
    keys: Sequence[IssuerKey], algorithm: Algorithm, schedule: KeySchedule, *, now: Instant
) -> Instant | None:
    """Return when a key that must be made at `now` will begin to sign; None while none must be made."""
    if coming_key(keys, algorithm, now=now) is not None:
        return None
    signing = signing_key(keys, algorithm, now=now)
    if signing is None:
        return now
    due = signing.activates_at + schedule.period
    return None if now < due - schedule.lead else Instant(max(due, now + schedule.lead))


def standing_of_key(key: IssuerKey, keys: Sequence[IssuerKey], *, now: Instant) -> KeyStanding:
    """Return what `key`, one of `keys`, is good for at `now`."""
    removed_at = key.revoked_at if key.revoked_at is not None else _removed_at(key, keys)
    return KeyStanding(key=key, state=_state_of(key, keys, now), removed_at=removed_at)


def _state_of(key: IssuerKey, keys: Sequence[IssuerKey], now: Instant) -> KeyState:
    if key.revoked_at is not None:
        return KeyState.REVOKED if now < key.revoked_at + KILL_REMEMBERED else KeyState.GONE
    if not _is_published(key, keys, now):
        return KeyState.GONE
    if key.activates_at > now:
        return KeyState.PUBLISHED
    return KeyState.ACTIVE if key == signing_key(keys, key.algorithm, now=now) else KeyState.RETIRING


def _line(keys: Sequence[IssuerKey], algorithm: Algorithm) -> list[IssuerKey]:
    """Return the keys of one algorithm in the order in which they sign."""
    of_kind = [key for key in keys if key.algorithm == algorithm]
    # A key that was killed in the very millisecond it began to sign stands before the one that took over from it.
    return sorted(of_kind, key=lambda key: (key.activates_at, key.revoked_at is None, key.created_at, key.key_id))


def _took_over(key: IssuerKey) -> bool:
    """Say whether `key` signs, did or will: all but those revoked before they began."""
    return key.revoked_at is None or key.activates_at <= key.revoked_at


def _removed_at(key: IssuerKey, keys: Sequence[IssuerKey]) -> Instant | None:
    line = _line(keys, key.algorithm)
    followers = [later for later in line[line.index(key) + 1 :] if _took_over(later)]
    return Instant(followers[0].activates_at + KEPT_AFTER_LAST_SIGNATURE) if followers else None


def _is_published(key: IssuerKey, keys: Sequence[IssuerKey], now: Instant) -> bool:
    removed_at = _removed_at(key, keys)
    return key.revoked_at is None and (removed_at is None or now < removed_at)
