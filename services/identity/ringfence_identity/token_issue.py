"""Issuing access tokens: an agent shows an assertion by its own key and gets a token for one audience.

Permission is what the birth certificate says now, the ring is computed now, and an assertion is good for one token: its
use is committed before the token is handed out.
"""

import itertools
from dataclasses import dataclass

from ringfence.proofs.access_token import AccessToken
from ringfence.proofs.public_keys import from_multibase
from ringfence.proofs.scopes import not_covered
from ringfence.proofs.timestamps import whole_second
from ringfence_kit.clock import Instant
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.trust_decay import ring_at

from ringfence_identity.access import environment_of_did
from ringfence_identity.assertion_use import spend_assertion
from ringfence_identity.client_assertion import Assertion, ReadAssertion, check_assertion, read_assertion
from ringfence_identity.environments import Environments
from ringfence_identity.errors import (
    AssertionInvalid,
    DidInvalid,
    ScopeNotGranted,
)
from ringfence_identity.issuance import Registrar
from ringfence_identity.model import AgentIdentity
from ringfence_identity.registrars import Registrars
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standing import require_usable
from ringfence_identity.store import IdentityTx
from ringfence_identity.token_signing import TokenSigning
from ringfence_identity.tokens import expiry

FORGET_EVERY = 64
FORGOTTEN_AT_ONCE = 4 * FORGET_EVERY
"""Each so many issues clear away expired one-time values: more than were added meanwhile, so they never pile up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueToken:
    """What an agent asks for."""

    assertion: str
    audience: str
    scopes: tuple[str, ...] = ()
    """Empty asks for every permission of the birth certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token, and when it ends."""

    access_token: str
    expires_at: Instant


class TokenIssue:
    """Issues access tokens. The assertion is the authentication; who calls does not matter."""

    def __init__(
        self,
        *,
        environments: Environments,
        registrars: Registrars,
        snapshot: IdentitySnapshot,
        writer: Writer[IdentityTx],
        signing: TokenSigning,
        new_id: NewId,
    ) -> None:
        self._environments = environments
        self._registrars = registrars
        self._snapshot = snapshot
        self._writer = writer
        self._signing = signing
        self._new_id = new_id
        self._issues = itertools.count(1)

    async def issue(self, wanted: IssueToken, *, now: Instant) -> IssuedToken:
        """Return a token for the agent that signed the assertion."""
        read = read_assertion(wanted.assertion)
        registrar, identity = self._agent(read)
        issuer = registrar.environment.issuer
        holder = from_multibase(identity.key)
        assertion = check_assertion(read, key=holder, issuer=issuer, now=now)
        scopes = wanted.scopes or identity.content.permissions
        await self._spend(identity, assertion, scopes, now)
        ring = ring_at(identity.trust.state, now)
        expires_at = expiry(ring=ring, longest=registrar.environment.token_lifetime, now=now)
        if identity.expires_at is not None:
            # Nothing is revoked when an ephemeral agent ends, so no token may outlast it.
            expires_at = min(expires_at, whole_second(identity.expires_at))
        token = AccessToken(
            token_id=self._new_id(),
            issuer=issuer,
            audience=wanted.audience,
            did=identity.did,
            environment=identity.environment,
            ring=ring,
            scopes=scopes,
            holder=holder.thumbprint,
            birth_certificate_hash=identity.certificate_hash,
            revocation_epoch=identity.revocation_epoch,
            issued_at=whole_second(now),
            expires_at=expires_at,
        )
        return IssuedToken(access_token=self._signing.sign(token, now=now), expires_at=expires_at)

    def _agent(self, read: ReadAssertion) -> tuple[Registrar, AgentIdentity]:
        """Return whose assertion this claims to be, and the registrar of that agent's environment."""
        try:
            environment = environment_of_did(self._environments, read.subject)
        except DidInvalid as invalid:
            raise AssertionInvalid(problem="sub is not the DID of an agent of this server") from invalid
        identity = self._snapshot.identity(read.subject)
        if identity is None:
            raise AssertionInvalid(problem="sub is not the DID of an agent of this server")
        return self._registrars.of(environment), identity

    async def _spend(self, read: AgentIdentity, assertion: Assertion, scopes: tuple[str, ...], now: Instant) -> None:
        """Use up the assertion for good, with the agent as it stands in the same transaction."""
        housekeeping = next(self._issues) % FORGET_EVERY == 0

        def work(tx: IdentityTx) -> None:
            identity = tx.identity(read.did) or read
            require_usable(identity, now)
            if identity.key != read.key:
                # It was rotated since the assertion was checked.
                raise AssertionInvalid(problem="it is signed with a key that is not in force any more")
            _require_scopes(identity, scopes)
            spend_assertion(tx, read.did, assertion)
            if housekeeping:
                tx.forget_spent(before=now, limit=FORGOTTEN_AT_ONCE)

        await self._writer.write(work, mutation=Mutation(principal=read.did, at=now), result=type(None))


def _require_scopes(identity: AgentIdentity, scopes: tuple[str, ...]) -> None:
    beyond = not_covered(identity.content.permissions, scopes)
    if beyond:
        raise ScopeNotGranted(did=identity.did, scopes=beyond)
