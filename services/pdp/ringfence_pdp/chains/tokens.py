"""Delegation tokens, judged by the pdp itself: on whose behalf a call is made, and what was handed on for it.

A token is good for a call when all of this holds; the first that does not is the problem:

- it passes every rule a verifier checks offline (`ringfence.proofs.access_token`), under a key of the issuer of the
  call's environment that was not revoked;
- it was delegated, and to the agent that acts: a stolen one is of no use to another;
- where its audience is a DID, that agent is the one called. The name of a service is for the enforcement point in front
  of it to compare; a pdp that was told which names it decides for compares them too;
- its holder's epoch and birth certificate are still those it says, and no grant of its chain was revoked.
"""

from ringfence.proofs.access_token import (
    MAX_TOKEN_CHARACTERS,
    SKEW,
    AccessToken,
    CheckedToken,
    TokenDelegation,
    TokenRefused,
    check_access_token,
)
from ringfence.proofs.compact_jws import JwsError, open_compact_jws
from ringfence_kit.clock import Instant

from ringfence_pdp.chains.issuers import Issuer
from ringfence_pdp.chains.party import Party
from ringfence_pdp.chains.revocations import Revocations


class ChainRefused(ValueError):  # noqa: N818 - named for what happened, like every refusal
    """A chain that is not believed, with the problem in words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Delegated:
    """A token that is good for a call, and what was handed on with it."""

    __slots__ = ("delegation", "token")

    def __init__(self, token: AccessToken, delegation: TokenDelegation) -> None:
        self.token = token
        self.delegation = delegation


def delegated(
    text: str,
    *,
    issuer: Issuer | None,
    revocations: Revocations,
    holder: Party,
    target: Party | None,
    audiences: frozenset[str],
    now: Instant,
) -> Delegated:
    """Return what the token says once it is good for this call, or raise ChainRefused. Empty `audiences` are any."""
    if issuer is None:
        raise ChainRefused("the keys of this environment's issuer are not known at present")
    checked = _verified(text, issuer, now)
    token, delegation = checked.token, checked.token.delegation
    if checked.key_id in revocations.issuer_keys:
        raise ChainRefused("the key that signed the token was revoked; get a new one")
    if delegation is None or not delegation.path[:-1] or delegation.path[-1] != token.did:
        raise ChainRefused("the token was not delegated; leave it out, or get one with ExchangeDelegation")
    if token.did != holder.did:
        raise ChainRefused(f"the token was given to {token.did}, not to {holder.name}")
    _require_audience(token.audience, target, audiences)
    _require_current(token, holder, revocations)
    revoked = next((grant for grant in delegation.grants if f"delegations/{grant}" in revocations.delegations), None)
    if revoked is not None:
        raise ChainRefused(f"delegations/{revoked} was revoked, and with it all that was handed on by it")
    return Delegated(token, delegation)


def _verified(text: str, issuer: Issuer, now: Instant) -> CheckedToken:
    known = issuer.tokens.get(text)
    if known is None:
        try:
            known = check_access_token(
                text,
                keys=issuer.keys,
                issuer=issuer.name,
                environment=issuer.environment,
                audience=_stated_audience(text),
                now=now,
            )
        except (TokenRefused, JwsError) as refused:
            raise ChainRefused(f"the token does not verify: {refused}") from refused
        return issuer.tokens.put(text, known)
    if not known.token.issued_at - SKEW <= now < known.token.expires_at + SKEW:
        raise ChainRefused("the token is not good now; get a new one, or check both clocks")
    return known


def _stated_audience(text: str) -> str:
    """Return the audience that a token states; the rules then ask that it is one text, and not a list of them."""
    audience = open_compact_jws(text, longest=MAX_TOKEN_CHARACTERS).payload.get("aud")
    return audience if isinstance(audience, str) else ""


def _require_audience(audience: str, target: Party | None, audiences: frozenset[str]) -> None:
    if audience.startswith("did:"):
        if target is None or target.did != audience:
            called = "nobody" if target is None else target.name
            raise ChainRefused(f"the token is for calls of {audience}, and {called} is called")
    elif audiences and audience not in audiences:
        raise ChainRefused(f"the token is for {audience}, which is none of those this pdp decides for")


def _require_current(token: AccessToken, holder: Party, revocations: Revocations) -> None:
    known = holder.identity
    if known is None:
        raise ChainRefused(f"identity does not know {token.did}")
    if revocations.voids(token.did, token.revocation_epoch) or token.revocation_epoch < known.revocation_epoch:
        raise ChainRefused(f"what {holder.name} was given before was revoked; get a new token")
    if known.certificate_hash != token.birth_certificate_hash:
        raise ChainRefused(f"{holder.name} has another birth certificate by now; get a new token")
