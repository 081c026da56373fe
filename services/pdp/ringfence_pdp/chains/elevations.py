"""Elevation grants that are shown: whether one of them raises this very call, and why not when none does.

A grant raises a call that begins with its origin, in its environment, of its action, on its resource, letter by letter.
It lowers nothing but the ring that is asked of the call, adds the approvals it demands, and every deny still holds. So
it is looked at only when the ring does not suffice without it: showing one never makes an answer worse.
"""

from collections.abc import Iterable

from ringfence.proofs.elevation import ElevationGrant, ElevationRefused, check_elevation
from ringfence_kit.clock import Instant

from ringfence_pdp.chains.issuers import Issuer
from ringfence_pdp.chains.revocations import Revocations


def elevated(
    shown: Iterable[str],
    *,
    issuer: Issuer | None,
    revocations: Revocations,
    origin: str,
    action: str,
    resource: str | None,
    needed: int,
    now: Instant,
) -> tuple[ElevationGrant | None, str]:
    """Return the grant that raises the call to the ring it needs, and otherwise what is wrong with those shown."""
    good: list[ElevationGrant] = []
    problems: list[str] = []
    for text in shown:
        try:
            grant = _verified(text, issuer, now)
        except ElevationRefused as refused:
            problems.append(refused.problem)
            continue
        environment = "" if issuer is None else issuer.environment
        if grant.name in revocations.elevations:
            problems.append(f"{grant.name} was revoked")
        elif not grant.covers(origin=origin, environment=environment, action=action, resource=resource or ""):
            meant = f"{grant.origin} doing {grant.action} to {grant.resource}"
            problems.append(f"{grant.name} is for {meant}, letter by letter")
        elif grant.ring > needed:
            problems.append(f"{grant.name} raises to ring {grant.ring}, ring {needed} is needed")
        else:
            good.append(grant)
    # Of those that do, the one that asks fewest people and raises least; a name settles the rest: no order counts.
    best = min(good, key=lambda grant: (grant.approvals, -grant.ring, grant.name), default=None)
    return best, "" if best is not None else "; ".join(sorted(problems))


def _verified(text: str, issuer: Issuer | None, now: Instant) -> ElevationGrant:
    if issuer is None or not issuer.registrar:
        raise ElevationRefused("the registrar of this environment is not known at present")
    known = issuer.elevations.get(text)
    if known is None:
        return issuer.elevations.put(text, _signed(text, issuer, now))
    if now >= known.expires_at:
        raise ElevationRefused(f"{known.name} has expired")
    return known


def _signed(text: str, issuer: Issuer, now: Instant) -> ElevationGrant:
    problem = "no key of the registrar is known"
    for key in issuer.registrar_keys.values():
        try:
            return check_elevation(text, issuer=issuer.registrar, key=key, now=now)
        except ElevationRefused as refused:
            problem = refused.problem
    raise ElevationRefused(problem)
