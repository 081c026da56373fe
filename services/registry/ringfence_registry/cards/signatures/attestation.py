"""The registry's own signature on cards, and the keys it is made with.

- Only a card on which all canonical forms in use agree is signed; it is never changed for that.
- The newest key signs; those before it stay in the JWK Set, so that what they signed is still verified.
- It is made when asked for, in tens of microseconds, and is the same each time: nothing has to be kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.card_attestation import Attested, attest_card
from ringfence.proofs.card_forms import CardFormError
from ringfence.proofs.jwk_set import published_jwk
from ringfence.proofs.public_keys import PublicKey
from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import KeyStore, Signer

from ringfence_registry.cards.reading import open_card
from ringfence_registry.cards.signatures.splicing import NoRoomForSignature, with_signature
from ringfence_registry.errors.cards import CardNotAttestable

SIGNING_KEYS = "card-attestations"
"""The name the keys are kept under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCard:
    """A card the registry holds, and what it can say of it."""

    body: bytes
    says: Attested


class CardAttestor:
    """Signs cards, once its keys are opened. A registry without a seal for keys has none, and signs nothing."""

    def __init__(self) -> None:
        self._signers: Sequence[Signer] = ()

    def open(self, keys: KeyStore, *, at: Instant) -> None:
        """Take the keys out of `keys`; the first is made when there is none."""
        self._signers = keys.ensure_signers(SIGNING_KEYS, at=at)

    def attest(self, held: HeldCard) -> JsonObject:
        """Return the registry's signature, an entry of `signatures`, or raise `CardNotAttestable`."""
        if not self._signers:
            raise CardNotAttestable(name=held.says.agent, why="this registry keeps no signing key; set registry.seal")
        try:
            return attest_card(open_card(held.body), held.says, self._signers[-1])
        except CardFormError as error:
            raise CardNotAttestable(name=held.says.agent, why=str(error)) from error

    def attested_bytes(self, held: HeldCard) -> bytes:
        """Return the card with the registry's signature among its own; as it is when it cannot be signed."""
        try:
            return with_signature(held.body, self.attest(held))
        except (CardNotAttestable, NoRoomForSignature):
            return held.body

    @property
    def jwks(self) -> JsonObject:
        """The JWK Set (RFC 7517) that verifies what is signed here."""
        return {"keys": [published_jwk(PublicKey(signer.public_key)) for signer in self._signers]}
