"""Sponsors, registrations, identities, DIDs and watches, between the wire and the model."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from ringfence.identity.v1 import identity_pb2 as pb
from ringfence_kit import records
from ringfence_kit.clock import SECOND, Millis
from ringfence_kit.events import Bookmark, Change, Event, Revision
from ringfence_kit.names import AgentName, is_resource_id, parse_namespace
from ringfence_kit.state_watch import Standing, StateComplete
from ringfence_kit.validation import Violations
from ringfence_kit.wire import page_arguments, to_timestamp

from ringfence_identity.convert.births import (
    ID_SHAPE,
    SPONSOR_SHAPE,
    birth_content,
    birth_content_to_proto,
    parse_sponsor,
)
from ringfence_identity.convert.trust import trust_state_to_proto
from ringfence_identity.did_history import Wanted
from ringfence_identity.directory import Lookup
from ringfence_identity.enrolment import (
    LONGEST_LIFETIME,
    SHORTEST_LIFETIME,
    BeginRegistration,
    Begun,
    CompleteRegistration,
    Enrolled,
)
from ringfence_identity.enrolment_challenge import MAX_CHALLENGE_BYTES
from ringfence_identity.identity_listing import IdentityPage, IdentityQuery
from ringfence_identity.model import AgentIdentity, IdentityStatus, SuspensionCause
from ringfence_identity.resolution import Resolution
from ringfence_identity.watching import AgentWatch, WatchedItem

STATUSES = MappingProxyType(
    {
        IdentityStatus.ACTIVE: pb.IDENTITY_STATUS_ACTIVE,
        IdentityStatus.SUSPENDED: pb.IDENTITY_STATUS_SUSPENDED,
        IdentityStatus.REVOKED: pb.IDENTITY_STATUS_REVOKED,
    }
)

DID_METHODS: Mapping[int, bool] = MappingProxyType({pb.DID_METHOD_WEBVH: False, pb.DID_METHOD_KEY: True})
"""Whether a DID of this kind is ephemeral."""

SUSPENSION_CAUSES = MappingProxyType(
    {
        SuspensionCause.OPERATOR: pb.SUSPENSION_CAUSE_OPERATOR,
        SuspensionCause.INCIDENT: pb.SUSPENSION_CAUSE_INCIDENT,
        SuspensionCause.COMPROMISE: pb.SUSPENSION_CAUSE_COMPROMISE,
        SuspensionCause.SPONSOR_GONE: pb.SUSPENSION_CAUSE_SPONSOR_GONE,
    }
)

BY_NUMBER: Mapping[int, IdentityStatus] = MappingProxyType({number: status for status, number in STATUSES.items()})

CHANGES = MappingProxyType(
    {
        Change.ADDED: pb.WATCH_EVENT_TYPE_ADDED,
        Change.MODIFIED: pb.WATCH_EVENT_TYPE_MODIFIED,
        Change.DELETED: pb.WATCH_EVENT_TYPE_DELETED,
    }
)


def begin_registration(request: pb.BeginRegistrationRequest) -> BeginRegistration:
    """Return who shall be enrolled."""
    found = Violations()
    namespace = found.resource_name(request.parent, "parent", parse_namespace, shape="namespaces/{namespace}")
    _resource_id(request.agent_id, "agent_id", found)
    environment = _environment(request.environment, found)
    found.resource_name(request.sponsor, "sponsor", parse_sponsor, shape=SPONSOR_SHAPE)
    lifetime = _lifetime(request, found)
    content = None
    if request.HasField("birth_certificate"):
        content = birth_content(request.birth_certificate, found.at("birth_certificate"))
    return BeginRegistration(
        agent=AgentName(found.ok(namespace), request.agent_id),
        environment=environment,
        sponsor=request.sponsor,
        lifetime=lifetime,
        content=content,
    )


def _lifetime(request: pb.BeginRegistrationRequest, found: Violations) -> Millis | None:
    """Return how long an ephemeral identity shall last, in whole seconds; None for one with a did:webvh."""
    ephemeral = found.enum(request.did_method, "did_method", DID_METHODS, default=False)
    if not request.HasField("lifetime"):
        return LONGEST_LIFETIME if ephemeral else None
    if not ephemeral:
        found.add("lifetime", "is for did:key only; a did:webvh has no end of its own")
        return None
    lifetime = found.duration(request.lifetime, "lifetime", minimum=SHORTEST_LIFETIME, maximum=LONGEST_LIFETIME)
    return None if lifetime is None else Millis(lifetime - lifetime % SECOND)


def begun_to_proto(begun: Begun) -> pb.BeginRegistrationResponse:
    """Return the response with the challenge."""
    return pb.BeginRegistrationResponse(
        challenge=begun.challenge, expire_time=to_timestamp(begun.expires_at), signing_input=begun.signing_input
    )


def complete_registration(request: pb.CompleteRegistrationRequest) -> tuple[CompleteRegistration, str]:
    """Return the answer to a challenge, and the request id. The key is judged where its reason can be given."""
    found = Violations()
    answer = CompleteRegistration(
        challenge=found.octets(request.challenge, "challenge", min_bytes=1, max_bytes=MAX_CHALLENGE_BYTES),
        public_key=found.octets(request.public_key, "public_key", min_bytes=1, max_bytes=256),
        proof=found.octets(request.proof_of_possession, "proof_of_possession", min_bytes=64, max_bytes=64),
        content=birth_content(request.birth_certificate, found.at("birth_certificate")),
    )
    request_id = found.request_id(request.request_id)
    return found.ok(answer), request_id


def enrolled_to_proto(enrolled: Enrolled) -> pb.CompleteRegistrationResponse:
    """Return the response with the new identity and its certificate."""
    return pb.CompleteRegistrationResponse(
        identity=identity_to_proto(enrolled.identity), birth_certificate_credential=enrolled.credential.encode()
    )


def get_agent_identity(request: pb.GetAgentIdentityRequest) -> Lookup:
    """Return which identity is asked for."""
    found = Violations()
    if bool(request.did) == bool(request.agent or request.environment):
        found.add("did", "set either did, or agent and environment")
    elif request.did:
        found.text(request.did, "did", max_bytes=1_024)
    else:
        found.resource_name(request.agent, "agent", AgentName.parse, shape="namespaces/{namespace}/agents/{agent}")
        _environment(request.environment, found)
    return found.ok(Lookup(agent=request.agent, environment=request.environment, did=request.did))


def resolve_did(request: pb.ResolveDidRequest) -> tuple[str, Wanted]:
    """Return the DID to resolve, and which version of it."""
    found = Violations()
    did = found.text(request.did, "did", max_bytes=1_024)
    version_id = found.text(request.version_id, "version_id", max_bytes=64, required=False)
    at = found.timestamp(request.version_time, "version_time") if request.HasField("version_time") else None
    if version_id and request.HasField("version_time"):
        found.add("version_time", "and version_id are alternatives: set one of them at most")
    return found.ok((did, Wanted(version_id=version_id, version_time=at)))


def get_did_log(request: pb.GetDidLogRequest) -> str:
    """Return the DID whose history is wanted."""
    found = Violations()
    did = found.text(request.did, "did", max_bytes=1_024)
    return found.ok(did)


def list_identities(request: pb.ListAgentIdentitiesRequest) -> IdentityQuery:
    """Return which identities are to be listed. The page token is judged where it is used."""
    found = Violations()
    namespace = ""
    if request.parent:
        shape = "namespaces/{namespace}"
        namespace = found.resource_name(request.parent, "parent", parse_namespace, shape=shape) or ""
    if request.environment:
        _environment(request.environment, found)
    if request.sponsor:
        found.resource_name(request.sponsor, "sponsor", parse_sponsor, shape=SPONSOR_SHAPE)
    query = IdentityQuery(
        namespace=namespace,
        environment=request.environment,
        status=found.enum(request.status, "status", BY_NUMBER) if request.status else None,
        sponsor=request.sponsor,
        page_size=found.page_size(request.page_size),
        page_token=request.page_token,
        arguments=page_arguments(request),
    )
    return found.ok(query)


def identity_page_to_proto(page: IdentityPage) -> pb.ListAgentIdentitiesResponse:
    """Return the response with one page."""
    return pb.ListAgentIdentitiesResponse(
        identities=map(identity_to_proto, page.identities), next_page_token=page.next_page_token
    )


def watch_agents(request: pb.WatchAgentsRequest) -> AgentWatch:
    """Return what a watcher wants."""
    found = Violations()
    if request.environment:
        _environment(request.environment, found)
    if request.start_revision < 0:
        found.add("start_revision", "must not be negative")
    if request.send_initial_state and request.start_revision:
        found.add("start_revision", "must be 0 when send_initial_state is set")
    wanted = AgentWatch(
        environment=request.environment,
        start_revision=Revision(request.start_revision) if request.start_revision else None,
        send_initial_state=request.send_initial_state,
    )
    return found.ok(wanted)


def identity_to_proto(identity: AgentIdentity) -> pb.AgentIdentity:
    """Return the message of an identity."""
    message = pb.AgentIdentity(
        agent=identity.agent,
        environment=identity.environment,
        did=identity.did,
        status=STATUSES[identity.status],
        public_key_multibase=identity.key,
        did_version_id=identity.did_version_id,
        birth_certificate=birth_content_to_proto(identity.content),
        birth_certificate_hash=identity.certificate_hash,
        birth_certificate_serial=identity.certificate_serial,
        trust_state=trust_state_to_proto(identity.trust.state),
        revocation_epoch=identity.revocation_epoch,
        revocation_reason=identity.revocation_reason,
        etag=identity.etag,
        create_time=to_timestamp(identity.created_at),
        update_time=to_timestamp(identity.updated_at),
    )
    if identity.revoked_at is not None:
        message.revoke_time.CopyFrom(to_timestamp(identity.revoked_at))
    if identity.expires_at is not None:
        message.expire_time.CopyFrom(to_timestamp(identity.expires_at))
    if identity.suspension is not None:
        message.suspension_cause = SUSPENSION_CAUSES[identity.suspension.cause]
        message.suspension_reason = identity.suspension.reason
        message.suspend_time.CopyFrom(to_timestamp(identity.suspension.at))
    return message


def resolution_to_proto(resolution: Resolution) -> pb.ResolveDidResponse:
    """Return the response with a DID document."""
    metadata = pb.DidDocumentMetadata(
        version_id=resolution.version_id,
        deactivated=resolution.deactivated,
        canonical_id=resolution.canonical_id,
        equivalent_id=resolution.equivalent_ids,
        next_version_id=resolution.next_version_id,
        scid=resolution.scid,
    )
    for timestamp, at in (
        (metadata.created, resolution.created_at),
        (metadata.updated, resolution.updated_at),
        (metadata.version_time, resolution.version_time),
        (metadata.next_update, resolution.next_update),
    ):
        if at is not None:
            timestamp.CopyFrom(to_timestamp(at))
    document = b"" if resolution.document is None else json.dumps(resolution.document).encode()
    return pb.ResolveDidResponse(did_document=document, metadata=metadata)


def watched_to_proto(item: WatchedItem) -> pb.WatchAgentsResponse:
    """Return the wire form of one item; that of an event is made once for all watchers."""
    match item:
        case Event():
            return item.once(_event_to_proto)
        case Bookmark():
            return pb.WatchAgentsResponse(
                type=pb.WATCH_EVENT_TYPE_BOOKMARK, revision=item.revision, event_time=to_timestamp(item.at)
            )
        case Standing():
            return pb.WatchAgentsResponse(
                type=pb.WATCH_EVENT_TYPE_ADDED,
                revision=item.revision,
                identity=identity_to_proto(item.resource),
                event_time=to_timestamp(item.resource.updated_at),
            )
        case StateComplete():
            return pb.WatchAgentsResponse(
                type=pb.WATCH_EVENT_TYPE_BOOKMARK,
                revision=item.revision,
                event_time=to_timestamp(item.at),
                initial_state_end=True,
            )


def _event_to_proto(event: Event) -> pb.WatchAgentsResponse:
    return pb.WatchAgentsResponse(
        type=CHANGES[event.change],
        revision=event.revision,
        identity=identity_to_proto(records.decode(event.record, AgentIdentity)),
        event_time=to_timestamp(event.at),
    )


def _resource_id(text: str, field: str, found: Violations) -> None:
    if not is_resource_id(text):
        found.add(field, f"must have the form {ID_SHAPE}")


def _environment(text: str, found: Violations) -> str:
    if not text:
        found.add("environment", "must not be empty")
    elif len(text) > 63:
        found.add("environment", "must be the name of an environment")
    return text
