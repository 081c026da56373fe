"""Who calls, from what a gateway passes on: the source that can be believed most says so, and no other may disagree.

In this order: the certificate of the connection, the claims of a token the gateway verified, a header that something
the gateway runs has set. A body never says who calls. A header that nobody vouches for says nothing, but it must not
contradict: whoever is behind the gateway might believe it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ringfence_kit.names import AgentName

from ringfence_pdp.doors import headers as names
from ringfence_pdp.doors.headers import Headers
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.doors.route import Route
from ringfence_pdp.model import Reason

CHAIN_MAX: Final = 16
ELEVATIONS_MAX: Final = 4
JWT_AUTHN: Final = "envoy.filters.http.jwt_authn"


class Caller(NamedTuple):
    """Who calls, and on whose behalf."""

    did: str = ""
    agent: str = ""
    delegation_token: str = ""
    chain: tuple[str, ...] = ()
    elevation_grants: tuple[str, ...] = ()
    approval: str = ""


def caller_of(route: Route, principal: str, claims: Mapping[str, object], headers: Headers) -> Caller:
    """Return who calls, or raise Refused. `claims` are those of the token the gateway verified; empty without one."""
    agent = _named_by_certificate(principal, route.trust_domain)
    claimed = claims.get("sub")
    did = claimed if isinstance(claimed, str) and claimed.startswith("did:") else ""
    if claims and not did:
        raise Refused(Reason.IDENTITY_AMBIGUOUS, "the token the gateway verified has no DID as its subject (sub)")
    header = headers.get(names.AGENT)
    if header is not None and did and header != did:
        message = f"the header {names.AGENT} names another agent than the token that was verified"
        raise Refused(Reason.IDENTITY_AMBIGUOUS, message)
    if header is not None and not did and (route.trusts_headers or agent):
        did = header  # beside a certificate it only has to name the same agent, which the decision looks up
    if not did and not agent:
        problem = "no certificate, verified token or trusted header says which agent calls"
        raise Refused(Reason.IDENTITY_AMBIGUOUS, problem)
    return Caller(
        did=did,
        agent=agent,
        delegation_token=_delegation(claims, headers),
        chain=_listed(headers, names.CHAIN, CHAIN_MAX),
        elevation_grants=_listed(headers, names.ELEVATION, ELEVATIONS_MAX),
        approval=headers.get(names.APPROVAL) or "",
    )


def _named_by_certificate(principal: str, trust_domain: str) -> str:
    prefix = f"spiffe://{trust_domain}/"
    if not trust_domain or not principal.startswith(prefix):
        return ""
    path = principal.removeprefix(prefix)
    return path if AgentName.parse(path) is not None else ""


def _delegation(claims: Mapping[str, object], headers: Headers) -> str:
    """The token itself when it was made for a delegation: the pdp verifies it again, and reads the chain from it."""
    shown = headers.get(names.DELEGATION) or ""
    if "delegation" not in claims:
        return shown
    scheme, _, token = (headers.get(names.AUTHORIZATION) or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        message = "the verified token is one for a delegation, and the gateway does not pass it on (forward: true)"
        raise Refused(Reason.CHAIN_INVALID, message)
    if shown and shown != token:
        raise Refused(
            Reason.IDENTITY_AMBIGUOUS, f"the header {names.DELEGATION} is another token than the verified one"
        )
    return token


def _listed(headers: Headers, name: str, most: int) -> tuple[str, ...]:
    text = headers.get(name)
    parts = tuple(part.strip() for part in text.split(",")) if text else ()
    if len(parts) > most or not all(parts):
        raise Refused(Reason.REQUEST_INVALID, f"the header {name} is no list of 1 to {most} values")
    return parts
