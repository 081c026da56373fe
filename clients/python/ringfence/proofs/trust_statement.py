"""Trust statements: what an environment's registrar said of one agent, for a minute, for whoever cannot ask it.

The agent shows its own statement; the key in it (`cnf`) makes it worthless to anybody else. The rules:

- signed by a registrar key the checker already holds. The statement names the key, and never brings one;
- `typ` is `trust+jwt` and nothing else: a birth certificate or an elevation by the same key is no statement;
- exactly the claims below, each of its type: a missing score is a refusal, never a default;
- void 60 s after it was signed. An expired statement is refused to the millisecond; one from the future is taken up to
  five seconds ahead, for clocks that are a little behind.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.instants import MINUTE, SECOND, Instant, Millis
from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.compact_jws import CompactJws, JwsError, open_compact_jws
from ringfence.proofs.peer_verdict import Standing
from ringfence.proofs.public_keys import PublicKey, PublicKeyError, Thumbprint, import_key
from ringfence.proofs.scopes import is_scope

STATEMENT_TYPE = "trust+jwt"
LIFETIME = Millis(MINUTE)
SKEW = Millis(5 * SECOND)
MAX_STATEMENT_BYTES = 32 * 1_024

_HEADER = frozenset({"alg", "kid", "typ"})
_CLAIMS = frozenset({"iss", "sub", "iat", "exp", "env", "cnf", "ver", "score", "ring", "scope", "rev"})
_X = re.compile("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
"""32 bytes in base64url, in the one spelling without stray bits."""
_SECONDS = 2**40
_SCORES, _RINGS, _EPOCHS = 1_000, 3, 2**53


class TrustStatementError(ValueError):
    """A statement that is not good, with the problem in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStatement:
    """What a registrar says of an agent."""

    issuer: str
    """DID of the registrar."""
    standing: Standing
    issued_at: Instant
    """In whole seconds, as `expires_at`."""
    expires_at: Instant

    def claims(self) -> JsonObject:
        """Return the claims of the JWS."""
        said = self.standing
        return {
            "iss": self.issuer,
            "sub": said.did,
            "iat": self.issued_at // SECOND,
            "exp": self.expires_at // SECOND,
            "env": said.environment,
            "cnf": {"jwk": dict(said.key.jwk)},
            "ver": said.did_version_id,
            "score": said.score,
            "ring": said.ring,
            "scope": " ".join(said.scopes),
            "rev": said.revocation_epoch,
        }


def check_statement(text: str, *, issuer: str, keys: Mapping[Thumbprint, PublicKey], now: Instant) -> TrustStatement:
    """Return what `text` states, or raise `TrustStatementError`.

    `keys` are those of the registrar whose DID is `issuer`; whoever checks has had them since before it had to.
    """
    try:
        opened = open_compact_jws(text, longest=MAX_STATEMENT_BYTES)
    except JwsError as refused:
        raise TrustStatementError(refused.problem) from refused
    _check_signature(opened, keys)
    claims = opened.payload
    if claims.keys() != _CLAIMS:
        raise TrustStatementError(f"its claims are not exactly {', '.join(sorted(_CLAIMS))}")
    if claims["iss"] != issuer:
        raise TrustStatementError(f"it is not by {issuer}")
    issued_at, expires_at = _times(claims, now)
    return TrustStatement(issuer=issuer, standing=_standing(claims), issued_at=issued_at, expires_at=expires_at)


def _check_signature(opened: CompactJws, keys: Mapping[Thumbprint, PublicKey]) -> None:
    header = opened.header
    if header.keys() != _HEADER or header["alg"] != "EdDSA" or header["typ"] != STATEMENT_TYPE:
        raise TrustStatementError(f"its header is not alg EdDSA, typ {STATEMENT_TYPE} and kid")
    kid = header["kid"]
    key = keys.get(Thumbprint(kid)) if isinstance(kid, str) else None
    if key is None:
        raise TrustStatementError("its kid is not a key of the registrar")
    if not key.verifies(opened.signature, opened.signing_input):
        raise TrustStatementError("its signature does not verify under the registrar's key")


def _times(claims: JsonObject, now: Instant) -> tuple[Instant, Instant]:
    issued_at = Instant(_whole(claims, "iat", at_most=_SECONDS) * SECOND)
    expires_at = Instant(_whole(claims, "exp", at_most=_SECONDS) * SECOND)
    if not 0 < expires_at - issued_at <= LIFETIME:
        raise TrustStatementError("exp is not after iat, by 60 s at most")
    if now >= expires_at:
        raise TrustStatementError("it has expired")
    if issued_at > now + SKEW:
        raise TrustStatementError("it is not valid yet")
    return issued_at, expires_at


def _standing(claims: JsonObject) -> Standing:
    listed = _text(claims, "scope")
    scopes = tuple(listed.split(" ")) if listed else ()
    if not all(is_scope(scope) for scope in scopes):
        raise TrustStatementError("scope is not scopes between single spaces")
    return Standing(
        did=_text(claims, "sub"),
        environment=_text(claims, "env"),
        active=True,  # nothing is stated of who is suspended, revoked or expired
        key=_holder(claims["cnf"]),
        did_version_id=_text(claims, "ver"),
        revocation_epoch=_whole(claims, "rev", at_most=_EPOCHS),
        score=_whole(claims, "score", at_most=_SCORES),
        ring=_whole(claims, "ring", at_most=_RINGS),
        scopes=scopes,
    )


def _holder(cnf: Json) -> PublicKey:
    """Return the key a statement is bound to (RFC 7800 section 3.2): the required members of its JWK and no other."""
    match cnf:
        case {"jwk": {"crv": "Ed25519", "kty": "OKP", "x": str(x), **more}, **other} if not more and not other:
            pass
        case _:
            raise TrustStatementError("cnf is not the JWK of an Ed25519 key alone")
    if _X.fullmatch(x) is None:
        raise TrustStatementError("the x in cnf is not 32 bytes in base64url")
    try:
        return import_key(base64.urlsafe_b64decode(x + "="))
    except PublicKeyError as refused:
        raise TrustStatementError(f"the key in cnf is refused: {refused.problem}") from refused


def _text(claims: JsonObject, claim: str) -> str:
    value = claims[claim]
    if not isinstance(value, str):
        raise TrustStatementError(f"{claim} is not a string")
    return value


def _whole(claims: JsonObject, claim: str, *, at_most: int) -> int:
    value = claims[claim]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= at_most:
        raise TrustStatementError(f"{claim} is not a whole number from 0 to {at_most}")
    return value
