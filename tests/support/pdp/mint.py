"""What identity signs in one environment: delegation tokens and elevation grants, with every part open to a test."""

from collections.abc import Mapping
from typing import Any

from ringfence.proofs.access_token import AccessToken, TokenDelegation
from ringfence.proofs.canonical_json import canonical
from ringfence.proofs.did import Host, RegistrarDid, Scid
from ringfence.proofs.did_document import registrar_document
from ringfence.proofs.elevation import ElevationGrant, sign_elevation
from ringfence.proofs.jwk_set import key_of_jwk, published_jwk
from ringfence.proofs.public_keys import Thumbprint, public_key_of
from ringfence_identity.tokens import sign_token
from ringfence_kit.clock import MINUTE, SECOND, Instant
from ringfence_kit.sealed_keys import Ed25519Signer
from ringfence_pdp.chains.issuers import Issuer

from support.identity.keys import seeded_key

AUDIENCE = "https://warehouse.example.com"
TOOL_HASH = f"sha256-{'a' * 64}"


class Mint:
    """The issuer and the registrar of an environment."""

    def __init__(self, environment: str = "prod", *, seed: int = 0) -> None:
        self.environment = environment
        self.key = seeded_key(101 + seed)
        self.registrar_key = seeded_key(201 + seed)
        self.name = f"https://{environment}.id.ringfence.internal"
        self.registrar = RegistrarDid(Scid("QmRegistrar" + "1" * 35), Host(f"{environment}.id.ringfence.internal"))

    @property
    def issuer(self) -> Issuer:
        """What the pdp checks its proofs with."""
        registrar_key = public_key_of(self.registrar_key)
        return Issuer(
            environment=self.environment,
            name=self.name,
            keys={self.key.key_id: key_of_jwk(self.key.jwk)},
            registrar=str(self.registrar),
            registrar_keys={registrar_key.thumbprint: registrar_key},
        )

    @property
    def jwks(self) -> bytes:
        """The JWK Set as identity publishes it."""
        return canonical({"keys": [published_jwk(key_of_jwk(self.key.jwk))]})

    def document(self, did: str) -> bytes:
        """The DID document of the registrar, or as much as is read of an agent's."""
        if did == str(self.registrar):
            whole = registrar_document(did=self.registrar, key=public_key_of(self.registrar_key))
            return canonical(whole)
        return canonical({"id": did, "controller": str(self.registrar)})

    def token(
        self,
        *path: str,
        now: Instant,
        key: Ed25519Signer | None = None,
        tools: Mapping[str, str] | None = None,
        budget: Mapping[str, int] | None = None,
        grants: tuple[str, ...] | None = None,
        delegated: bool = True,
        **changes: Any,
    ) -> str:
        """Return a token for the last of `path`, on behalf of the first."""
        issued = Instant(now // SECOND * SECOND)
        said: dict[str, Any] = {
            "token_id": "00000000-0000-4000-8000-000000000001",
            "issuer": self.name,
            "audience": AUDIENCE,
            "did": path[-1],
            "environment": self.environment,
            "ring": 2,
            "scopes": ("read_table", "orders:*"),
            "holder": Thumbprint("h" * 43),
            "birth_certificate_hash": "bc",
            "revocation_epoch": 1,
            "issued_at": issued,
            "expires_at": Instant(issued + MINUTE),
            "delegation": TokenDelegation(
                chain="00000000-0000-4000-8000-0000000000aa",
                path=path,
                grants=grants or tuple(f"grant-{number}" for number in range(1, len(path))),
                depth=len(path) - 1,
                tools={"warehouse.query": TOOL_HASH} if tools is None else tools,
                budget=budget or {},
            )
            if delegated
            else None,
        }
        return sign_token(AccessToken(**{**said, **changes}), key or self.key)

    def elevation(
        self, origin: str, *, now: Instant, key: Ed25519Signer | None = None, minutes: int = 5, **changes: Any
    ) -> str:
        """Return a grant that raises calls of `origin`."""
        issued = Instant(now // SECOND * SECOND)
        said: dict[str, Any] = {
            "name": "elevations/e-1",
            "issuer": str(self.registrar),
            "origin": origin,
            "environment": self.environment,
            "action": "read_table",
            "resource": "orders",
            "ring": 1,
            "approvals": 2,
            "issued_at": issued,
            "expires_at": Instant(issued + minutes * MINUTE),
        }
        return sign_elevation(ElevationGrant(**{**said, **changes}), key or self.registrar_key)
