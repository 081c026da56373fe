"""Trust statements: what is known of an agent now, signed, for peers that meet while nobody can ask.

Signed by the environment's registrar key, which no gateway knows: a statement is no access token, whatever its `typ`.
Nothing is stated of an agent that is not active, so an old statement is the most that a revoked one can have.
"""

from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.compact_jws import sign_compact_jws
from ringfence.proofs.public_keys import public_key_of
from ringfence.proofs.timestamps import whole_second
from ringfence.proofs.trust_statement import LIFETIME, STATEMENT_TYPE, TrustStatement
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.errors import NotPermitted

from ringfence_identity.access import reachable
from ringfence_identity.environments import Environments
from ringfence_identity.issuance import Registrar
from ringfence_identity.model import AgentIdentity
from ringfence_identity.peers.standing import standing_of
from ringfence_identity.registrars import Registrars
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standing import require_usable


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedStatement:
    """A statement, and when it is void."""

    statement: str
    expires_at: Instant


class TrustStatements:
    """States what is known of agents."""

    def __init__(self, *, environments: Environments, registrars: Registrars, snapshot: IdentitySnapshot) -> None:
        self._environments = environments
        self._registrars = registrars
        self._snapshot = snapshot

    def issue(self, did: str, *, caller: Caller, now: Instant) -> IssuedStatement:
        """Return a statement about the agent with this DID. Nothing is stored."""
        action = f"have a statement about {did} signed"
        if not caller.has(Role.GATEWAY, Role.SERVICE) and not caller.speaks_for(did):
            raise NotPermitted(principal=caller.principal, action=action, needed=f"to be {did}")
        identity = reachable(self._environments, did, self._snapshot.identity(did), caller=caller, action=action)
        require_usable(identity, now)
        return sign_statement(identity, self._registrars.of(self._environments.get(identity.environment)), now=now)


def sign_statement(identity: AgentIdentity, registrar: Registrar, *, now: Instant) -> IssuedStatement:
    """Return what is known of `identity` at `now`, signed by `registrar`."""
    issued_at = whole_second(now)
    lives_until = Instant(issued_at + LIFETIME)
    if identity.expires_at is not None:
        lives_until = min(lives_until, whole_second(identity.expires_at))
    statement = TrustStatement(
        issuer=str(registrar.did),
        standing=standing_of(identity, now=now),
        issued_at=issued_at,
        expires_at=lives_until,
    )
    key = registrar.keys.registrar
    header: JsonObject = {"alg": "EdDSA", "kid": public_key_of(key).thumbprint, "typ": STATEMENT_TYPE}
    return IssuedStatement(statement=sign_compact_jws(header, statement.claims(), key), expires_at=statement.expires_at)
