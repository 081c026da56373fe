"""Whose account a principal is: so that nobody is taken for a stranger to the agents they answer for.

A sponsor is known by their OIDC account, a caller by the name we gave their issuer and its subject. Where a sponsor has
no account with a configured issuer (an administrator vouched for them, or they come with a certificate), nothing here
can tell that they are the same person.
"""

from collections.abc import Mapping

from ringfence_identity.model import Sponsor


class Accounts:
    """The issuers of people's tokens: what we call them, and what they call themselves."""

    def __init__(self, issuers: Mapping[str, str]) -> None:
        """`issuers` holds each `iss` by the name that callers are known under."""
        self._issuers = dict(issuers)

    def is_of(self, principal: str, sponsor: Sponsor | None) -> bool:
        """Say whether the caller known as `principal` is this sponsor."""
        if sponsor is None or not sponsor.oidc_subject:
            return False
        return any(
            sponsor.oidc_issuer == issuer and principal == f"{name}:{sponsor.oidc_subject}"
            for name, issuer in self._issuers.items()
        )
