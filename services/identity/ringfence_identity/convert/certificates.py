"""Birth certificates and status lists, between the wire and the model."""

from types import MappingProxyType

from ringfence.identity.v1 import credential_pb2, revocation_pb2
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.certificate_succession import Form, IssueCertificate, ShowCertificate, ShownCertificate
from ringfence_identity.convert.births import birth_content
from ringfence_identity.convert.identities import identity_to_proto
from ringfence_identity.reissue import Reissued
from ringfence_identity.status.lists import PublishedList

FORMS = MappingProxyType(
    {
        credential_pb2.CREDENTIAL_FORMAT_UNSPECIFIED: Form.DATA_INTEGRITY,
        credential_pb2.CREDENTIAL_FORMAT_EDDSA_JCS_2022: Form.DATA_INTEGRITY,
        credential_pb2.CREDENTIAL_FORMAT_VC_JWT: Form.JWT,
    }
)


def show_certificate(request: credential_pb2.GetBirthCertificateRequest) -> ShowCertificate:
    """Return which certificate is wanted."""
    found = Violations()
    if request.serial < 0:
        found.add("serial", "must not be negative")
    if request.format not in FORMS:
        found.add("format", "is not a format that is known here")
    wanted = ShowCertificate(
        did=found.text(request.did, "did", max_bytes=1_024),
        serial=request.serial,
        form=FORMS.get(request.format, Form.DATA_INTEGRITY),
    )
    return found.ok(wanted)


def shown_to_proto(shown: ShownCertificate) -> credential_pb2.GetBirthCertificateResponse:
    """Return the response with a certificate."""
    return credential_pb2.GetBirthCertificateResponse(
        credential=shown.credential.encode(), serial=shown.serial, revoked=shown.revoked
    )


def issue_certificate(request: pb.IssueBirthCertificateRequest) -> tuple[IssueCertificate, str]:
    """Return what the next certificate shall say, and the request id."""
    found = Violations()
    wanted = IssueCertificate(
        did=found.text(request.did, "did", max_bytes=1_024),
        content=birth_content(request.birth_certificate, found.at("birth_certificate")),
        etag=found.etag(request.etag),
    )
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def reissued_to_proto(reissued: Reissued) -> pb.IssueBirthCertificateResponse:
    """Return the response with an identity and its new certificate."""
    return pb.IssueBirthCertificateResponse(
        identity=identity_to_proto(reissued.identity), birth_certificate_credential=reissued.credential.encode()
    )


def get_status_list(request: revocation_pb2.GetStatusListRequest) -> tuple[str, int]:
    """Return the environment and the number of the list that is wanted."""
    found = Violations()
    environment = found.text(request.environment, "environment", max_bytes=63)
    if request.list < 1:
        found.add("list", "must be 1 or more")
    return found.ok((environment, request.list))


def status_list_to_proto(published: PublishedList) -> revocation_pb2.GetStatusListResponse:
    """Return the response with a status list."""
    return revocation_pb2.GetStatusListResponse(
        credential=published.credential, expire_time=to_timestamp(published.refresh_at)
    )
