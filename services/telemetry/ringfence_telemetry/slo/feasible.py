"""What is possible for an agent that depends on others: the product of what it and they promise.

Exact, and on the assumption that they fail independently of each other (telemetry.md, section 4). The rules:

- every hard dependency has to do its part, as often as it is called;
- a failed call that is repeated r times fails for good only when all 1 + r fail;
- a fallback is tried when the one before it has failed for good;
- a soft dependency takes nothing away.
"""

from collections.abc import Iterable
from fractions import Fraction
from math import prod

from ringfence_telemetry.slo.objective import Dependency, DependencyKind


def feasible(own: Fraction, dependencies: Iterable[Dependency]) -> Fraction:
    """Return the share of good events that is possible at best."""
    return own * prod((_reached(each) for each in dependencies), start=Fraction(1))


def _reached(dependency: Dependency) -> Fraction:
    if dependency.kind is DependencyKind.SOFT:
        return Fraction(1)
    fails = (1 - dependency.target.fraction) ** (dependency.retries + 1)
    fails *= prod((1 - fallback.target.fraction for fallback in dependency.fallbacks), start=Fraction(1))
    return (1 - fails) ** dependency.calls
