"""Enrolment: from a challenge to a DID and a birth certificate, in two calls.

- beginning stores nothing; completing stores everything in one transaction: the spent challenge, the identity, its
  certificate, its DID log and the event;
- who asks is checked first, before anything about the agent is said;
- what depends on the time is judged inside the transaction, so that a repeated request gets its first answer also
  after the challenge has expired.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ringfence.proofs.public_keys import PublicKey
from ringfence.proofs.timestamps import whole_second
from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import DAY, MINUTE, Instant, Millis
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.events import Change
from ringfence_kit.ids import NewId
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import require_owner
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.enrolment_challenge import (
    CHALLENGE_LIFETIME,
    Challenge,
    read_challenge,
    require_fresh,
    require_possession,
    seal_challenge,
    signing_input,
)
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import (
    AgentAlreadyEnrolled,
    AgentRevoked,
    ChallengeInvalid,
    KeyAlreadyUsed,
)
from ringfence_identity.gate import require_answerable, require_statable
from ringfence_identity.issuance import Issued, Newcomer, Registrar, issue_identity
from ringfence_identity.model import IDENTITY, AgentIdentity, IdentityStatus
from ringfence_identity.registrars import Registrars
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.sponsors.limits import SponsorLimits, require_room
from ringfence_identity.sponsors.registration import require_present
from ringfence_identity.status.places import place_of
from ringfence_identity.store import IdentityTx, Purpose
from ringfence_identity.store.agent_keys import UsedKey
from ringfence_identity.trust.ledger import inherited_debt

DEBT_REMEMBERED = Millis(90 * DAY)
"""A sponsor's new agent inherits from those that were not revoked longer ago than this."""

