"""Why a score is what it is: the sum, the caps, the way up, the way down, and the same in sentences.

Pure, and computed from nothing but what computes the score: the caps are those a signal meets, the conditions those a
promotion asks, so what is explained is what happens.
"""

from dataclasses import dataclass

from ringfence.proofs.timestamps import timestamp
from ringfence_kit.clock import DAY, Instant
from ringfence_kit.trust_decay import (
    BASELINE,
    EARNED_HALF_LIFE_MS,
    GRACE_MS,
    MICRO,
    SCORE_MAX,
    TrustState,
    demotion_at,
    earned_at,
    ring_at,
    score_at,
)

from ringfence_identity.model import AgentIdentity, IdentityStatus
from ringfence_identity.trust.caps import Cap, caps_in_force
from ringfence_identity.trust.promotion import Condition, conditions_of, grant_conditions

_NOTHING_COUNTS = {
    IdentityStatus.SUSPENDED: "nothing good while it is suspended",
    IdentityStatus.REVOKED: "nothing, since it is revoked",
}


@dataclass(frozen=True, slots=True)
class Term:
    """One line of the sum; of the ceiling, the bound."""

    name: str
    micro_points: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A score, taken apart."""

    terms: tuple[Term, ...]
    caps: tuple[Cap, ...]
    next_ring: int
    """The next better ring, or 0 in ring 0."""
    promotion: tuple[Condition, ...]
    """What the next ring still needs, met or not; empty in ring 0."""
    demotion_at: Instant | None
    summary: str


def explain(identity: AgentIdentity, *, now: Instant) -> Explanation:
    """Return why the trust of `identity` is what it is at `now`."""
    state = identity.trust.state
    at = Instant(max(now, state.last_event_at))
    terms = _terms(state, at)
    promotion = _promotion(identity, at)
    return Explanation(
        terms=terms,
        caps=_caps(identity, at),
        next_ring=max(0, ring_at(state, at) - 1),
        promotion=promotion,
        demotion_at=demotion_at(state, at),
        summary=" ".join(_sentences(identity, terms, promotion, at)),
    )


def points(micro_points: int) -> str:
    """Return micro-points as points, to the last micro-point."""
    whole, rest = divmod(abs(micro_points), MICRO)
    sign = "-" if micro_points < 0 else ""
    return f"{sign}{whole}" + (f".{rest:06}".rstrip("0") if rest else "")


def _terms(state: TrustState, at: Instant) -> tuple[Term, ...]:
    return (
        Term("baseline", BASELINE * MICRO, "what every agent begins with"),
        Term("earned", earned_at(state, at), _fading(state, at)),
        Term("debt", -state.debt, f"{points(state.debt)} owed, which fades only when there is good evidence"),
        Term(
            "ceiling", state.ceiling * MICRO, f"at most {state.ceiling}, by the ring ceiling of its birth certificate"
        ),
    )


def _fading(state: TrustState, at: Instant) -> str:
    idle = at - state.last_positive_at - GRACE_MS
    if idle <= 0:
        return f"{points(state.earned)} earned, not fading before {timestamp(Instant(at - idle))}"
    return f"{points(state.earned)} earned, faded by 2^(-{idle / DAY:.3f} d / {EARNED_HALF_LIFE_MS // DAY} d)"


def _caps(identity: AgentIdentity, at: Instant) -> tuple[Cap, ...]:
    barred = _NOTHING_COUNTS.get(identity.status)
    in_force = caps_in_force(identity.trust, at)
    return in_force if barred is None else (Cap(rule=barred, limit=0, left=0, free_at=None), *in_force)


def _promotion(identity: AgentIdentity, at: Instant) -> tuple[Condition, ...]:
    state = identity.trust.state
    ring = ring_at(state, at)
    if ring == 0:
        return ()
    standing = Condition("good standing", identity.usable(at))
    if ring == 1:
        return (standing, *grant_conditions(state, at), Condition("a grant by a person, GrantRing", met=False))
    return (standing, *conditions_of(state, ring - 1, at))


def _sentences(
    identity: AgentIdentity, terms: tuple[Term, ...], promotion: tuple[Condition, ...], at: Instant
) -> list[str]:
    state, (baseline, earned, debt, _) = identity.trust.state, terms
    score, ring = score_at(state, at), ring_at(state, at)
    said = [
        f"The score is {score} of {SCORE_MAX}, the ring {ring}.",
        f"It is {points(baseline.micro_points)} to begin with, plus {points(earned.micro_points)} earned, "
        f"less {points(-debt.micro_points)} owed, at most {state.ceiling}.",
    ]
    if identity.status is not IdentityStatus.ACTIVE:
        said.append(f"The agent is {identity.status.value}: nothing good counts.")
    if ring == 0 and identity.ring_grant is not None:
        grant = identity.ring_grant
        said.append(f"Ring 0 was granted by {grant.granted_by} until {timestamp(grant.expires_at)}: {grant.reason}")
    lost_at = demotion_at(state, at)
    if lost_at is not None:
        said.append(f"If nothing happens, ring {ring} is lost at {timestamp(lost_at)}.")
    return [*said, *_way_up(ring, promotion)]


def _way_up(ring: int, promotion: tuple[Condition, ...]) -> list[str]:
    missing = [_still(condition) for condition in promotion if not condition.met]
    if missing:
        return [f"Ring {ring - 1} still needs: {'; '.join(missing)}."]
    return [f"The next good evidence promotes it to ring {ring - 1}."] if promotion else []


def _still(condition: Condition) -> str:
    when = "" if condition.met_at is None else f" (at {timestamp(condition.met_at)})"
    return condition.text + when
