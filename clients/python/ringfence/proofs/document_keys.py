"""The keys a DID document lets act in one relationship, and no other key that stands in it.

A key that was in other hands stays in the document, so that old signatures can be judged; it is in no relationship any
more, so it is never among these.
"""

from collections.abc import Mapping

from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.public_keys import PublicKey, PublicKeyError, Thumbprint, from_multibase

AUTHENTICATION = "authentication"
"""The relationship of keys by which the subject shows who it is (Controlled Identifiers 1.0, section 2.3.1)."""

ASSERTION = "assertionMethod"
"""The relationship of keys by which the subject states something (section 2.3.2)."""


class DocumentKeysError(ValueError):
    """A document whose keys cannot be read, with the problem in words."""


def document_keys(document: JsonObject, *, did: str, relationship: str) -> Mapping[Thumbprint, PublicKey]:
    """Return the keys that `document`, which must be that of `did`, names in `relationship`; at least one."""
    if document.get("id") != did:
        raise DocumentKeysError(f"the document is not that of {did}")
    named = _list(document, relationship)
    keys = [
        _key(method)
        for method in _list(document, "verificationMethod")
        if isinstance(method, dict) and method.get("id") in named and _is_multikey_of(method, did)
    ]
    if not keys:
        raise DocumentKeysError(f"the document names no key in {relationship}")
    return {key.thumbprint: key for key in keys}


def _is_multikey_of(method: JsonObject, did: str) -> bool:
    # A document may list keys that others control; those do not speak for its subject.
    return method.get("type") == "Multikey" and method.get("controller") == did


def _list(document: JsonObject, member: str) -> list[Json]:
    value = document.get(member)
    return value if isinstance(value, list) else []


def _key(method: JsonObject) -> PublicKey:
    text = method.get("publicKeyMultibase")
    if not isinstance(text, str):
        raise DocumentKeysError("a verification method has no publicKeyMultibase")
    try:
        return from_multibase(text)
    except PublicKeyError as refused:
        raise DocumentKeysError(f"a key is refused: {refused.problem}") from refused
