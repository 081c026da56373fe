"""Access tokens of the mesh: what one says, and whether it is good here and now, by its issuer's published keys alone.

A verifier that follows no stream of revocations learns from this that the issuer said so, at most five minutes ago. The
rules, in the order they are checked (RFC 8725, RFC 9068); a refusal names the first that is broken:

1. FORM: a compact JWS of at most 8 KiB in its one spelling;
2. HEADER: `alg`, `kid` and `typ` and nothing else. What a verifier must understand (`crit`, `b64`) and what brings its
   own key (`jwk`, `jku`, `x5u`, `x5c`) refuses the whole;
3. TYPE: at+jwt; ALGORITHM: EdDSA, its newer name Ed25519, or ES256, and the one of the key that `kid` names; KEY: that
   is published;
4. SIGNATURE: it verifies under that key;
5. CLAIMS: each is there and of its shape; ISSUER, ENVIRONMENT, AUDIENCE: the expected one, exactly and alone;
6. TIME: now is within it, give or take the skew; LIFETIME: 300 s at most, 60 s for rings 0 and 1.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence.instants import MINUTE, SECOND, Instant, Millis
from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.compact_jws import CompactJws, JwsError, open_compact_jws
from ringfence.proofs.jwk_set import ALGORITHM_OF, JwkSet, algorithm_of
from ringfence.proofs.public_keys import Thumbprint

TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type (RFC 9068 section 2.1), not a password
MAX_TOKEN_CHARACTERS = 8_192
SKEW = Millis(5 * SECOND)
"""How far two clocks may be apart."""

LONGEST_LIFETIME = Millis(5 * MINUTE)
TRUSTED_LIFETIME = Millis(MINUTE)
"""The longest life of a token of ring 0 or 1: whoever may do more harm is asked more often."""

RINGS = range(4)

_MOST_TRUSTED = 1
_HEADER = {"alg", "kid", "typ"}
_TYPES = (TOKEN_TYPE, f"application/{TOKEN_TYPE}")
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_LATEST = 2**40
"""Seconds; what is later than this is no time but a mistake."""


class TokenRule(enum.Enum):
    """The rules, in the order they are checked."""

    FORM = "form"
    HEADER = "header"
    TYPE = "type"
    ALGORITHM = "algorithm"
    KEY = "key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    ISSUER = "issuer"
    ENVIRONMENT = "environment"
    AUDIENCE = "audience"
    TIME = "time"
    LIFETIME = "lifetime"


class TokenRefused(ValueError):  # noqa: N818 - named for what happened, like every refusal
    """A token that is not good, with the first rule it breaks."""

    def __init__(self, rule: TokenRule, problem: str) -> None:
        super().__init__(f"{rule.value}: {problem}")
        self.rule = rule
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDelegation:
    """By whose leave the holder acts (claim `delegation`)."""

    chain: str
    """What the grants of one chain have in common."""
    path: tuple[str, ...]
    """DIDs, the origin of the chain first and the holder last."""
    grants: tuple[str, ...]
    """The grants of the chain, its first one first."""
    depth: int
    tools: Mapping[str, str] = field(default_factory=dict)
    """The tools it is good for, by schema hash; empty when none is named."""
    budget: Mapping[str, int] = field(default_factory=dict)
    """What this token may spend, by member; empty when nothing is limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What one access token says."""

    token_id: str
    issuer: str
    audience: str
    did: str
    environment: str
    ring: int
    scopes: tuple[str, ...]
    holder: Thumbprint
    birth_certificate_hash: str
    revocation_epoch: int
    issued_at: Instant
    expires_at: Instant
    delegation: TokenDelegation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedToken:
    """A token that is good, and the key that says so."""

    token: AccessToken
    key_id: Thumbprint


def longest_lifetime(ring: int) -> Millis:
    """Return how long a token of `ring` may live."""
    return TRUSTED_LIFETIME if ring <= _MOST_TRUSTED else LONGEST_LIFETIME


def check_access_token(
    text: str,
    *,
    keys: JwkSet,
    issuer: str | None,
    audience: str,
    now: Instant,
    environment: str | None = None,
    skew: Millis = SKEW,
) -> CheckedToken:
    """Return what the token says, or raise TokenRefused.

    `keys` are the issuer's (`jwk_set.read_jwk_set`). `issuer` None takes any `iss`: for a key set that was had from the
    one issuer it can be of, and only then. `environment` None takes any `env` the issuer states.
    """
    try:
        jws = open_compact_jws(text, longest=MAX_TOKEN_CHARACTERS)
    except JwsError as error:
        raise TokenRefused(TokenRule.FORM, error.problem) from error
    key_id = _check_signature(jws, keys)
    token = _read(jws.payload)
    _expect(TokenRule.ISSUER, "iss", token.issuer, issuer)
    _expect(TokenRule.ENVIRONMENT, "env", token.environment, environment)
    _expect(TokenRule.AUDIENCE, "aud", token.audience, audience)
    _check_times(jws.payload, token, now, skew)
    return CheckedToken(token=token, key_id=key_id)


def _check_signature(jws: CompactJws, keys: JwkSet) -> Thumbprint:
    """Return the name of the key that signed, chosen by `kid` among `keys` and used with its own algorithm only."""
    unknown = jws.header.keys() - _HEADER
    if unknown:
        raise TokenRefused(TokenRule.HEADER, f"{', '.join(sorted(unknown))}: only alg, kid and typ may be there")
    kind = jws.header.get("typ")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenRefused(TokenRule.TYPE, f"typ must be {TOKEN_TYPE}")
    spelling = jws.header.get("alg")
    algorithm = ALGORITHM_OF.get(spelling) if isinstance(spelling, str) else None
    if algorithm is None:
        raise TokenRefused(TokenRule.ALGORITHM, "alg must be EdDSA or ES256")
    kid = jws.header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise TokenRefused(TokenRule.KEY, "kid names no key that the issuer publishes")
    if algorithm != algorithm_of(key):
        raise TokenRefused(TokenRule.ALGORITHM, f"the key that kid names signs with {algorithm_of(key)} only")
    if not key.verifies(jws.signature, jws.signing_input):
        raise TokenRefused(TokenRule.SIGNATURE, "it does not verify under the issuer's key")
    return key.thumbprint


def _read(claims: JsonObject) -> AccessToken:
    """Return the claims as a value, each of its shape. Claims not known here say nothing."""
    did, holder = _text(claims, "sub"), claims.get("cnf")
    if _text(claims, "client_id") != did:  # RFC 9068 2.2: an agent is its own client
        raise TokenRefused(TokenRule.CLAIMS, "client_id must be the sub")
    thumbprint = holder.get("jkt") if isinstance(holder, dict) else None
    if not isinstance(thumbprint, str) or _THUMBPRINT.fullmatch(thumbprint) is None:
        raise TokenRefused(TokenRule.CLAIMS, "cnf.jkt must be the thumbprint of the holder's key")
    ring = _number(claims, "ring")
    if ring not in RINGS:
        raise TokenRefused(TokenRule.CLAIMS, "ring must be 0 to 3")
    return AccessToken(
        token_id=_text(claims, "jti"),
        issuer=_text(claims, "iss"),
        audience=_audience(claims),
        did=did,
        environment=_text(claims, "env"),
        ring=ring,
        scopes=_scopes(claims),
        holder=Thumbprint(thumbprint),
        birth_certificate_hash=_text(claims, "bc"),
        revocation_epoch=_number(claims, "rev"),
        issued_at=_instant(claims, "iat"),
        expires_at=_instant(claims, "exp"),
        delegation=_delegation(claims["delegation"]) if "delegation" in claims else None,
    )


def _audience(claims: JsonObject) -> str:
    # RFC 8725 3.9: a token good for several could be played by one of them to another.
    if not isinstance(claims.get("aud"), str):
        raise TokenRefused(TokenRule.AUDIENCE, "aud must be one string")
    return _text(claims, "aud")


def _scopes(claims: JsonObject) -> tuple[str, ...]:
    text = claims.get("scope")
    scopes = tuple(text.split(" ")) if isinstance(text, str) and text else ()
    if not isinstance(text, str) or "" in scopes:
        raise TokenRefused(TokenRule.CLAIMS, "scope must be scopes with one space between them")
    return scopes


def _delegation(claim: Json) -> TokenDelegation:
    if not isinstance(claim, dict):
        raise TokenRefused(TokenRule.CLAIMS, "delegation must be an object")
    tools, budget = claim.get("tools", {}), claim.get("budget", {})
    if not isinstance(tools, dict) or not isinstance(budget, dict):
        raise TokenRefused(TokenRule.CLAIMS, "delegation.tools and delegation.budget must be objects")
    return TokenDelegation(
        chain=_text(claim, "chain", of="delegation."),
        path=_texts(claim, "path"),
        grants=_texts(claim, "grants"),
        depth=_number(claim, "depth", of="delegation."),
        tools={tool: _text(tools, tool, of="delegation.tools.") for tool in tools},
        budget={member: _number(budget, member, of="delegation.budget.") for member in budget},
    )


def _texts(claim: JsonObject, name: str) -> tuple[str, ...]:
    values = claim.get(name)
    if not isinstance(values, list) or not values:
        raise TokenRefused(TokenRule.CLAIMS, f"delegation.{name} must be a list that is not empty")
    return tuple(_text({name: value}, name, of="delegation.") for value in values)


def _text(claims: JsonObject, name: str, *, of: str = "") -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise TokenRefused(TokenRule.CLAIMS, f"{of}{name} must be text that is not empty")
    return value


def _number(claims: JsonObject, name: str, *, of: str = "") -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TokenRefused(TokenRule.CLAIMS, f"{of}{name} must be a whole number")
    return value


def _instant(claims: JsonObject, name: str) -> Instant:
    seconds = _number(claims, name)
    if seconds >= _LATEST:
        raise TokenRefused(TokenRule.CLAIMS, f"{name} must be seconds since 1970")
    return Instant(seconds * SECOND)


def _expect(rule: TokenRule, claim: str, said: str, expected: str | None) -> None:
    if expected is not None and said != expected:
        raise TokenRefused(rule, f"{claim} must be {expected}")


def _check_times(claims: JsonObject, token: AccessToken, now: Instant, skew: Millis) -> None:
    if now + skew < max(token.issued_at, _instant(claims, "nbf")):
        raise TokenRefused(TokenRule.TIME, "it is not good yet; check both clocks")
    if now >= token.expires_at + skew:
        raise TokenRefused(TokenRule.TIME, "it has expired; get a new one")
    longest = longest_lifetime(token.ring)
    if not 0 < token.expires_at - token.issued_at <= longest:
        raise TokenRefused(TokenRule.LIFETIME, f"in ring {token.ring} it may live for {longest // SECOND} s at most")
