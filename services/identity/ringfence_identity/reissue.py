"""A new birth certificate for the same identity: the next serial, and the end of everything that leaned on the old one.

In the caller's transaction: the certificate is signed and kept, the old one's status says revoked, the revocation epoch
rises so that tokens with the old `bc` are void, and the watchers are told. What may be stated is judged before, by the
gate (`gate.py`); who may ask, before that.
"""

from dataclasses import dataclass, replace

from ringfence.proofs.canonical_json import canonical, parse_object
from ringfence_kit.clock import Instant

from ringfence_identity.birth_certificate import Birth, BirthContent, certificate_hash, issue_certificate
from ringfence_identity.delegation.cascade import end_chains_of
from ringfence_identity.document_services import publish_services
from ringfence_identity.issuance import Registrar
from ringfence_identity.model import AgentIdentity, Revocation, RevocationKind
from ringfence_identity.revocation_record import end_permission, record_revocation
from ringfence_identity.status.places import place_of
from ringfence_identity.store import IdentityTx
from ringfence_identity.trust.ledger import with_ring_ceiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Reissued:
    """An identity and its new certificate, in canonical JSON."""

    identity: AgentIdentity
    credential: str


def reissue(
    tx: IdentityTx,
    registrar: Registrar,
    identity: AgentIdentity,
    content: BirthContent,
    *,
    certificate_id: str,
    reason: str,
    at: Instant,
) -> Reissued:
    """Give `identity` a new certificate that says `content`, and end the one it has; its status stays what it is."""
    birth = Birth(
        certificate_id=certificate_id,
        did=identity.did,
        agent=identity.agent,
        environment=identity.environment,
        serial=identity.certificate_serial + 1,
        status=place_of(tx.next_status_number(identity.environment), registrar.keys.status_places),
        at=at,
        expires_at=identity.expires_at,
    )
    credential = issue_certificate(content, birth, registrar=registrar.did, key=registrar.keys.registrar)
    written = canonical(credential)
    after = replace(
        identity,
        content=content,
        certificate_serial=birth.serial,
        certificate_hash=certificate_hash(written),
        status_place=birth.status,
        trust=with_ring_ceiling(identity.trust, ring_ceiling=content.ring_ceiling, now=at),
        revocation_epoch=identity.revocation_epoch + 1,
        updated_at=at,
        revision=tx.next_revision,
    )
    after = replace(after, did_version_id=publish_services(tx, registrar, after, at=at))
    text = written.decode()
    if content.sponsor != identity.content.sponsor:
        # What it owes stays with whom it leaves as well, or a debt could be handed to somebody else and forgotten.
        tx.end_sponsorship(identity, at=at)
    tx.add_certificate(after, text)
    end_permission(tx, after, reason=reason, at=at)
    _end_certificate(tx, identity, reason=reason, at=at)
    end_chains_of(tx, after.did, reason=reason, at=at)
    return Reissued(identity=after, credential=text)


def _end_certificate(tx: IdentityTx, before: AgentIdentity, *, reason: str, at: Instant) -> None:
    old = tx.certificate(before.did, before.certificate_serial)
    if old is None:
        raise TypeError(f"{before.did} has no certificate with serial {before.certificate_serial} in store")
    record_revocation(
        tx,
        Revocation(
            kind=RevocationKind.BIRTH_CERTIFICATE,
            subject=str(parse_object(old)["id"]),
            environment=before.environment,
            reason=reason,
            at=at,
        ),
    )
