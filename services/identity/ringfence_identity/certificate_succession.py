"""Birth certificates after the first: issuing a new one for the same identity, and showing any of them.

A certificate is never changed. What an agent is for, may do, or was built from changes with a new serial; the one
before it is revoked with everything that leaned on it, in one transaction.
"""

import enum
from dataclasses import dataclass

from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.did import KeyDid
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import environment_of_did, owned_environment
from ringfence_identity.birth_certificate import BirthContent, certificate_as_jwt
from ringfence_identity.dids import parse_did
from ringfence_identity.environments import Environments
from ringfence_identity.errors import BirthCertificateNotFound, DidNotFound
from ringfence_identity.gate import require_answerable, require_new_evaluation, require_statable
from ringfence_identity.issuance import Registrar
from ringfence_identity.model import AgentIdentity, IdentityStatus
from ringfence_identity.registrars import Registrars
from ringfence_identity.reissue import Reissued, reissue
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.sponsors.limits import SponsorLimits, require_room
from ringfence_identity.standing import changeable, require_not_over
from ringfence_identity.store import IdentityStore, IdentityTx


class Form(enum.Enum):
    """How a certificate is written."""

    DATA_INTEGRITY = "eddsa-jcs-2022"
    JWT = "vc+jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowCertificate:
    """Which certificate is wanted; serial 0 is the newest."""

    did: str
    serial: int = 0
    form: Form = Form.DATA_INTEGRITY


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCertificate:
    """A certificate as it was signed, and whether it still counts."""

    credential: str
    serial: int
    revoked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCertificate:
    """What the next certificate of an identity shall say, whole."""

    did: str
    content: BirthContent
    etag: str = ""


class CertificateSuccession:
    """Issues and shows them."""

    def __init__(
        self,
        *,
        environments: Environments,
        registrars: Registrars,
        snapshot: IdentitySnapshot,
        store: IdentityStore,
        writer: Writer[IdentityTx],
        new_id: NewId,
        limits: SponsorLimits,
    ) -> None:
        self._environments = environments
        self._registrars = registrars
        self._snapshot = snapshot
        self._store = store
        self._writer = writer
        self._new_id = new_id
        self._limits = limits

    async def show(self, wanted: ShowCertificate) -> ShownCertificate:
        """Return one certificate; they are public, as the DID document that points to them."""
        identity = self._snapshot.identity(wanted.did)
        if identity is None:
            raise self._unknown(wanted.did)
        registrar = self._registrars.of(self._environments.get(identity.environment))
        serial = wanted.serial or identity.certificate_serial
        credential = await self._store.certificate(wanted.did, serial)
        if credential is None:
            raise BirthCertificateNotFound(did=wanted.did, serial=serial)
        return ShownCertificate(
            credential=credential if wanted.form is Form.DATA_INTEGRITY else _as_jwt(credential, registrar),
            serial=serial,
            revoked=serial < identity.certificate_serial or identity.status is IdentityStatus.REVOKED,
        )

    async def issue(self, wanted: IssueCertificate, *, caller: Caller, mutation: Mutation) -> Reissued:
        """Give an identity its next certificate."""
        known = self._snapshot.identity(wanted.did)
        action = f"issue a birth certificate for {wanted.did}"
        environment = owned_environment(self._environments, wanted.did, known, caller=caller, action=action)
        registrar = self._registrars.of(environment)
        certificate_id = self._new_id()

        def work(tx: IdentityTx) -> Reissued:
            before = changeable(tx.identity(wanted.did), wanted.did, etag=wanted.etag)
            # A suspended agent may get one: without a sponsor it needs a new certificate before it can be reinstated.
            require_not_over(before, mutation.at)
            require_statable(wanted.content, environment)
            require_new_evaluation(tx, wanted.content, before, environment)
            require_answerable(tx, wanted.content)
            self._require_room(tx, before, wanted.content, now=mutation.at)
            return reissue(
                tx,
                registrar,
                before,
                wanted.content,
                certificate_id=certificate_id,
                reason=f"birth certificate {before.certificate_serial} was followed by a newer one",
                at=mutation.at,
            )

        return await self._writer.write(work, mutation=mutation, result=Reissued)

    def _require_room(self, tx: IdentityTx, before: AgentIdentity, content: BirthContent, *, now: Instant) -> None:
        """An agent that is handed to another sponsor counts there, as one enrolled there would."""
        if content.sponsor != before.content.sponsor:
            room = {"sponsor": content.sponsor, "environment": before.environment}
            require_room(tx, self._limits, **room, now=now, enrolling=False)

    def _unknown(self, did: str) -> DidNotFound:
        if not isinstance(parse_did(did), KeyDid):
            environment_of_did(self._environments, did)
        return DidNotFound(did=did)


def _as_jwt(credential: str, registrar: Registrar) -> str:
    return certificate_as_jwt(parse_object(credential), registrar=registrar.did, key=registrar.keys.registrar)
