"""Signing access tokens: with the key of the token's environment, and the algorithm its audience understands."""

from ringfence.proofs.access_token import AccessToken
from ringfence.proofs.jwk_set import ED_DSA, ES256
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Unavailable

from ringfence_identity.environments import Environments
from ringfence_identity.issuer_keys.schedule import signing_key
from ringfence_identity.issuer_keys.signers import IssuerSigners
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.tokens import sign_token


class TokenSigning:
    """Signs what others have decided to say. `now` is the signing clock's, which is never behind what it said."""

    def __init__(self, *, environments: Environments, snapshot: IdentitySnapshot, signers: IssuerSigners) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._signers = signers

    def sign(self, token: AccessToken, *, now: Instant) -> str:
        """Return the compact JWS of `token`."""
        environment = self._environments.get(token.environment)
        algorithm = ES256 if token.audience in environment.es256_audiences else ED_DSA
        key = signing_key(self._snapshot.issuer_keys(environment.name), algorithm, now=now)
        if key is None:
            raise Unavailable(problem=f"no {algorithm} key of environment {environment.name} may sign")
        return sign_token(token, self._signers.signer(key))
