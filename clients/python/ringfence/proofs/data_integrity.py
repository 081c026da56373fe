"""Data Integrity proofs with the cryptosuite eddsa-jcs-2022 (vc-di-eddsa section 3.3), the only one used here.

A proof signs SHA-256 of its own options, then SHA-256 of the document, both in canonical JSON. Verification takes the
key as an argument and never one that the proof names: whose key may sign is the caller's rule.
"""

import hashlib
from collections.abc import Mapping

from ringfence.proofs import base58
from ringfence.proofs.canonical_json import CanonicalFormError, Json, JsonObject, canonical
from ringfence.proofs.public_keys import PublicKey, SigningKey
from ringfence.proofs.timestamps import is_timestamp

CRYPTOSUITE = "eddsa-jcs-2022"
PROOF_TYPE = "DataIntegrityProof"
ASSERTION = "assertionMethod"

_OPTIONS = frozenset({"@context", "type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"})


class DataIntegrityError(ValueError):
    """A proof that does not hold, with the problem in words."""


def make_proof(document: Mapping[str, Json], *, key: SigningKey, verification_method: str, created: str) -> JsonObject:
    """Return the proof that `key`, named by `verification_method`, asserts `document`."""
    options: JsonObject = {
        "type": PROOF_TYPE,
        "cryptosuite": CRYPTOSUITE,
        "created": created,
        "verificationMethod": verification_method,
        "proofPurpose": ASSERTION,
    }
    if "@context" in document:
        options["@context"] = document["@context"]  # vc-di-eddsa 3.3.1: the proof is read in the document's context
    signature = key.sign(_signing_input(document, options))
    return {**options, "proofValue": "z" + base58.encode(signature)}


def check_proof(document: Mapping[str, Json], proof: Json, *, key: PublicKey) -> None:
    """Raise `DataIntegrityError` unless `proof` shows that `key` asserted `document`, which carries no proof itself."""
    if not isinstance(proof, dict):
        raise DataIntegrityError("the proof is not an object")
    unknown = proof.keys() - _OPTIONS
    if unknown:
        raise DataIntegrityError(f"unknown proof options: {', '.join(sorted(unknown))}")
    _require(proof, "type", PROOF_TYPE)
    _require(proof, "cryptosuite", CRYPTOSUITE)
    _require(proof, "proofPurpose", ASSERTION)
    if not is_timestamp(proof.get("created")):
        raise DataIntegrityError("created is not a UTC time in whole seconds")
    if proof.get("@context") != document.get("@context"):
        raise DataIntegrityError("the proof's @context is not the document's")
    options: JsonObject = {name: value for name, value in proof.items() if name != "proofValue"}
    try:
        message = _signing_input(document, options)
    except CanonicalFormError as error:
        raise DataIntegrityError(f"not signable: {error}") from error
    if not key.verifies(_signature(proof.get("proofValue")), message):
        raise DataIntegrityError("the signature does not verify")


def _signing_input(document: Mapping[str, Json], options: JsonObject) -> bytes:
    return hashlib.sha256(canonical(options)).digest() + hashlib.sha256(canonical(dict(document))).digest()


def _require(proof: JsonObject, option: str, value: str) -> None:
    if proof.get(option) != value:
        raise DataIntegrityError(f"{option} is not {value}")


def _signature(value: Json) -> bytes:
    if not isinstance(value, str) or not value.startswith("z"):
        raise DataIntegrityError("proofValue is not base58btc multibase")
    try:
        return base58.decode(value[1:])
    except base58.Base58Error as error:
        raise DataIntegrityError(f"proofValue is not base58btc multibase: {error}") from error
