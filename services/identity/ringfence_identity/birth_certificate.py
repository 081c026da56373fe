"""The birth certificate: what must be stated about an agent before it gets an identity, and the credential saying so.

- no certificate, no credential: the gate names every missing part at once;
- an evaluation gate that was not passed may be waived only outside production, by a named sponsor, and the waiver is
  part of what is signed;
- the credential is a W3C Verifiable Credential 2.0 by the environment's registrar; the hash of its canonical form is
  the claim `bc` of every token;
- ratios are integers in millionths: nothing signed here holds a float.
"""

from dataclasses import dataclass
from hashlib import sha256

from ringfence.proofs import data_integrity
from ringfence.proofs.birth_certificate_check import BIRTH_CERTIFICATE, BIRTH_CONTEXT
from ringfence.proofs.canonical_json import Json, JsonObject, base64url
from ringfence.proofs.compact_jws import sign_compact_jws
from ringfence.proofs.credential_check import CONTEXT, JWT_TYPE, VERIFIABLE_CREDENTIAL
from ringfence.proofs.did import RegistrarDid
from ringfence.proofs.did_document import base_url
from ringfence.proofs.public_keys import SigningKey, public_key_of
from ringfence.proofs.status_list_check import ENTRY, REVOCATION, SUSPENSION
from ringfence.proofs.timestamps import timestamp
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Violation

