"""Whether a Verifiable Credential 2.0 was issued by the registrar it is held against, and is in time.

- both forms a mesh issues are read: JSON with an embedded eddsa-jcs-2022 proof, and the compact JWS `vc+jwt`
  (VC-JOSE-COSE), whose payload is the same credential without the proof;
- whoever asks says whose registrar is trusted, by the newest document of its log (`did_log_check`). Nothing the
  credential says about keys is followed: it only picks one of that document's assertion keys;
- the first broken rule refuses the whole credential. Its status is a second question: `status_list_check`.
"""

from dataclasses import dataclass

from ringfence.instants import MINUTE, Instant, Millis
from ringfence.proofs import data_integrity
from ringfence.proofs.canonical_json import JsonObject, parse_object
from ringfence.proofs.compact_jws import CompactJws, JwsError, open_compact_jws
from ringfence.proofs.did import DidError, RegistrarDid, parse_did
from ringfence.proofs.document_keys import ASSERTION, DocumentKeysError, document_keys
from ringfence.proofs.public_keys import PublicKey, Thumbprint
from ringfence.proofs.timestamps import parse_timestamp

CONTEXT = "https://www.w3.org/ns/credentials/v2"
VERIFIABLE_CREDENTIAL = "VerifiableCredential"
JWT_TYPE = "vc+jwt"

MAX_BYTES = 512 * 1024
"""Longer credentials are refused unread; the largest birth certificate that can be issued has a quarter of this."""

SKEW = Millis(1 * MINUTE)
"""How far the issuer's clock may stand ahead of the one that checks."""

_ALGORITHMS = ("EdDSA", "Ed25519")  # RFC 9864 renamed the first; both are one algorithm for a key of this kind


class CredentialError(ValueError):
    """A credential that is not to be relied on, with the broken rule in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCredential:
    """A credential that its issuer signed, in time."""

    content: JsonObject
    """The credential without its proof."""
    secured: JsonObject | None
    """The credential with its proof; None when it came as a JWS."""
    issuer: RegistrarDid
    valid_from: Instant
    valid_until: Instant | None


def check_credential(text: str | bytes, *, type_: str, registrar: JsonObject, now: Instant) -> CheckedCredential:
    """Return the credential of type `type_` in `text`, in either form, or raise `CredentialError`.

    `registrar` is the DID document of the registrar that is trusted to have issued it.
    """
    if len(text) > MAX_BYTES:
        raise CredentialError(f"it is longer than {MAX_BYTES} bytes")
    issuer = _registrar_did(registrar)
    secured = _embedded(text, registrar, now) if text[:1] in ("{", b"{") else None
    content = _jws_payload(text, registrar) if secured is None else _without_proof(secured)
    _require_kind(content, type_)
    if content.get("issuer") != str(issuer):
        raise CredentialError(f"its issuer is not {issuer}")
    valid_from, valid_until = _validity(content, now)
    return CheckedCredential(
        content=content, secured=secured, issuer=issuer, valid_from=valid_from, valid_until=valid_until
    )


def _embedded(text: str | bytes, registrar: JsonObject, now: Instant) -> JsonObject:
    """Return the credential with its proof, which holds."""
    try:
        secured = parse_object(text)
    except (ValueError, RecursionError) as error:
        raise CredentialError(f"it is not a JSON object that names each member once: {error}") from error
    match secured.get("proof"):
        case {"verificationMethod": str() as method, "created": str() as created} as proof:
            pass
        case _:
            raise CredentialError("it does not carry one proof with a verification method and a time")
    try:
        data_integrity.check_proof(_without_proof(secured), proof, key=_assertion_key(registrar, method))
    except data_integrity.DataIntegrityError as refused:
        raise CredentialError(f"its proof is refused: {refused}") from refused
    if parse_timestamp(created) > now + SKEW:
        raise CredentialError("its proof was made in the future")
    return secured


def _without_proof(secured: JsonObject) -> JsonObject:
    return {name: value for name, value in secured.items() if name != "proof"}


def _jws_payload(text: str | bytes, registrar: JsonObject) -> JsonObject:
    """Return the credential a JWS is about, whose signature holds. It carries no time of its own."""
    try:
        jws = open_compact_jws(text if isinstance(text, str) else text.decode("ascii"), longest=MAX_BYTES)
    except (JwsError, UnicodeDecodeError) as error:
        raise CredentialError(f"it is neither a JSON object nor a compact JWS: {error}") from error
    _require_header(jws)
    kid = jws.header.get("kid")
    if not isinstance(kid, str):
        raise CredentialError("its header names no key")
    if not _assertion_key(registrar, kid).verifies(jws.signature, jws.signing_input):
        raise CredentialError("its signature does not verify")
    if jws.payload.keys() & {"vc", "vp", "proof"}:
        raise CredentialError("its payload is not the credential itself (VC-JOSE-COSE 3.1.3)")
    return jws.payload


def _require_header(jws: CompactJws) -> None:
    header = jws.header
    if header.get("typ") != JWT_TYPE:
        raise CredentialError(f"its typ is not {JWT_TYPE}")
    if header.get("alg") not in _ALGORITHMS:
        raise CredentialError("its alg is not EdDSA")
    if header.get("cty", "vc") != "vc":
        raise CredentialError("its cty is not vc")
    if "crit" in header:
        raise CredentialError("its header has critical extensions, and none is understood (RFC 7515 4.1.11)")
    if header.get("iss", jws.payload.get("issuer")) != jws.payload.get("issuer"):
        raise CredentialError("its iss is not its issuer")


def _registrar_did(registrar: JsonObject) -> RegistrarDid:
    try:
        did = parse_did(str(registrar.get("id")))
    except DidError as error:
        raise CredentialError(f"the trusted document is not a registrar's: {error}") from error
    if not isinstance(did, RegistrarDid):
        raise CredentialError("the trusted document is not a registrar's")
    return did


def _assertion_key(registrar: JsonObject, name: str) -> PublicKey:
    """Return the key called `name`, which must be one the registrar asserts with (Controlled Identifiers 1.0, 3.3)."""
    did, _, thumbprint = name.partition("#")
    try:
        keys = document_keys(registrar, did=str(registrar.get("id")), relationship=ASSERTION)
    except DocumentKeysError as error:
        raise CredentialError(f"the registrar's document cannot be used: {error}") from error
    key = keys.get(Thumbprint(thumbprint))
    if key is None or did != registrar.get("id"):
        raise CredentialError(f"the registrar asserts nothing with the key {name!r}")
    return key


def _require_kind(content: JsonObject, type_: str) -> None:
    contexts, types = content.get("@context"), content.get("type")
    if not isinstance(contexts, list) or contexts[:1] != [CONTEXT]:
        raise CredentialError("its first context is not that of Verifiable Credentials 2.0")
    if not isinstance(types, list) or VERIFIABLE_CREDENTIAL not in types or type_ not in types:
        raise CredentialError(f"it is not a {VERIFIABLE_CREDENTIAL} of type {type_}")


def _validity(content: JsonObject, now: Instant) -> tuple[Instant, Instant | None]:
    valid_from = _instant(content, "validFrom")
    valid_until = _instant(content, "validUntil") if "validUntil" in content else None
    if valid_from > now + SKEW:
        raise CredentialError("it is not valid yet")
    if valid_until is not None and now >= valid_until:
        raise CredentialError(f"it was valid until {content['validUntil']}")
    return valid_from, valid_until


def _instant(content: JsonObject, member: str) -> Instant:
    try:
        return parse_timestamp(str(content.get(member)))
    except ValueError as error:
        raise CredentialError(f"{member} {error}") from error