SHORTEST_LIFETIME = MINUTE
LONGEST_LIFETIME = DAY
"""How long an agent named by its key may last: that key cannot be replaced, so it must not be needed for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRegistration:
    """Who shall be enrolled, where, and who answers for it; the content when the caller wants the bytes to sign."""

    agent: AgentName
    environment: str
    sponsor: str
    """`sponsors/{sponsor}`."""
    lifetime: Millis | None = None
    """How long an ephemeral agent, named by its key, shall last; None for one with a did:webvh."""
    content: BirthContent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A challenge to answer, and the bytes to sign when they were asked for."""

    challenge: bytes
    expires_at: Instant
    signing_input: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteRegistration:
    """The answer to a challenge."""

    challenge: bytes
    public_key: bytes
    proof: bytes
    content: BirthContent


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A new identity and its signed birth certificate, in canonical JSON."""

    identity: AgentIdentity
    credential: str


class Enrolment:
    """Enrols agents in the environments hosted here."""

    def __init__(
        self,
        *,
        environments: Environments,
        registrars: Registrars,
        snapshot: IdentitySnapshot,
        writer: Writer[IdentityTx],
        new_id: NewId,
        new_nonce: Callable[[], bytes],
        limits: SponsorLimits,
    ) -> None:
        self._environments = environments
        self._registrars = registrars
        self._snapshot = snapshot
        self._writer = writer
        self._new_id = new_id
        self._new_nonce = new_nonce
        self._limits = limits

    def begin(self, wanted: BeginRegistration, *, caller: Caller, now: Instant) -> Begun:
        """Return a challenge for the agent. Nothing is stored."""
        require_owner(caller, wanted.agent.namespace, action=f"enrol {wanted.agent}")
        registrar = self._registrars.of(self._environments.get(wanted.environment))
        require_present(self._snapshot.sponsor(wanted.sponsor), wanted.sponsor)
        if wanted.content is not None:
            _require_content(wanted.content, registrar.environment, sponsor=wanted.sponsor)
        challenge = Challenge(
            agent=wanted.agent,
            environment=wanted.environment,
            sponsor=wanted.sponsor,
            nonce=self._new_nonce(),
            expires_at=Instant(now + CHALLENGE_LIFETIME),
            lifetime=wanted.lifetime,
        )
        sealed = seal_challenge(challenge, registrar.keys.challenge[-1])
        return Begun(
            challenge=sealed,
            expires_at=challenge.expires_at,
            signing_input=b"" if wanted.content is None else signing_input(sealed, wanted.content),
        )

    async def complete(self, answer: CompleteRegistration, *, caller: Caller, mutation: Mutation) -> Enrolled:
        """Enrol the agent that the challenge names."""
        registrar, challenge = self._read(answer.challenge)
        require_owner(caller, challenge.agent.namespace, action=f"enrol {challenge.agent}")
        uid, certificate_id = self._new_id(), self._new_id()

        def work(tx: IdentityTx) -> Enrolled:
            require_fresh(challenge, now=mutation.at)
            _require_content(answer.content, registrar.environment, sponsor=challenge.sponsor)
            key = require_possession(answer.public_key, answer.proof, answer.challenge, answer.content)
            _require_unspent(tx, challenge)
            require_answerable(tx, answer.content)
            _require_new(tx, challenge, key)
            require_room(
                tx, self._limits, sponsor=challenge.sponsor, environment=challenge.environment, now=mutation.at
            )
            newcomer = Newcomer(
                agent=challenge.agent,
                key=key,
                lifetime=challenge.lifetime,
                content=answer.content,
                debt=_debt_of(tx, challenge.environment, challenge.sponsor, now=mutation.at),
                uid=uid,
                certificate_id=certificate_id,
                status_place=place_of(tx.next_status_number(challenge.environment), registrar.keys.status_places),
            )
            issued = issue_identity(registrar, newcomer, revision=tx.next_revision, now=mutation.at)
            _store(tx, issued)
            return Enrolled(identity=issued.identity, credential=issued.credential)

        return await self._writer.write(work, mutation=mutation, result=Enrolled)

    def _read(self, sealed: bytes) -> tuple[Registrar, Challenge]:
        """Return whose challenge it is and what it says; each environment knows only its own."""
        for registrar in self._registrars:
            challenge = read_challenge(sealed, registrar.keys.challenge)
            if challenge is not None and challenge.environment == registrar.environment.name:
                return registrar, challenge
        raise ChallengeInvalid(problem="it was not made by this server")


def _require_content(content: BirthContent, environment: Environment, *, sponsor: str) -> None:
    require_statable(content, environment)
    if content.sponsor != sponsor:
        raise InvalidRequest(Violation("birth_certificate.sponsor", "is not the sponsor the registration began with"))


def _require_unspent(tx: IdentityTx, challenge: Challenge) -> None:
    if not tx.spend(Purpose.CHALLENGE, challenge.nonce.hex(), until=challenge.expires_at):
        raise ChallengeInvalid(problem="it was answered before")


def _require_new(tx: IdentityTx, challenge: Challenge, key: PublicKey) -> None:
    known = tx.identity_of_agent(str(challenge.agent), challenge.environment)
    if known is not None and known.status is IdentityStatus.REVOKED:
        raise AgentRevoked(did=known.did)
    if known is not None:
        raise AgentAlreadyEnrolled(agent=known.agent, environment=known.environment, did=known.did)
    if tx.key_is_used(key.multibase):
        raise KeyAlreadyUsed(thumbprint=key.thumbprint)


def _debt_of(tx: IdentityTx, environment: str, sponsor: str, *, now: Instant) -> int:
    return inherited_debt(tx.worst_debt(environment, sponsor, since=Instant(now - DEBT_REMEMBERED)))


def _store(tx: IdentityTx, issued: Issued) -> None:
    identity, first = issued.identity, issued.first_entry
    tx.add_identity(identity)
    tx.add_certificate(identity, issued.credential)
    # In whole seconds, as are the claims of what it signs.
    tx.add_key(UsedKey(key=identity.key, did=identity.did, since=whole_second(identity.created_at)))
    if first is not None:
        tx.add_log_line(identity.did, first.number, first.line)
    tx.record(Change.ADDED, IDENTITY, identity.did, records.encode(identity))
