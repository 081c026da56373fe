"""Certificates and status lists of two environments, signed with seeded keys: what a verifier is shown."""

from collections.abc import Iterable

from ringfence.proofs.canonical_json import JsonObject, canonical
from ringfence.proofs.did import AgentDid, Host, RegistrarDid, Scid
from ringfence.proofs.did_document import registrar_document
from ringfence.proofs.public_keys import public_key_of
from ringfence.proofs.status_list_check import StatusList, check_status_list
from ringfence_identity.birth_certificate import Birth, BirthContent, certificate_as_jwt, issue_certificate
from ringfence_identity.status.lists import sign_status_list
from ringfence_identity.status.places import StatusPlace
from ringfence_kit.clock import Instant
from support.identity.births import COMPLETE
from support.identity.did_logs import NOW
from support.identity.keys import seeded_key

REGISTRAR_KEY = seeded_key(5)
DEV_KEY = seeded_key(6)
REGISTRAR = RegistrarDid(Scid("QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"), Host("prod.id.ringfence.internal"))
DEV_REGISTRAR = RegistrarDid(Scid("QmcUgMgpKFypV67Tzpj5BL2Wy8V9u2wBYcJe1CMktN3WBc"), Host("dev.id.ringfence.internal"))
DOCUMENT = registrar_document(did=REGISTRAR, key=public_key_of(REGISTRAR_KEY))
DEV_DOCUMENT = registrar_document(did=DEV_REGISTRAR, key=public_key_of(DEV_KEY))
AGENT = AgentDid(Scid("QmX5NUs5f3vLVXXcAhSrrHrRZ9boEqyg9ej9YuwaTjzEU5"), REGISTRAR.host)
PLACE = StatusPlace(number=0, pair=1, index=57_562)

BIRTH = Birth(
    certificate_id="0000019b-76da-e800-8000-000000000002",
    did=str(AGENT),
    agent="namespaces/billing/agents/reconciler",
    environment="prod",
    serial=1,
    status=PLACE,
    at=NOW,
)


def credential(content: BirthContent = COMPLETE, birth: Birth = BIRTH) -> JsonObject:
    """Return a certificate as the registrar of prod signs it."""
    return issue_certificate(content, birth, registrar=REGISTRAR, key=REGISTRAR_KEY)


def as_json(signed: JsonObject) -> bytes:
    """Return a credential as it is sent."""
    return canonical(signed)


def as_jwt(signed: JsonObject) -> str:
    """Return a certificate in its other form."""
    return certificate_as_jwt(signed, registrar=REGISTRAR, key=REGISTRAR_KEY)


def signed_list(number: int, indices: Iterable[int] = (), *, now: Instant = NOW) -> JsonObject:
    """Return a status list as the registrar of prod signs it."""
    return sign_status_list(number, indices, registrar=REGISTRAR, key=REGISTRAR_KEY, now=now)


def checked_lists(
    *, revoked: Iterable[int] = (), suspended: Iterable[int] = (), now: Instant = NOW
) -> tuple[StatusList, StatusList]:
    """Return the first pair of lists, checked."""
    return (
        check_status_list(as_json(signed_list(1, revoked, now=now)), registrar=DOCUMENT, now=now),
        check_status_list(as_json(signed_list(2, suspended, now=now)), registrar=DOCUMENT, now=now),
    )
