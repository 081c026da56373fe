"""Sponsors, between the wire and the model."""

from collections.abc import Mapping
from types import MappingProxyType

from ringfence.identity.v1 import identity_pb2 as pb
from ringfence_kit.names import is_resource_id
from ringfence_kit.validation import Violations
from ringfence_kit.wire import page_arguments, to_timestamp

from ringfence_identity.convert.births import ID_SHAPE, SPONSOR_SHAPE, parse_sponsor
from ringfence_identity.model import Sponsor
from ringfence_identity.sponsors.offboarding import Offboarded, OffboardPolicy, OffboardSponsor
from ringfence_identity.sponsors.reading import SponsorPage, SponsorQuery
from ringfence_identity.sponsors.registration import RegisterSponsor

POLICIES: Mapping[int, OffboardPolicy] = MappingProxyType(
    {
        pb.OFFBOARD_POLICY_HAND_OVER: OffboardPolicy.HAND_OVER,
        pb.OFFBOARD_POLICY_SUSPEND: OffboardPolicy.SUSPEND,
    }
)


def register_sponsor(request: pb.RegisterSponsorRequest) -> tuple[RegisterSponsor, str]:
    """Return the sponsor to register, and the request id."""
    found = Violations()
    sponsor = found.at("sponsor")
    if not is_resource_id(request.sponsor_id):
        found.add("sponsor_id", f"must have the form {ID_SHAPE}")
    if request.sponsor.name not in ("", f"sponsors/{request.sponsor_id}"):
        sponsor.add("name", "is set by sponsor_id")
    wanted = RegisterSponsor(
        name=f"sponsors/{request.sponsor_id}",
        display_name=sponsor.text(request.sponsor.display_name, "display_name", max_bytes=200),
        contact=sponsor.text(request.sponsor.contact, "contact", max_bytes=320),
        oidc_issuer=sponsor.text(request.sponsor.oidc_issuer, "oidc_issuer", max_bytes=512, required=False),
        oidc_subject=sponsor.text(request.sponsor.oidc_subject, "oidc_subject", max_bytes=256, required=False),
    )
    if bool(wanted.oidc_issuer) != bool(wanted.oidc_subject):
        sponsor.add("oidc_subject", "and oidc_issuer are set together or not at all")
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def get_sponsor(request: pb.GetSponsorRequest) -> str:
    """Return the name of the sponsor that is asked for."""
    found = Violations()
    found.resource_name(request.name, "name", parse_sponsor, shape=SPONSOR_SHAPE)
    return found.ok(request.name)


def list_sponsors(request: pb.ListSponsorsRequest) -> SponsorQuery:
    """Return which page is wanted. The page token is judged where it is used."""
    found = Violations()
    query = SponsorQuery(
        show_offboarded=request.show_offboarded,
        page_size=found.page_size(request.page_size),
        page_token=request.page_token,
        arguments=page_arguments(request),
    )
    return found.ok(query)


def offboard_sponsor(request: pb.OffboardSponsorRequest) -> tuple[OffboardSponsor, str]:
    """Return who leaves and what becomes of their agents, and the request id."""
    found = Violations()
    found.resource_name(request.name, "name", parse_sponsor, shape=SPONSOR_SHAPE)
    if request.new_backup_sponsor:
        found.resource_name(request.new_backup_sponsor, "new_backup_sponsor", parse_sponsor, shape=SPONSOR_SHAPE)
        if request.new_backup_sponsor == request.name:
            found.add("new_backup_sponsor", "must be another person")
    policy = found.enum(request.policy, "policy", POLICIES, default=OffboardPolicy.HAND_OVER)
    reason = found.text(request.reason, "reason", max_bytes=500)
    etag = found.etag(request.etag)
    request_id = found.request_id(request.request_id)
    wanted = OffboardSponsor(
        name=request.name,
        policy=found.ok(policy),
        new_backup_sponsor=request.new_backup_sponsor,
        reason=reason,
        etag=etag,
    )
    return wanted, request_id


def sponsor_page_to_proto(page: SponsorPage) -> pb.ListSponsorsResponse:
    """Return the response with one page."""
    return pb.ListSponsorsResponse(sponsors=map(sponsor_to_proto, page.sponsors), next_page_token=page.next_page_token)


def offboarded_to_proto(offboarded: Offboarded) -> pb.OffboardSponsorResponse:
    """Return the response with what became of the agents."""
    return pb.OffboardSponsorResponse(
        sponsor=sponsor_to_proto(offboarded.sponsor),
        handed_over=offboarded.handed_over,
        suspended=offboarded.suspended,
        backup_replaced=offboarded.backup_replaced,
    )


def sponsor_to_proto(sponsor: Sponsor) -> pb.Sponsor:
    """Return the message of a sponsor."""
    message = pb.Sponsor(
        name=sponsor.name,
        display_name=sponsor.display_name,
        contact=sponsor.contact,
        oidc_issuer=sponsor.oidc_issuer,
        oidc_subject=sponsor.oidc_subject,
        verified_by=sponsor.verified_by,
        etag=sponsor.etag,
        create_time=to_timestamp(sponsor.created_at),
    )
    if sponsor.offboarded_at is not None:
        message.offboard_time.CopyFrom(to_timestamp(sponsor.offboarded_at))
    return message
