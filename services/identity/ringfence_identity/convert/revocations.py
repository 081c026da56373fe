"""Watches of revocations, between the wire and the model."""

from types import MappingProxyType

from ringfence.identity.v1 import revocation_pb2 as pb
from ringfence_kit.events import Bookmark, Event, Revision
from ringfence_kit.state_watch import Standing, StateComplete
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.model import Revocation, RevocationKind
from ringfence_identity.revocation_watching import RevocationWatch, WatchedRevocation, revocation_of

KINDS = MappingProxyType(
    {
        RevocationKind.AGENT: pb.REVOCATION_KIND_AGENT,
        RevocationKind.DELEGATION: pb.REVOCATION_KIND_DELEGATION,
        RevocationKind.ISSUER_KEY: pb.REVOCATION_KIND_ISSUER_KEY,
        RevocationKind.ELEVATION: pb.REVOCATION_KIND_ELEVATION,
        RevocationKind.BIRTH_CERTIFICATE: pb.REVOCATION_KIND_BIRTH_CERTIFICATE,
    }
)


def watch_revocations(request: pb.WatchRevocationsRequest) -> RevocationWatch:
    """Return what a watcher wants."""
    found = Violations()
    environment = found.text(request.environment, "environment", max_bytes=63, required=False)
    if request.start_revision < 0:
        found.add("start_revision", "must not be negative")
    if request.send_initial_state and request.start_revision:
        found.add("start_revision", "must be 0 when send_initial_state is set")
    wanted = RevocationWatch(
        environment=environment,
        start_revision=Revision(request.start_revision) if request.start_revision else None,
        send_initial_state=request.send_initial_state,
    )
    return found.ok(wanted)


def revocation_to_proto(revocation: Revocation) -> pb.Revocation:
    """Return the message of a revocation."""
    message = pb.Revocation(
        kind=KINDS[revocation.kind],
        subject=revocation.subject,
        environment=revocation.environment,
        minimum_epoch=revocation.minimum_epoch,
        usable=revocation.usable,
        reason=revocation.reason,
        revoke_time=to_timestamp(revocation.at),
    )
    if revocation.forget_at is not None:
        message.forget_time.CopyFrom(to_timestamp(revocation.forget_at))
    return message


def watched_to_proto(item: WatchedRevocation) -> pb.WatchRevocationsResponse:
    """Return the wire form of one item; that of an event is made once for all watchers."""
    match item:
        case Event():
            return item.once(_event_to_proto)
        case Bookmark():
            return pb.WatchRevocationsResponse(type=pb.REVOCATION_EVENT_TYPE_BOOKMARK, revision=item.revision)
        case Standing():
            return _revoked(item.resource, item.revision)
        case StateComplete():
            return pb.WatchRevocationsResponse(
                type=pb.REVOCATION_EVENT_TYPE_BOOKMARK, revision=item.revision, initial_state_end=True
            )


def _event_to_proto(event: Event) -> pb.WatchRevocationsResponse:
    return _revoked(event.once(revocation_of), event.revision)


def _revoked(revocation: Revocation, revision: Revision) -> pb.WatchRevocationsResponse:
    return pb.WatchRevocationsResponse(
        type=pb.REVOCATION_EVENT_TYPE_REVOKED, revision=revision, revocation=revocation_to_proto(revocation)
    )
