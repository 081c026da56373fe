"""Token issuers we trust: which tokens of whom we accept, and what they make of the caller.

The rules:

- an issuer is trusted for one audience and a list of asymmetric algorithms; nothing in a token widens that;
- an issuer of agent tokens (`agents_of` an environment) makes agents of that environment and nothing else; no other
  issuer can make an agent, because an agent is its DID;
- an operator's issuer grants the roles its tokens claim, by the table `roles` where the claim uses other words.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ringfence_kit.callers import Role
from ringfence_kit.clock import HOUR, Clock, Millis
from ringfence_kit.jwks import FileKeys, KeySource, UrlKeys
from ringfence_kit.server_config import ALGORITHMS, IssuerConfig

AGENT_TOKEN_TYPES = ("at+jwt",)
"""RFC 9068; what identity issues."""

OPERATOR_TOKEN_TYPES = ("at+jwt", "JWT", "")
"""OIDC issuers write `JWT`, Kubernetes writes nothing."""

CLAIMABLE_ROLES: Mapping[str, Role] = MappingProxyType(
    {role.value: role for role in Role if role not in (Role.AGENT, Role.SERVICE)}
)
"""Roles an operator's token may claim by their own words. `service` takes an explicit row in the issuer's table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedIssuer:
    """One issuer. Without `agents_of` it is an operator's, and its tokens claim roles."""

    name: str
    """What we call it: callers are `<name>:<sub>`, unless they are agents."""
    issuer: str
    """The exact `iss` of its tokens."""
    audience: str
    """The one `aud` we accept."""
    keys: KeySource
    agents_of: str = ""
    """The environment whose agents this issuer vouches for."""
    algorithms: tuple[str, ...] = ALGORITHMS
    token_types: tuple[str, ...] = AGENT_TOKEN_TYPES
    max_lifetime: Millis = HOUR
    """A token that is good for longer is refused, however fresh."""
    roles_claim: str = "roles"
    roles: Mapping[str, Role] = field(default_factory=lambda: CLAIMABLE_ROLES)
    """Word in the roles claim → role."""
    namespaces_claim: str = "namespaces"
    agents_claim: str = "agents"
    groups_claim: str = "groups"
    still_good: Callable[[str], bool] | None = None
    """Whether a token that breaks no rule is still good, asked at every call: what only an issuer in this very process
    can know. None where the token's time decides alone."""


def configured_issuer(config: IssuerConfig, clock: Clock) -> TrustedIssuer:
    """Return the issuer a configuration entry describes."""
    keys: KeySource
    if config.jwks_url:
        keys = UrlKeys(config.jwks_url, clock, refresh=config.jwks_refresh, ca_file=config.jwks_ca_file)
    else:
        keys = FileKeys(config.jwks_file or Path())
    return TrustedIssuer(
        name=config.name,
        issuer=config.issuer,
        audience=config.audience,
        keys=keys,
        agents_of=config.agents_of,
        algorithms=config.algorithms,
        token_types=config.token_types or (AGENT_TOKEN_TYPES if config.agents_of else OPERATOR_TOKEN_TYPES),
        max_lifetime=config.max_lifetime,
        roles_claim=config.roles_claim,
        roles=config.roles or CLAIMABLE_ROLES,
        namespaces_claim=config.namespaces_claim,
        agents_claim=config.agents_claim,
        groups_claim=config.groups_claim,
    )
