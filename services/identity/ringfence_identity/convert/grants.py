"""Grants of ring 0 and of elevation, between the wire and the model."""

import re

from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import trust_pb2 as pb
from ringfence.proofs.elevation import APPROVALS, MAX_ACTION_BYTES, MAX_RESOURCE_BYTES, RINGS, names_one_thing
from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.model import Elevation
from ringfence_identity.trust.elevation_grants import Granted, GrantElevation, RevokeElevation
from ringfence_identity.trust.ring_grants import GrantRing

MAX_DID_BYTES = 1_024
MAX_REASON_BYTES = 500
ELEVATION_SHAPE = "elevations/{elevation}"

_ELEVATION = re.compile(r"elevations/[0-9a-z](?:[0-9a-z-]{0,62}[0-9a-z])?")


def grant_ring(request: pb.GrantRingRequest) -> tuple[GrantRing, str]:
    """Return who shall be in ring 0, and the request id."""
    found = Violations()
    wanted = GrantRing(
        did=found.text(request.did, "did", max_bytes=MAX_DID_BYTES),
        expires_at=_expiry(request.expire_time, found) if _is_set(request, found) else EPOCH,
        reason=found.text(request.reason, "reason", max_bytes=MAX_REASON_BYTES),
        etag=found.etag(request.etag),
    )
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def grant_elevation(request: pb.GrantElevationRequest) -> tuple[GrantElevation, str]:
    """Return what is to be granted, and the request id. What only the server sets is not looked at."""
    found = Violations()
    asked, at = request.elevation, found.at("elevation")
    wanted = GrantElevation(
        origin=at.text(asked.origin, "origin", max_bytes=MAX_DID_BYTES),
        action=_one_thing(asked.action, "action", MAX_ACTION_BYTES, at),
        resource=_one_thing(asked.resource, "resource", MAX_RESOURCE_BYTES, at),
        ring=at.integer(asked.ring, "ring", minimum=RINGS[0], maximum=RINGS[-1]),
        approvals=at.integer(asked.approvals, "approvals", minimum=APPROVALS[0], maximum=APPROVALS[-1]),
        expires_at=_expiry(asked.expire_time, at) if _is_set(asked, at) else EPOCH,
        reason=at.text(asked.reason, "reason", max_bytes=MAX_REASON_BYTES),
    )
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def granted_to_proto(granted: Granted) -> pb.GrantElevationResponse:
    """Return the response with a grant and its JWS."""
    return pb.GrantElevationResponse(elevation=elevation_to_proto(granted.elevation), grant=granted.grant)


def revoke_elevation(request: pb.RevokeElevationRequest) -> tuple[RevokeElevation, str]:
    """Return which grant is to end, and the request id."""
    found = Violations()
    found.resource_name(request.name, "name", _elevation_name, shape=ELEVATION_SHAPE)
    wanted = RevokeElevation(name=request.name, reason=found.text(request.reason, "reason", max_bytes=MAX_REASON_BYTES))
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def elevation_to_proto(elevation: Elevation) -> pb.Elevation:
    """Return the message of an elevation grant."""
    message = pb.Elevation(
        name=elevation.name,
        origin=elevation.origin,
        environment=elevation.environment,
        action=elevation.action,
        resource=elevation.resource,
        ring=elevation.ring,
        approvals=elevation.approvals,
        expire_time=to_timestamp(elevation.expires_at),
        reason=elevation.reason,
        granted_by=elevation.granted_by,
    )
    if elevation.revoked_at is not None:
        message.revoke_time.CopyFrom(to_timestamp(elevation.revoked_at))
    return message


def _is_set(message: pb.GrantRingRequest | pb.Elevation, found: Violations) -> bool:
    if message.HasField("expire_time"):
        return True
    found.add("expire_time", "must be set")
    return False


def _expiry(value: Timestamp, found: Violations) -> Instant:
    """Return when a grant shall end; whether it may is judged with the time, where a repetition is recognised."""
    return found.timestamp(value, "expire_time", not_before=EPOCH) or EPOCH


def _one_thing(text: str, field: str, most_bytes: int, found: Violations) -> str:
    found.text(text, field, max_bytes=most_bytes)
    if text and not names_one_thing(text):
        found.add(field, "must name one thing, without a wildcard")
    return text


def _elevation_name(text: str) -> str | None:
    return text if _ELEVATION.fullmatch(text) else None
