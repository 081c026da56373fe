"""A delegation grant: what one agent may do by another's leave, as that other's key signed it.

A compact JWS, `typ` dlg+jwt, in exactly the claims of `services/identity/README.md`, "Delegating":

- every member must be there, `cnf` excepted, and none besides: what is not understood is not granted;
- all sizes are bounded before anything is verified, so a chain costs a verifier the same whoever sends it;
- what a grant does not limit it leaves out: a budget of 0 would be nothing to one reader and everything to another;
- reading believes nothing. Whether a grant holds is `delegation_chain`'s to say, since none holds by itself.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from ringfence.instants import SECOND, Instant
from ringfence.proofs.canonical_json import Json, JsonObject, base64url
from ringfence.proofs.compact_jws import CompactJws, JwsError, open_compact_jws, sign_compact_jws
from ringfence.proofs.did import DidError, parse_did
from ringfence.proofs.public_keys import SigningKey, Thumbprint, public_key_of
from ringfence.proofs.scopes import SCOPE_SHAPE, is_scope

GRANT_TYPE = "dlg+jwt"
MAX_GRANT_BYTES = 8_192
MAX_DEPTH = 5
MAX_SCOPES = 64
MAX_AUDIENCES = 16
MAX_TOOLS = 32
MAX_CALLS = 1_000_000_000
MAX_COST_MICROS = 1_000_000_000_000_000

NAME_PREFIX = "delegations/"

BUDGETED = ("calls", "cost_micros")
"""The members of a budget."""

_ALGORITHMS = ("EdDSA", "Ed25519")
_HEADER = frozenset({"alg", "kid", "typ"})
_CLAIMS = frozenset(
    "iss sub aud env scope tools nbf exp iat jti chain depth max_depth prf budget".split()  # noqa: SIM905 - one look
)
_HASH = re.compile(r"[A-Za-z0-9_-]{43}")
_IDENTIFIER = re.compile(r"[\x21-\x7e]{1,128}")
_AUDIENCE = re.compile(r"[\x21-\x7e]{1,256}")
_ENVIRONMENT = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TOOL = re.compile(r"[a-z0-9._-]{1,128}")
_SCHEMA_HASH = re.compile(r"sha256-[0-9a-f]{64}")
_LATEST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that a google.protobuf.Timestamp can say
_SIGNATURE_BYTES = 64

T = TypeVar("T")


class GrantFormError(ValueError):
    """Text that is not a delegation grant, with the problem in words."""


class GrantTooLarge(GrantFormError):  # noqa: N818 - named for what it is
    """A grant beyond a bound on its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be spent, or was. As a limit, 0 means that this is not limited."""

    calls: int = 0
    cost_micros: int = 0
    """Millionths of the currency the mesh accounts in."""

    @property
    def amounts(self) -> dict[str, int]:
        """The amount of each member that is not 0, by name."""
        return {name: amount for name in BUDGETED if (amount := getattr(self, name))}


UNLIMITED = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one grant says."""

    delegator: str
    """`iss`, a DID."""
    delegatee: str
    """`sub`, a DID."""
    audiences: tuple[str, ...]
    environment: str
    scopes: tuple[str, ...]
    tools: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Schema hashes by tool name: all the tools it is for."""
    not_before: Instant
    expires_at: Instant
    issued_at: Instant
    grant_id: str
    """`jti`."""
    chain: str
    """The `jti` of the first grant of the chain."""
    depth: int
    max_depth: int
    parent: str
    """`prf`: the hash of the grant it narrows, or of the birth certificate for the first of a chain."""
    budget: Budget = UNLIMITED
    holder: Thumbprint | None = None
    """`cnf.jkt`: the one key that may use it; None leaves that to the delegatee's DID."""


@dataclass(frozen=True, slots=True)
class SignedGrant:
    """A grant as it was signed, read and not yet believed."""

    grant: Grant
    hash: str
    """base64url(SHA-256(compact JWS)): its name, and what a child's `prf` says."""
    key_id: str
    """`kid`: the thumbprint of the key it claims to be signed with."""
    jws: CompactJws

    @property
    def name(self) -> str:
        """`delegations/{hash}`."""
        return NAME_PREFIX + self.hash


def grant_hash(compact: str) -> str:
    """Return the hash that names a grant."""
    return base64url(hashlib.sha256(compact.encode()).digest())


def sign_grant(grant: Grant, key: SigningKey) -> str:
    """Return the compact JWS of `grant` by the delegator's `key`."""
    header: JsonObject = {"alg": "EdDSA", "kid": public_key_of(key).thumbprint, "typ": GRANT_TYPE}
    return sign_compact_jws(header, claims_of(grant), key)


def claims_of(grant: Grant) -> JsonObject:
    """Return the claims that say `grant`."""
    claims: JsonObject = {
        "iss": grant.delegator,
        "sub": grant.delegatee,
        "aud": list(grant.audiences),
        "env": grant.environment,
        "scope": list(grant.scopes),
        "tools": dict(grant.tools),
        "nbf": grant.not_before // SECOND,
        "exp": grant.expires_at // SECOND,
        "iat": grant.issued_at // SECOND,
        "jti": grant.grant_id,
        "chain": grant.chain,
        "depth": grant.depth,
        "max_depth": grant.max_depth,
        "prf": grant.parent,
        "budget": dict(grant.budget.amounts),
    }
    return claims if grant.holder is None else {**claims, "cnf": {"jkt": grant.holder}}


