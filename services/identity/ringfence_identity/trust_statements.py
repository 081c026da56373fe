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

from ringfence_identity.access import environment_of_did, require_environment
from ringfence_identity.environments import Environments
from ringfence_identity.errors import AgentNotFound, AgentRevoked, AgentSuspended
from ringfence_identity.issuance import Registrar
from ringfence_identity.model import AgentIdentity, IdentityStatus
from ringfence_identity.registrars import Registrars
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standings import is_active, standing_of


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
        environment = environment_of_did(self._environments, did)
        action = f"have a statement about {did} signed"
        require_environment(caller, environment, action=action)
        if not caller.has(Role.GATEWAY, Role.SERVICE) and not caller.speaks_for(did):
            raise NotPermitted(principal=caller.principal, action=action, needed=f"to be {did}")
        identity = self._snapshot.identity(did)
        if identity is None:
            raise AgentNotFound(agent=did, environment=environment.name)
        _require_active(identity, now)
        return sign_statement(identity, self._registrars.of(environment), now=now)


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


def _require_active(identity: AgentIdentity, now: Instant) -> None:
    if identity.status is IdentityStatus.SUSPENDED:
        raise AgentSuspended(did=identity.did)
    if not is_active(identity, now=now):
        raise AgentRevoked(did=identity.did)
