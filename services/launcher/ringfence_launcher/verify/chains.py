"""A delegation chain in files: its grants, and what is known of the agents in it.

Everything an agent may is in its birth certificate, every key it had in its DID log. How far it is trusted today is in
neither, so of its ring an offline check says nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ringfence.proofs.birth_certificate_check import BirthCertificate, check_birth_certificate
from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.credential_check import CredentialError
from ringfence.proofs.delegation_chain import CertificateRights, Party
from ringfence.proofs.did import KeyDid
from ringfence.proofs.did_keys import KeyPeriod, key_periods, only_key
from ringfence_kit.clock import Instant
from ringfence_kit.trust_decay import RING_THRESHOLDS

from ringfence_launcher.input_files import unusable
from ringfence_launcher.verify.trusted import read_log, read_text

UNKNOWN_RING = len(RING_THRESHOLDS)
"""The least trusted ring: what an agent of unknown standing is counted as."""


def grants_in(text: str) -> list[str]:
    """Return the grants in a file, one a line, the first of the chain first."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def parties_of(
    certificates: Iterable[Path], logs: Iterable[Path], *, registrar: JsonObject, now: Instant
) -> dict[str, Party]:
    """Return what files say of agents, by DID. An agent without a certificate that holds is nobody."""
    periods = {
        str(entries[-1].state["id"]): key_periods(entries) for entries in (read_log(log, now=now) for log in logs)
    }
    found = (_certificate(file, registrar, now) for file in certificates)
    return {str(birth.did): _party(birth, periods) for birth in found}


def _certificate(file: Path, registrar: JsonObject, now: Instant) -> BirthCertificate:
    try:
        return check_birth_certificate(read_text(file), registrar=registrar, now=now)
    except CredentialError as error:
        raise unusable(file, f"it is no birth certificate of this registrar: {error}") from error


def _party(birth: BirthCertificate, periods: Mapping[str, Sequence[KeyPeriod]]) -> Party:
    keys = only_key(birth.did) if isinstance(birth.did, KeyDid) else tuple(periods.get(str(birth.did), ()))
    return Party(
        did=str(birth.did),
        environment=birth.environment,
        keys=keys,
        certificate=_rights(birth.hash, birth.content),
        ring=UNKNOWN_RING,
    )


def _rights(certificate_hash: str, content: Mapping[str, Json]) -> CertificateRights:
    permissions, tools, depth = (
        content.get(member) for member in ("permissions", "approvedTools", "maxDelegationDepth")
    )
    return CertificateRights(
        hash=certificate_hash,
        permissions=tuple(str(scope) for scope in permissions) if isinstance(permissions, list) else (),
        tools={
            str(tool.get("name")): str(tool.get("schemaHash", ""))
            for tool in (tools if isinstance(tools, list) else ())
            if isinstance(tool, dict)
        },
        max_delegation_depth=depth if isinstance(depth, int) else 0,
    )
