"""Agent Cards signed as others sign them: by hand over any bytes with PyJWT's algorithms, and by the a2a-sdk."""

import base64
import copy
import hmac
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import create_agent_card_signer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from google.protobuf.json_format import MessageToDict
from jwt.algorithms import get_default_algorithms
from ringfence.proofs.card_forms import CardForm, CardForms
from ringfence.proofs.card_keys import CardKey, read_pinned_keys

Json: TypeAlias = Any

CARD: dict[str, Json] = {
    "name": "Invoice Reader",
    "description": "Reads invoices and proposes ledger entries.",
    "version": "1.4.0",
    "supportedInterfaces": [
        {"url": "https://agents.example.com/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ],
    "provider": {"organization": "Example", "url": "https://example.com"},
    "capabilities": {"streaming": True},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["application/json"],
    "skills": [
        {"id": "read", "name": "Read", "description": "Reads one invoice.", "tags": ["invoice"], "examples": ["Read 7"]}
    ],
}
"""A card on which every canonical form agrees."""

EMPTY_PLACES: dict[str, Json] = {
    **CARD,
    "description": "",
    "capabilities": {"streaming": False, "extensions": []},
    "skills": [{**CARD["skills"][0], "inputModes": []}],
}
"""A card that every canonical form reads differently."""


@dataclass(frozen=True, slots=True)
class TestSigner:
    """A private key somewhere in the world, and the name it signs under."""

    __test__ = False

    algorithm: str
    key_id: str
    private: Any

    @property
    def jwk(self) -> dict[str, Json]:
        """The public JWK."""
        algorithm = get_default_algorithms()[self.algorithm]
        made: Any = json.loads(algorithm.to_jwk(self.private.public_key()))
        return {**{name: made[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in made}, "kid": self.key_id}

    @property
    def key(self) -> CardKey:
        """The public key, as a verifier holds it."""
        return read_pinned_keys({"keys": [self.jwk]})[self.key_id]

    def entry(self, payload: bytes, *, unprotected: Json = None, **header: Json) -> dict[str, Json]:
        """Return an entry of `signatures` over `payload`; a header member None is left out."""
        members = {"alg": self.algorithm, "kid": self.key_id, "typ": "JOSE", **header}
        protected = b64(json.dumps({name: held for name, held in members.items() if held is not None}).encode())
        signing_input = f"{protected}.{b64(payload)}".encode()
        signature = get_default_algorithms()[self.algorithm].sign(signing_input, self.private)
        entry = {"protected": protected, "signature": b64(signature)}
        return entry if unprotected is None else {**entry, "header": unprotected}

    def signed(self, card: dict[str, Json], form: CardForm = CardForm.RAW, **header: Json) -> dict[str, Json]:
        """Return `card` with one more signature, over it in `form`."""
        entry = self.entry(CardForms(card).form(form).payload, **header)
        return {**card, "signatures": [*card.get("signatures", []), entry]}

    def signed_by_the_sdk(self, card: dict[str, Json]) -> dict[str, Json]:
        """Return `card` as the a2a-sdk signs it and writes it out."""
        header: Any = {"alg": self.algorithm, "kid": self.key_id, "typ": "JOSE"}
        message = parse_agent_card(copy.deepcopy(card))
        signed: dict[str, Json] = MessageToDict(create_agent_card_signer(self.private, header)(message))
        return signed


def b64(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@lru_cache
def signer(algorithm: str, key_id: str = "", *, bits: int = 2_048) -> TestSigner:
    """Return the same new key for the same words within a run."""
    made: Any = {
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "RS256": lambda: rsa.generate_private_key(65_537, bits),
        "PS256": lambda: rsa.generate_private_key(65_537, bits),
    }
    return TestSigner(algorithm, key_id or f"key-{algorithm}", made[algorithm]())


def hmac_entry(payload: bytes, key_id: str, secret: bytes, algorithm: str = "HS256") -> dict[str, Json]:
    """Return an entry by a symmetric algorithm, made by hand: PyJWT refuses a public key for a secret."""
    protected = b64(json.dumps({"alg": algorithm, "kid": key_id}).encode())
    made = hmac.digest(secret, f"{protected}.{b64(payload)}".encode(), algorithm.replace("HS", "sha"))
    return {"protected": protected, "signature": b64(made)}
