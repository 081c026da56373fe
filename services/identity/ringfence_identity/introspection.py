"""Introspection: whether an access token is good at this moment (RFC 7662), for whoever follows no stream.

The answer is yes with what the token is good for now, or no and nothing else: why a token is not good is for its holder
to find out from the issuer, not for whoever found the token. It is good as long as all of this holds:

- it passes every rule a verifier checks offline (`ringfence.proofs.access_token`), under a key published now;
- it is of the asker's environment, if the asker's credential is of one, and its own, if it is an agent;
- its holder is in good standing, with the key, the birth certificate and the revocation epoch it says;
- of a delegated one: no grant of its chain is revoked, and every agent of its path is in good standing;
- something is left of what it was good for.
"""

from dataclasses import dataclass

from ringfence.proofs.access_token import (
    MAX_TOKEN_CHARACTERS,
    AccessToken,
    TokenRefused,
    check_access_token,
)
from ringfence.proofs.compact_jws import JwsError, open_compact_jws
from ringfence.proofs.public_keys import from_multibase
from ringfence.proofs.scopes import not_covered
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Failure
from ringfence_kit.trust_decay import ring_at

from ringfence_identity.environments import Environment, Environments
from ringfence_identity.issuer_keys.published import KeySets
from ringfence_identity.model import AgentIdentity, RevocationKind
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standing import require_usable


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectToken:
    """A token somebody was shown, and who they are."""

    token: str
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveToken:
    """A token that is good, and what for."""

    token: AccessToken
    ring: int
    """The least trusted of what the token says and of everyone in its path now."""
    scopes: tuple[str, ...]
    """Those of the token that the birth certificate of everyone in its path covers now."""


class Introspection:
    """Introspects access tokens. Reads only memory: it may be asked at every call."""

    def __init__(self, *, environments: Environments, snapshot: IdentitySnapshot, key_sets: KeySets) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._key_sets = key_sets

    def introspect(self, asked: IntrospectToken, *, caller: Caller, now: Instant) -> ActiveToken | None:
        """Return what the token is good for at `now`, or None."""
        environment = self._environment(asked.token)
        if environment is None or caller.environment not in ("", environment.name):
            return None
        active = self._active(asked, environment, now)
        if active is None or (caller.has(Role.AGENT) and not caller.speaks_for(active.token.did)):
            return None
        return active

    def is_good(self, token: str, environment: Environment, *, now: Instant) -> bool:
        """Say whether a token made for identity itself, as an agent's credential here, is good at `now`."""
        asked = IntrospectToken(token=token, audience=environment.issuer)
        return self._active(asked, environment, now) is not None

    def _active(self, asked: IntrospectToken, environment: Environment, now: Instant) -> ActiveToken | None:
        try:
            token = check_access_token(
                asked.token,
                keys=self._key_sets.verifying(environment.name),
                issuer=environment.issuer,
                environment=environment.name,
                audience=asked.audience,
                now=now,
            ).token
        except TokenRefused:
            return None
        path = self._path(token, now)
        return None if path is None or self._delegation_ended(token, now) else _what_is_left(token, path, now)

    def _environment(self, text: str) -> Environment | None:
        """Return the environment a token claims to be of; whose keys then must verify it."""
        try:
            issuer = open_compact_jws(text, longest=MAX_TOKEN_CHARACTERS).payload.get("iss")
        except JwsError:
            return None
        return next((hosted for hosted in self._environments if hosted.issuer == issuer), None)

    def _path(self, token: AccessToken, now: Instant) -> tuple[AgentIdentity, ...] | None:
        """Return everyone by whose leave the holder acts, and the holder last; None unless all may act now."""
        dids = (token.did,) if token.delegation is None else token.delegation.path
        known = [self._snapshot.identity(did) for did in dids]
        agents = tuple(agent for agent in known if agent is not None and _may_act(agent, token.environment, now))
        if len(agents) < len(dids) or agents[-1].did != token.did or not _is_current(token, agents[-1]):
            return None
        return agents

    def _delegation_ended(self, token: AccessToken, now: Instant) -> bool:
        grants = () if token.delegation is None else token.delegation.grants
        return any(
            self._snapshot.revocations.tells_of(
                token.environment, RevocationKind.DELEGATION, f"delegations/{grant}", now=now
            )
            for grant in grants
        )


def _may_act(agent: AgentIdentity, environment: str, now: Instant) -> bool:
    try:
        require_usable(agent, now)
    except Failure:
        return False
    return agent.environment == environment


def _is_current(token: AccessToken, holder: AgentIdentity) -> bool:
    """Say whether nothing the token is bound to has changed since it was issued."""
    return (token.revocation_epoch, token.birth_certificate_hash, token.holder) == (
        holder.revocation_epoch,
        holder.certificate_hash,
        from_multibase(holder.key).thumbprint,
    )


def _what_is_left(token: AccessToken, path: tuple[AgentIdentity, ...], now: Instant) -> ActiveToken | None:
    beyond = {scope for agent in path for scope in not_covered(agent.content.permissions, token.scopes)}
    scopes = tuple(scope for scope in token.scopes if scope not in beyond)
    if token.scopes and not scopes:
        return None
    ring = max(token.ring, *(ring_at(agent.trust.state, now) for agent in path))
    return ActiveToken(token=token, ring=ring, scopes=scopes)
