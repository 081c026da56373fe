"""Reading a birth certificate that somebody shows: whose it is, what it permits, and that its registrar issued it.

The wall between environments is the registrar: one of dev never issued a certificate of prod, and a certificate whose
agent lives on another host than its registrar is refused. Whether it still holds is `require_good_standing`'s to say.
"""

from dataclasses import dataclass

from ringfence.instants import Instant
from ringfence.proofs.canonical_json import JsonObject, base64url, digest
from ringfence.proofs.credential_check import CONTEXT, CheckedCredential, CredentialError, check_credential
from ringfence.proofs.did import AgentDid, DidError, KeyDid, parse_did

BIRTH_CONTEXT = "https://ringfence.dev/ns/agent-birth/v1"
BIRTH_CERTIFICATE = "AgentBirthCertificate"

_WHO = frozenset({"id", "agent", "environment", "serial"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BirthCertificate:
    """A birth certificate that its registrar issued, and what it says about whom."""

    credential: CheckedCredential
    certificate_id: str
    """`urn:uuid:…`."""
    did: AgentDid | KeyDid
    agent: str
    """`namespaces/{namespace}/agents/{agent}`."""
    environment: str
    serial: int
    hash: str
    """The claim `bc` of tokens issued under it; empty when it came as a JWS, which has no proof to hash."""
    content: JsonObject
    """What is stated about the agent: the proto3 JSON form of BirthCertificateContent."""


def check_birth_certificate(text: str | bytes, *, registrar: JsonObject, now: Instant) -> BirthCertificate:
    """Return the birth certificate in `text`, JSON or `vc+jwt`, or raise `CredentialError`."""
    checked = check_credential(text, type_=BIRTH_CERTIFICATE, registrar=registrar, now=now)
    if checked.content["@context"] != [CONTEXT, BIRTH_CONTEXT]:
        raise CredentialError("its contexts are not those of a birth certificate")
    certificate_id, subject = checked.content.get("id"), checked.content.get("credentialSubject")
    if not isinstance(certificate_id, str) or not isinstance(subject, dict):
        raise CredentialError("it has no id, or not one subject")
    match subject:
        case {
            "id": str() as did,
            "agent": str() as agent,
            "environment": str() as environment,
            "serial": int() as serial,
        } if serial > 0:
            pass
        case _:
            raise CredentialError("its subject is not an agent of an environment, with a serial")
    return BirthCertificate(
        credential=checked,
        certificate_id=certificate_id,
        did=_subject(did, checked),
        agent=agent,
        environment=environment,
        serial=serial,
        hash="" if checked.secured is None else base64url(digest(checked.secured)),
        content={name: value for name, value in subject.items() if name not in _WHO},
    )


def _subject(text: str, checked: CheckedCredential) -> AgentDid | KeyDid:
    try:
        did = parse_did(text)
    except DidError as error:
        raise CredentialError(f"its subject is not an agent: {error.problem}") from error
    if isinstance(did, KeyDid) or (isinstance(did, AgentDid) and did.host == checked.issuer.host):
        return did
    raise CredentialError("its subject is not an agent of its issuer's environment")
