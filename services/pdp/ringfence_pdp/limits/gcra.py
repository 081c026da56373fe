"""A rate, exactly: the generic cell rate algorithm (ITU-T I.371) in whole numbers.

A rate of N in W milliseconds lets a burst of B through at once. All there is to know of its past is one number: when
everything let through so far will have drained, in Nths of a millisecond, so that one call takes W of them and nothing
is ever rounded. A clock that is set back lets nothing more through: what has not drained by then has not drained.
"""

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.limit import Limit

Drained = int
"""When a rate is drained, in `limit.maximum`ths of a millisecond."""

UNUSED: Drained = 0


def after(limit: Limit, drained: Drained, amount: int, now: Instant) -> Drained | None:
    """Return when the rate is drained if `amount` more is let through at `now`; None when that is too much."""
    at = now * limit.maximum
    drained = max(drained, at) + amount * limit.window
    return drained if drained - at <= limit.burst * limit.window else None


def refunded(limit: Limit, drained: Drained, *, ends: Drained, amount: int, now: Instant) -> Drained:
    """Return when the rate is drained without an `amount` that was let through and would have drained at `ends`.

    Only what of it has not drained by now is given back: the rest made nobody wait.
    """
    left = ends - now * limit.maximum
    return drained - min(max(left, 0), amount * limit.window)


def remaining(limit: Limit, drained: Drained, now: Instant) -> int:
    """Return how much would be let through at `now`."""
    used = max(drained - now * limit.maximum, 0)
    return max(limit.burst * limit.window - used, 0) // limit.window


def wait(limit: Limit, drained: Drained, amount: int, now: Instant) -> Millis | None:
    """Return how long until `amount` is let through; None when it never is."""
    if amount > limit.burst:
        return None
    at = now * limit.maximum
    over = max(drained, at) + amount * limit.window - at - limit.burst * limit.window
    return Millis(-(-max(over, 0) // limit.maximum))


def whole_at(limit: Limit, drained: Drained) -> Instant:
    """Return the first instant at which all of the burst is there."""
    return Instant(-(-drained // limit.maximum))
