"""Birth certificates and status lists as a verifier fetches them from a running identity."""

import json
from typing import Any

from ringfence.identity.v1 import credential_pb2, revocation_pb2
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.did import RegistrarDid, parse_did
from ringfence.proofs.did_log_check import check_log
from ringfence.proofs.status_list_check import StatusList, check_status_list
from support.identity.mesh import IdentityMesh

JSON_FORM = credential_pb2.CREDENTIAL_FORMAT_EDDSA_JCS_2022
JWT_FORM = credential_pb2.CREDENTIAL_FORMAT_VC_JWT


def certificate_request(
    identity: pb.AgentIdentity, *, serial: int = 0, form: Any = JSON_FORM
) -> credential_pb2.GetBirthCertificateRequest:
    """Return a request for a certificate of `identity`; any number is a form."""
    return credential_pb2.GetBirthCertificateRequest(did=identity.did, serial=serial, format=form)


def list_request(environment: str, number: int) -> revocation_pb2.GetStatusListRequest:
    """Return a request for a status list."""
    return revocation_pb2.GetStatusListRequest(environment=environment, list=number)


async def certificate(
    mesh: IdentityMesh, identity: pb.AgentIdentity, *, serial: int = 0, form: Any = JSON_FORM
) -> bytes:
    """Return a certificate of `identity`."""
    request = certificate_request(identity, serial=serial, form=form)
    return (await mesh.credentials().GetBirthCertificate(request)).credential


async def registrar_document(mesh: IdentityMesh, environment: str = "prod", *, log: str = "") -> dict[str, Any]:
    """Return the document of an environment's registrar, its whole log checked: the one served, or `log`."""
    log = log or await mesh.get(f"/{environment}/.well-known/did.jsonl")
    did = parse_did(json.loads(log.splitlines()[0])["state"]["id"])
    assert isinstance(did, RegistrarDid)
    return check_log(log, did=did, now=mesh.clock.now())[-1].state


async def status_list(mesh: IdentityMesh, environment: str, number: int) -> StatusList:
    """Return a status list, its signature checked."""
    answer = await mesh.credentials().GetStatusList(list_request(environment, number))
    registrar = await registrar_document(mesh, environment)
    return check_status_list(answer.credential, registrar=registrar, now=mesh.clock.now())
