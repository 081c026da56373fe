"""Bearer JWTs: whether one is good now, and what it says. The rules, in the order they are checked (RFC 8725):

1. shape: three base64url parts within 8 KiB, JSON objects, no `crit`, no algorithm but a signature by a public key;
2. the issuer, by its exact `iss`, is trusted; `typ` and `alg` are among those accepted from it;
3. the signature verifies under the issuer's key of that `kid`, of a kind that fits the algorithm;
4. the claims: one audience, ours; `sub`, `iat`, `exp` present; now within them, give or take five seconds; not good
   for longer than the issuer may make it;
5. the issuer, where it is this very process, has not taken it back.

Every refusal says which rule, so that its reader can mend the token; none says more about a key than its absence.
"""

import base64
import binascii
import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from ringfence.proofs.rsa_keys import is_roca

from ringfence_kit.clock import SECOND, Instant
from ringfence_kit.errors import Unauthenticated
from ringfence_kit.issuers import TrustedIssuer
from ringfence_kit.jwks import Jwks

MAX_TOKEN_BYTES = 8 << 10
SKEW = 5 * SECOND
CACHE_SIZE = 4_096
MIN_RSA_BITS = 2_048

PublicKey: TypeAlias = OKPKey | ECKey | RSAKey

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_SUBJECT = re.compile(r"[\x21-\x7e]{1,512}")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class VerifiedToken:
    """A token whose signature and claims are good. As long as it is remembered, it is the same object."""

    issuer: TrustedIssuer
    subject: str
    expires_at: Instant
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A verification not to be repeated, and the key it stands on."""

    token: VerifiedToken
    key: PublicKey
    begins_at: Instant
    ends_at: Instant
    """Between these it is good, both clocks' differences allowed for."""


class TokenVerifier:
    """Verifies tokens of the trusted issuers. Remembers signatures it has verified, never a refusal."""

    def __init__(self, issuers: Iterable[TrustedIssuer]) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._keys = {issuer.issuer: _Keys() for issuer in self._issuers.values()}
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()

    @property
    def issuers(self) -> Iterable[TrustedIssuer]:
        """The issuers that are trusted."""
        return self._issuers.values()

    async def verify(self, text: str, now: Instant) -> VerifiedToken:
        """Return the token, or raise Unauthenticated with the rule it breaks; Unavailable when keys cannot be had."""
        digest = hashlib.sha256(text.encode()).digest()
        remembered = self._remembered.get(digest)
        if remembered is not None and await self._still_held(remembered):
            self._remembered.move_to_end(digest)
            verified = remembered.token
            if not remembered.begins_at <= now < remembered.ends_at:
                _check_times(verified.claims, verified.issuer, now)
        else:
            verified = await self._newly_verified(text, digest, now)
        still_good = verified.issuer.still_good
        if still_good is not None and not still_good(text):
            raise Unauthenticated(problem="the token is not good any more; get a new one")
        return verified

    async def _newly_verified(self, text: str, digest: bytes, now: Instant) -> VerifiedToken:
        verified = await self._verify(text, now)
        self._remembered[digest] = verified
        if len(self._remembered) > CACHE_SIZE:
            self._remembered.popitem(last=False)
        return verified.token

    async def _still_held(self, remembered: _Remembered) -> bool:
        """Say whether the issuer still publishes the key: one that it took back must stop working now."""
        issuer = remembered.token.issuer
        return self._keys[issuer.issuer].of(await issuer.keys.jwks()).holds(remembered.key)

    async def _verify(self, text: str, now: Instant) -> _Remembered:
        header, claims = _parse(text)
        issuer = self._issuer(claims)
        algorithm = _check_header(header, issuer)
        key = await self._key(header, algorithm, issuer)
        _check_signature(text, key, algorithm)
        _check_audience(claims, issuer)
        expires_at = _check_times(claims, issuer, now)
        token = VerifiedToken(issuer, _subject(claims), expires_at, claims)
        return _Remembered(token, key, _begin(claims), Instant(expires_at + SKEW))

    def _issuer(self, claims: Mapping[str, Any]) -> TrustedIssuer:
        name = claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise Unauthenticated(problem="the token's issuer (iss) is not trusted here")
        return issuer

    async def _key(self, header: Mapping[str, Any], algorithm: str, issuer: TrustedIssuer) -> PublicKey:
        kid = header.get("kid", "")
        keys = self._keys[issuer.issuer]
        found = keys.of(await issuer.keys.jwks()).find(kid, algorithm)
        if found is None:
            await issuer.keys.look_again()
            found = keys.of(await issuer.keys.jwks()).find(kid, algorithm)
        if found is None:
            raise Unauthenticated(problem=f"the issuer has no key of the token's kid for {algorithm}")
        return found


class _Keys:
    """An issuer's usable keys, imported again only when its set changes."""

    def __init__(self) -> None:
        self._jwks: Jwks = {}
        self._by_kid: dict[str, PublicKey] = {}

    def of(self, jwks: Jwks) -> "_Keys":
        if jwks is not self._jwks and jwks != self._jwks:
            imported = {kid: key for entry in jwks.get("keys", ()) for kid, key in _usable(entry)}
            # A key that is still there stays the same object, so what was verified under it stays verified.
            self._by_kid = {kid: self._same(kid, key) for kid, key in imported.items()}
            self._jwks = jwks
        return self

    def _same(self, kid: str, key: PublicKey) -> PublicKey:
        old = self._by_kid.get(kid)
        return old if old is not None and old.thumbprint() == key.thumbprint() else key

    def holds(self, key: PublicKey) -> bool:
        for held in self._by_kid.values():  # noqa: SIM110 - asked with every call, and there are one or two
            if held is key:
                return True
        return False

    def find(self, kid: object, algorithm: str) -> PublicKey | None:
        """Return the key of that id; a token may leave the id out while there is only one key."""
        key = self._by_kid.get(kid) if isinstance(kid, str) else None
        if kid == "" and len(self._by_kid) == 1:
            key = next(iter(self._by_kid.values()))
        return key if key is not None and algorithm in _algorithms_of(key) else None


