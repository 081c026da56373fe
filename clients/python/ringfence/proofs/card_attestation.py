"""The registry's own signature on an Agent Card: that it holds this card, for this agent.

It is an entry of `signatures` like any other (A2A 1.0 8.4), so every verifier of cards verifies it; what it says beside
stands in its protected header, which is signed with the card:

- `sub` is the agent's resource name, `rev` the number of the revision that has the card;
- the card is one on which all canonical forms in use agree, so nobody verifies other bytes than were attested;
- the algorithm is EdDSA and `kid` the RFC 7638 thumbprint of the key in the registry's JWK Set.

Taken out of its place it says so: on another agent's card, or on an older one, the name or the revision are not those
that were asked for.
"""

from dataclasses import dataclass

from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.card_forms import CardFormError, CardForms
from ringfence.proofs.card_keys import card_key
from ringfence.proofs.card_signature import SignatureEntryError, open_card_signature
from ringfence.proofs.card_signing import sign_card
from ringfence.proofs.jwk_set import JwkSet
from ringfence.proofs.public_keys import PublicKey, SigningKey, thumbprint


class AttestationError(ValueError):
    """An entry that is no attestation of this card by these keys, with the problem in words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What an attestation says."""

    agent: str
    """`namespaces/{namespace}/agents/{agent}`."""
    revision: int
    """Number of the revision that has the card: 1, 2, 3 …"""


def attest_card(card: JsonObject, says: Attested, key: SigningKey) -> JsonObject:
    """Return the attestation of `card`, an entry of `signatures`; `CardFormError` when its canonical forms differ."""
    named: JsonObject = {"rev": says.revision, "sub": says.agent}
    return sign_card(card, key, key_id=thumbprint(key.public_key), says=named)


def check_attestation(card: JsonObject, entry: Json, keys: JwkSet, *, agent: str = "") -> Attested:
    """Return what `entry` attests of `card` by one of the registry's `keys`, or raise `AttestationError`.

    With `agent`, an attestation for another agent is refused; whoever has several compares their revisions.
    """
    try:
        signature = open_card_signature(entry)
        payload = CardForms(card).agreed()
    except (SignatureEntryError, CardFormError) as error:
        raise AttestationError(str(error)) from error
    key = keys.get(signature.key_id)
    if not isinstance(key, PublicKey):
        raise AttestationError("its kid is none of the registry's keys")
    if not card_key(key).verifies(signature.algorithm, signature.signature, signature.signing_input(payload)):
        raise AttestationError("it is not over this card")
    says = _said(signature.header)
    if agent and says.agent != agent:
        raise AttestationError(f"it is for {says.agent}, not for {agent}")
    return says


def _said(header: JsonObject) -> Attested:
    agent, revision = header.get("sub"), header.get("rev")
    if not isinstance(agent, str) or not agent or type(revision) is not int or revision < 1:
        raise AttestationError("it does not say which agent and revision it is for")
    return Attested(agent=agent, revision=revision)