from ringfence_identity.errors import BirthCertificateIncomplete, EvaluationGateUnmet
from ringfence_identity.status.places import StatusPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedTool:
    """A tool an agent may use, pinned to one contract."""

    name: str
    version: str = ""
    schema_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactDigests:
    """What an agent was built from."""

    image: str = ""
    model: str = ""
    prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationGate:
    """One gate of an evaluation plan; results in millionths, None while the suite has not run."""

    suite: str
    minimum_micros: int = 0
    result_micros: int | None = None
    evidence_hash: str = ""
    waived_by: str = ""

    @property
    def passed(self) -> bool:
        """Whether the suite ran, left evidence, and reached the minimum."""
        return self.result_micros is not None and bool(self.evidence_hash) and self.result_micros >= self.minimum_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """How an agent is evaluated."""

    uri: str = ""
    hash: str = ""
    gates: tuple[EvaluationGate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BirthContent:
    """What is stated about an agent when it is born. Empty means not stated; the gate judges that."""

    purpose: str = ""
    sponsor: str = ""
    backup_sponsor: str = ""
    permissions: tuple[str, ...] = ()
    approved_tools: tuple[ApprovedTool, ...] = ()
    ring_ceiling: int = 0
    max_delegation_depth: int = 0
    artifacts: ArtifactDigests = ArtifactDigests()
    evaluation_plan: EvaluationPlan = EvaluationPlan()
    derived_from: str = ""

    @property
    def waivers(self) -> frozenset[str]:
        """The sponsors who waive a gate."""
        return frozenset(gate.waived_by for gate in self.evaluation_plan.gates if gate.waived_by)


def require_fit(content: BirthContent, *, environment: str, production: bool) -> None:
    """Raise unless `content` is complete and its gates are passed, or waived where that is allowed."""
    missing = _missing(content, production=production)
    if missing:
        raise BirthCertificateIncomplete(missing=missing)
    unmet = _unmet(content.evaluation_plan.gates, production=production)
    if unmet:
        raise EvaluationGateUnmet(environment=environment, unmet=unmet)


def _missing(content: BirthContent, *, production: bool) -> list[Violation]:
    plan = content.evaluation_plan
    needed: list[tuple[bool, str, str]] = [
        (bool(content.purpose), "purpose", "say what the agent is for"),
        (bool(content.sponsor), "sponsor", "name who answers for the agent"),
        (bool(content.backup_sponsor), "backup_sponsor", "name who answers when the sponsor is gone"),
        (
            not content.sponsor or content.backup_sponsor != content.sponsor,
            "backup_sponsor",
            "must be another person than the sponsor",
        ),
        (bool(content.permissions), "permissions", "list at least one permission"),
        (bool(content.ring_ceiling), "ring_ceiling", "say the most trusted ring it may reach, 1 to 3"),
        (content.artifacts != ArtifactDigests(), "artifacts", "give at least one of image, model and prompt"),
        (bool(plan.uri), "evaluation_plan.uri", "say where the evaluation plan is kept"),
        (bool(plan.hash), "evaluation_plan.hash", "give the SHA-256 of the evaluation plan"),
        (bool(plan.gates), "evaluation_plan.gates", "list at least one gate"),
    ]
    for index, tool in enumerate(content.approved_tools):
        pinned = bool(tool.schema_hash) or not production
        needed.append((pinned, f"approved_tools[{index}].schema_hash", "production pins every tool to one schema"))
    for index, gate in enumerate(plan.gates):
        path = f"evaluation_plan.gates[{index}]"
        needed.append((bool(gate.suite), f"{path}.suite", "name the suite"))
        proven = gate.result_micros is None or bool(gate.evidence_hash)
        needed.append((proven, f"{path}.evidence_hash", "a result needs the SHA-256 of its evidence"))
    return [Violation(f"birth_certificate.{field}", problem) for present, field, problem in needed if not present]


def _unmet(gates: tuple[EvaluationGate, ...], *, production: bool) -> list[Violation]:
    unmet: list[Violation] = []
    for index, gate in enumerate(gates):
        path = f"birth_certificate.evaluation_plan.gates[{index}]"
        if gate.passed:
            continue
        if gate.waived_by and production:
            unmet.append(Violation(f"{path}.waived_by", f"{gate.suite} may not be waived in production"))
        elif not gate.waived_by:
            result = "has not run" if gate.result_micros is None else f"reached only {gate.result_micros}"
            unmet.append(Violation(path, f"{gate.suite} {result}, it needs {gate.minimum_micros}"))
    return unmet


def content_json(content: BirthContent) -> JsonObject:
    """Return the content as the proto3 JSON form of BirthCertificateContent: what holds a default is left out.

    This form is hashed into the signing input and stands in the credential, so clients build the same bytes with the
    JSON printer of any protobuf runtime.
    """
    plan = content.evaluation_plan
    return _filled(
        {
            "purpose": content.purpose,
            "sponsor": content.sponsor,
            "backupSponsor": content.backup_sponsor,
            "permissions": list(content.permissions),
            "approvedTools": [
                _filled({"name": tool.name, "version": tool.version, "schemaHash": tool.schema_hash})
                for tool in content.approved_tools
            ],
            "ringCeiling": content.ring_ceiling,
            "maxDelegationDepth": content.max_delegation_depth,
            "artifacts": _filled(
                {
                    "image": content.artifacts.image,
                    "model": content.artifacts.model,
                    "prompt": content.artifacts.prompt,
                }
            ),
            "evaluationPlan": _filled(
                {"uri": plan.uri, "hash": plan.hash, "gates": [_gate_json(gate) for gate in plan.gates]}
            ),
            "derivedFrom": content.derived_from,
        }
    )


def _gate_json(gate: EvaluationGate) -> Json:
    members = _filled(
        {
            "suite": gate.suite,
            "minimumMicros": gate.minimum_micros,
            "evidenceHash": gate.evidence_hash,
            "waivedBy": gate.waived_by,
        }
    )
    # An `optional` field is written when it is set, zero included.
    return members if gate.result_micros is None else {**members, "resultMicros": gate.result_micros}


def _filled(members: JsonObject) -> JsonObject:
    return {name: value for name, value in members.items() if value not in ("", 0, [], {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """Whose certificate is issued, and the state of the world it is issued in."""

    certificate_id: str
    did: str
    agent: str
    environment: str
    serial: int
    status: StatusPlace
    at: Instant
    expires_at: Instant | None = None
    """When the identity ends by itself; any other certificate is good until its status says otherwise."""


def issue_certificate(content: BirthContent, birth: Birth, *, registrar: RegistrarDid, key: SigningKey) -> JsonObject:
    """Return the credential, secured by the registrar's `key` with eddsa-jcs-2022."""
    subject: JsonObject = {
        "id": birth.did,
        "agent": birth.agent,
        "environment": birth.environment,
        "serial": birth.serial,
        **content_json(content),
    }
    credential: JsonObject = {
        "@context": [CONTEXT, BIRTH_CONTEXT],
        "id": f"urn:uuid:{birth.certificate_id}",
        "type": [VERIFIABLE_CREDENTIAL, BIRTH_CERTIFICATE],
        "issuer": str(registrar),
        "validFrom": timestamp(birth.at),
        "credentialSubject": subject,
        "credentialStatus": [
            _status_entry(purpose, url, birth.status)
            for purpose, url in zip((REVOCATION, SUSPENSION), status_list_urls(registrar, birth.status), strict=True)
        ],
    }
    if birth.expires_at is not None:
        credential["validUntil"] = timestamp(birth.expires_at)
    proof = data_integrity.make_proof(
        credential,
        key=key,
        verification_method=f"{registrar}#{public_key_of(key).thumbprint}",
        created=timestamp(birth.at),
    )
    return {**credential, "proof": proof}


def certificate_as_jwt(credential: JsonObject, *, registrar: RegistrarDid, key: SigningKey) -> str:
    """Return `credential` without its proof as a `vc+jwt` of its issuer (VC-JOSE-COSE 3.1.1 and 4.1)."""
    content: JsonObject = {name: value for name, value in credential.items() if name != "proof"}
    # No `iss`: the absolute `kid` and the credential's own issuer say whose it is, and libraries that are strict about
    # header parameters refuse a claim among them.
    kid = f"{registrar}#{public_key_of(key).thumbprint}"
    header: JsonObject = {"alg": "EdDSA", "typ": JWT_TYPE, "cty": "vc", "kid": kid}
    return sign_compact_jws(header, content, key)


def status_list_url(registrar: RegistrarDid, number: int) -> str:
    """Return where status list `number` of the registrar's environment is published."""
    return f"{base_url(registrar)}status/{number}"


def status_list_urls(registrar: RegistrarDid, place: StatusPlace) -> tuple[str, str]:
    """Return where the revocation and the suspension of the certificate at `place` are told."""
    return status_list_url(registrar, place.revocation_list), status_list_url(registrar, place.suspension_list)


def _status_entry(purpose: str, url: str, place: StatusPlace) -> JsonObject:
    # Bitstring Status List 1.0 section 2.1: the index is a string of decimal digits.
    return {
        "type": ENTRY,
        "statusPurpose": purpose,
        "statusListIndex": str(place.index),
        "statusListCredential": url,
    }


def certificate_hash(written: bytes) -> str:
    """Return the claim `bc`: SHA-256 over the credential as it is `written`, in canonical JSON; base64url."""
    return base64url(sha256(written).digest())