def _usable(entry: object) -> Iterable[tuple[str, PublicKey]]:
    """Give the key of one JWK if it can verify signatures we accept; a set may hold others, and they are skipped."""
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return
    public = {name: value for name, value in entry.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")}
    try:
        match entry.get("kty"), entry.get("crv"):
            case "OKP", "Ed25519":
                # Without `alg`: whether it says EdDSA or Ed25519, the key verifies both (RFC 9864 renamed it).
                key: PublicKey = OKPKey.import_key({name: value for name, value in public.items() if name != "alg"})
            case "EC", "P-256":
                key = ECKey.import_key(public)
            case "RSA", _:
                key = RSAKey.import_key(public)
                if key.public_key.key_size < MIN_RSA_BITS or is_roca(key.public_key.public_numbers().n):
                    return
            case _:
                return
        # What is broken shows only when the key is first used, unless it is used here.
        key.get_op_key("verify")
        kid = entry.get("kid") or key.thumbprint()
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return
    if isinstance(kid, str) and len(kid) <= 256:
        yield kid, key


def _algorithms_of(key: PublicKey) -> tuple[str, ...]:
    """Return what a key may verify. One key for two algorithms of different strength is how RFC 8725 3.1 goes wrong."""
    if isinstance(key, OKPKey):
        return ("EdDSA", "Ed25519")
    usual = ("ES256",) if isinstance(key, ECKey) else ("RS256", "PS256")
    return tuple(name for name in usual if key.get("alg") in (None, name))


def _parse(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(text) > MAX_TOKEN_BYTES or _SHAPE.fullmatch(text) is None:
        raise Unauthenticated(problem="the token is not a signed JWT of at most 8 KiB")
    header, payload, _ = text.split(".")
    return _json_object(header, "header"), _json_object(payload, "payload")


def _json_object(part: str, what: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Unauthenticated(problem=f"the token's {what} is not a JSON object")
    return value


def _check_header(header: Mapping[str, Any], issuer: TrustedIssuer) -> str:
    """Return the algorithm, which is the issuer's to choose among those we accept, never the token's alone."""
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        raise Unauthenticated(problem=f"the token's alg is not one of {', '.join(issuer.algorithms)}")
    if "crit" in header or "b64" in header:
        # RFC 7515 4.1.11: what must be understood and is not, refuses the whole.
        raise Unauthenticated(problem="the token has a crit header, and no extension is understood here")
    kind = header.get("typ", "")
    plain = kind.lower().removeprefix("application/") if isinstance(kind, str) else None
    if plain is None or plain not in {accepted.lower() for accepted in issuer.token_types}:
        accepted = ", ".join(name or "none" for name in issuer.token_types)
        raise Unauthenticated(problem=f"the token's typ is not accepted from this issuer: {accepted}")
    return algorithm


def _check_signature(text: str, key: PublicKey, algorithm: str) -> None:
    try:
        jws.deserialize_compact(text, key, algorithms=[algorithm])
    except (JoseError, ValueError, TypeError):
        raise Unauthenticated(problem="the token's signature does not verify") from None


def _check_audience(claims: Mapping[str, Any], issuer: TrustedIssuer) -> None:
    # One audience only: a token good for several could be played by one of them to another (RFC 8725 3.9).
    if claims.get("aud") not in (issuer.audience, [issuer.audience]):
        raise Unauthenticated(problem=f"the token's audience (aud) is not {issuer.audience} alone")


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or _SUBJECT.fullmatch(subject) is None:
        raise Unauthenticated(problem="the token's subject (sub) is missing, or not up to 512 visible ASCII characters")
    return subject


def _check_times(claims: Mapping[str, Any], issuer: TrustedIssuer, now: Instant) -> Instant:
    """Return when the token ends, if it has begun, has not ended, and is not good for too long."""
    issued, ends = _instant(claims, "iat"), _instant(claims, "exp")
    if now < _begin(claims):
        raise Unauthenticated(problem="the token is not valid yet; check both clocks")
    if ends + SKEW <= now:
        raise Unauthenticated(problem="the token has expired; get a new one")
    if ends <= issued or ends - issued > issuer.max_lifetime:
        raise Unauthenticated(problem=f"the token is good for longer than {issuer.max_lifetime // SECOND} s, or never")
    return ends


def _begin(claims: Mapping[str, Any]) -> Instant:
    """Return from when on a token is good, by a clock that may be as far behind as `SKEW`."""
    issued = _instant(claims, "iat")
    return Instant((max(issued, _instant(claims, "nbf")) if "nbf" in claims else issued) - SKEW)


def _instant(claims: Mapping[str, Any], name: str) -> Instant:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 2**40:
        raise Unauthenticated(problem=f"the token has no {name}, or one that is not a time")
    return Instant(math.floor(value * 1_000))
