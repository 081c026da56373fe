"""What is made for a newcomer: its DID, the first entry of its history, its birth certificate and its first trust.

Pure: keys, time, ids and the inherited debt are arguments. Storing it is enrolment's part.
"""

from dataclasses import dataclass

from ringfence.proofs.canonical_json import canonical
from ringfence.proofs.did import AgentDid, KeyDid, RegistrarDid
from ringfence.proofs.did_document import SCID_PLACEHOLDER, agent_document
from ringfence.proofs.did_log import LogEntry, scid_of
from ringfence.proofs.public_keys import PublicKey, public_key_of
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.names import AgentName

from ringfence_identity.birth_certificate import (
    Birth,
    BirthContent,
    certificate_hash,
    issue_certificate,
    status_list_urls,
)
from ringfence_identity.did_log import begin_log
from ringfence_identity.environment_keys import EnvironmentKeys
from ringfence_identity.environments import Environment
from ringfence_identity.model import AgentIdentity
from ringfence_identity.status.places import StatusPlace
from ringfence_identity.trust.ledger import newborn

FIRST_SERIAL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """An environment with everything that is needed to issue identities in it."""

    environment: Environment
    keys: EnvironmentKeys
    did: RegistrarDid


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An agent that passed every gate."""

    agent: AgentName
    key: PublicKey
    lifetime: Millis | None = None
    """How long it lasts, named by its key; None for one with a history, for good."""
    content: BirthContent
    debt: int
    """Micro-points inherited from its sponsor's other agents."""
    uid: str
    certificate_id: str
    status_place: StatusPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What was made for it."""

    identity: AgentIdentity
    credential: str
    """The birth certificate in canonical JSON."""
    first_entry: LogEntry | None
    """The beginning of its history; a did:key has none."""


def issue_identity(registrar: Registrar, newcomer: Newcomer, *, revision: int, now: Instant) -> Issued:
    """Return everything that makes `newcomer` an agent of the registrar's environment."""
    first = _first_entry(registrar, newcomer, now) if newcomer.lifetime is None else None
    did = KeyDid(newcomer.key) if first is None else AgentDid(scid_of(first), registrar.environment.host)
    birth = Birth(
        certificate_id=newcomer.certificate_id,
        did=str(did),
        agent=str(newcomer.agent),
        environment=registrar.environment.name,
        serial=FIRST_SERIAL,
        status=newcomer.status_place,
        at=now,
        expires_at=None if newcomer.lifetime is None else Instant(now + newcomer.lifetime),
    )
    credential = issue_certificate(newcomer.content, birth, registrar=registrar.did, key=registrar.keys.registrar)
    written = canonical(credential)
    identity = AgentIdentity(
        uid=newcomer.uid,
        agent=birth.agent,
        environment=birth.environment,
        did=birth.did,
        key=newcomer.key.multibase,
        did_version_id="" if first is None else first.version_id,
        content=newcomer.content,
        certificate_serial=birth.serial,
        certificate_hash=certificate_hash(written),
        status_place=birth.status,
        trust=newborn(ring_ceiling=newcomer.content.ring_ceiling, debt=newcomer.debt, now=now),
        expires_at=birth.expires_at,
        created_at=now,
        updated_at=now,
        revision=revision,
    )
    return Issued(identity=identity, credential=written.decode(), first_entry=first)


def _first_entry(registrar: Registrar, newcomer: Newcomer, now: Instant) -> LogEntry:
    updates = registrar.keys.updates
    template = agent_document(
        did=AgentDid(SCID_PLACEHOLDER, registrar.environment.host),
        key=newcomer.key,
        registrar=registrar.did,
        card_url=registrar.environment.card_of(newcomer.agent.namespace, newcomer.agent.agent),
        status_urls=status_list_urls(registrar.did, newcomer.status_place),
    )
    return begin_log(
        template,
        key=updates.key(newcomer.uid, 1),
        next_key=public_key_of(updates.key(newcomer.uid, 2)),
        now=now,
    )
