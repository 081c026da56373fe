"""Signing an Agent Card so that everybody who verifies cards verifies this one (A2A 1.0 8.4).

Only a card on which the canonical forms in use agree is signed: on any other, one verifier would find the signature
good and the next one false. What is wrong with such a card is said, and easily mended: an empty member, one that A2A
does not know, a number no double holds.
"""

from ringfence.proofs.canonical_json import Json, JsonObject, base64url, canonical
from ringfence.proofs.card_forms import CardForms
from ringfence.proofs.card_keys import CardAlgorithm
from ringfence.proofs.public_keys import SigningKey


def sign_card(card: JsonObject, key: SigningKey, *, key_id: str, says: dict[str, Json] | None = None) -> JsonObject:
    """Return an entry for the `signatures` of `card`, or raise `CardFormError` when its forms differ.

    `key_id` is the key's name as verifiers know it: for an agent, its DID, `#` and the thumbprint. `says` is what the
    protected header says beside.
    """
    payload = CardForms(card).agreed()
    header: JsonObject = {**(says or {}), "alg": CardAlgorithm.ED_DSA.value, "kid": key_id, "typ": "JOSE"}
    protected = base64url(canonical(header))
    signed = f"{protected}.{base64url(payload)}".encode("ascii")
    return {"protected": protected, "signature": base64url(key.sign(signed))}