def read_grant(compact: str) -> SignedGrant:
    """Return what `compact` says, or raise `GrantFormError`."""
    if len(compact) > MAX_GRANT_BYTES:
        raise GrantTooLarge(f"it is longer than {MAX_GRANT_BYTES} bytes")
    try:
        jws = open_compact_jws(compact, longest=MAX_GRANT_BYTES)
    except JwsError as error:
        raise GrantFormError(error.problem) from error
    if len(jws.signature) != _SIGNATURE_BYTES:
        raise GrantFormError(f"its signature is not {_SIGNATURE_BYTES} bytes long")
    return SignedGrant(_grant(jws.payload), grant_hash(compact), _key_id(jws.header), jws)


def _key_id(header: JsonObject) -> str:
    if header.keys() != _HEADER or header["typ"] != GRANT_TYPE or header["alg"] not in _ALGORITHMS:
        raise GrantFormError(f"its header must be alg EdDSA, typ {GRANT_TYPE} and kid, nothing else")
    return _matching(header, "kid", _HASH, "the thumbprint of a key")


def _grant(claims: JsonObject) -> Grant:
    if claims.keys() - {"cnf"} != _CLAIMS:
        named = ", ".join(sorted((claims.keys() - {"cnf"}) ^ _CLAIMS)[:5])
        raise GrantFormError(f"members are missing or not known: {named[:200]!r}")
    return Grant(
        delegator=_did(claims, "iss"),
        delegatee=_did(claims, "sub"),
        audiences=_texts(claims, "aud", MAX_AUDIENCES, _is(_AUDIENCE), "an audience"),
        environment=_matching(claims, "env", _ENVIRONMENT, "the name of an environment"),
        scopes=_texts(claims, "scope", MAX_SCOPES, is_scope, f"a scope, {SCOPE_SHAPE}"),
        tools=_tools(claims["tools"]),
        not_before=_time(claims, "nbf"),
        expires_at=_time(claims, "exp"),
        issued_at=_time(claims, "iat"),
        grant_id=_matching(claims, "jti", _IDENTIFIER, "1 to 128 printable ASCII characters"),
        chain=_matching(claims, "chain", _IDENTIFIER, "1 to 128 printable ASCII characters"),
        depth=_whole(claims, "depth", 1, MAX_DEPTH),
        max_depth=_whole(claims, "max_depth", 1, MAX_DEPTH),
        parent=_matching(claims, "prf", _HASH, "a SHA-256 in base64url"),
        budget=_budget(claims["budget"]),
        holder=_holder(claims),
    )


def _did(claims: JsonObject, claim: str) -> str:
    value = claims[claim]
    try:
        return str(parse_did(value if isinstance(value, str) else ""))
    except DidError as error:
        raise GrantFormError(f"{claim} is not a DID: {error.problem}") from error


def _matching(claims: JsonObject, claim: str, shape: re.Pattern[str], what: str) -> str:
    value = claims[claim]
    if not isinstance(value, str) or shape.fullmatch(value) is None:
        raise GrantFormError(f"{claim} must be {what}")
    return value


def _texts(claims: JsonObject, claim: str, most: int, good: Callable[[str], bool], what: str) -> tuple[str, ...]:
    value = claims[claim]
    if not isinstance(value, list) or not value:
        raise GrantFormError(f"{claim} must be a list with at least one entry")
    if len(value) > most:
        raise GrantTooLarge(f"{claim} has more than {most} entries")
    texts = tuple(item for item in value if isinstance(item, str) and good(item))
    if len(texts) != len(value) or len(set(texts)) != len(texts):
        raise GrantFormError(f"each entry of {claim} must be {what}, and none may come twice")
    return texts


def _is(shape: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: shape.fullmatch(text) is not None


def _tools(value: Json) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise GrantFormError("tools must be an object")
    if len(value) > MAX_TOOLS:
        raise GrantTooLarge(f"tools has more than {MAX_TOOLS} entries")
    tools: dict[str, str] = {}
    for name, schema in value.items():
        if _TOOL.fullmatch(name) is None or not isinstance(schema, str) or _SCHEMA_HASH.fullmatch(schema) is None:
            raise GrantFormError("each entry of tools must be a tool's name and sha256- with 64 hex digits")
        tools[name] = schema
    return MappingProxyType(tools)


def _time(claims: JsonObject, claim: str) -> Instant:
    return Instant(_whole(claims, claim, 0, _LATEST_SECOND) * SECOND)


def _whole(members: JsonObject, member: str, least: int, most: int) -> int:
    value = members[member]
    # A bool is an int to Python, and 1.0 equals 1; neither is how a number is written here.
    if type(value) is not int or not least <= value <= most:
        raise GrantFormError(f"{member} must be a whole number from {least} to {most}")
    return value


def _budget(value: Json) -> Budget:
    if not isinstance(value, dict) or value.keys() - set(BUDGETED):
        raise GrantFormError("budget must be an object with calls, cost_micros, both or neither")
    return Budget(
        calls=_whole(value, "calls", 1, MAX_CALLS) if "calls" in value else 0,
        cost_micros=_whole(value, "cost_micros", 1, MAX_COST_MICROS) if "cost_micros" in value else 0,
    )


def _holder(claims: JsonObject) -> Thumbprint | None:
    if "cnf" not in claims:
        return None
    confirmation = claims["cnf"]
    if not isinstance(confirmation, dict) or confirmation.keys() != {"jkt"}:
        raise GrantFormError("cnf must be an object with jkt alone")
    return Thumbprint(_matching(confirmation, "jkt", _HASH, "the thumbprint of a key"))
