"""`ringfence.pdp.v1.SnapshotService` messages to values and back: what a pdp ships, and what its follower takes.

A record whose kind a follower does not know, or a form other than its own, is nothing it can decide by: it is refused,
and so is everything that came with it.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import grpc.aio
from google.protobuf.duration_pb2 import Duration
from ringfence.pdp.v1 import snapshot_pb2 as pb
from ringfence.pdp.v1 import snapshot_pb2_grpc
from ringfence.watch import AioWatch, Change
from ringfence_kit.clock import Millis
from ringfence_kit.validation import Violations

from ringfence_pdp.convert.audit import entry_bytes
from ringfence_pdp.decision_record import BODY_MAX
from ringfence_pdp.snapshots.shipped import FORMAT, Kind, Record, Standing
from ringfence_pdp.snapshots.shipping import Beat, Changed, StateComplete, StatePart, Told
from ringfence_pdp.snapshots.uploads import Upload
from ringfence_pdp.snapshots.view import SnapshotView

ENTRIES_MAX: Final = 1_000
"""What telemetry takes at a time."""


class WatchSnapshot(NamedTuple):
    """A checked WatchSnapshotRequest."""

    start_revision: int | None
    """None begins with the state."""


def watch_snapshot(request: pb.WatchSnapshotRequest) -> WatchSnapshot:
    """Build the query, or raise InvalidRequest with every violation."""
    found = Violations()
    start = request.start_revision
    if request.send_initial_state and start:
        found.add("start_revision", "cannot be given together with send_initial_state")
    elif not request.send_initial_state and start <= 0:
        found.add("start_revision", "must be positive, or send_initial_state set")
    found.raise_if_any()
    return WatchSnapshot(None if request.send_initial_state else start)


def told_to_proto(told: Told) -> pb.WatchSnapshotResponse:
    """Return an event as it is told."""
    match told:
        case StatePart(revision=revision, records=records, standing=standing):
            return _event(pb.SNAPSHOT_EVENT_TYPE_ADDED, revision, records, standing)
        case Changed(revision=revision, records=records, standing=standing):
            return _event(pb.SNAPSHOT_EVENT_TYPE_MODIFIED, revision, records, standing)
        case StateComplete(revision=revision):
            return pb.WatchSnapshotResponse(
                type=pb.SNAPSHOT_EVENT_TYPE_BOOKMARK, revision=revision, initial_state_end=True
            )
        case Beat(revision=revision):
            return pb.WatchSnapshotResponse(type=pb.SNAPSHOT_EVENT_TYPE_BOOKMARK, revision=revision)


def snapshot_watch(
    channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]] = ()
) -> AioWatch[pb.WatchSnapshotRequest, pb.WatchSnapshotResponse]:
    """Return a watch of the snapshot, state first. `metadata` is sent with every stream."""
    stub: snapshot_pb2_grpc.SnapshotServiceAsyncStub = snapshot_pb2_grpc.SnapshotServiceStub(channel)
    return AioWatch(
        lambda request: stub.WatchSnapshot(request, metadata=tuple(metadata)),
        pb.WatchSnapshotRequest(),
        initial_state=True,
    )


def take_snapshot(view: SnapshotView, _: Change, answer: pb.WatchSnapshotResponse) -> None:
    """Put one event of the watch into a view. Raises ValueError or RecordUnreadable for what cannot be read."""
    standing = None
    if answer.HasField("standing"):
        if answer.standing.format != FORMAT:
            raise ValueError(f"the pdp tells in form {answer.standing.format} and this release reads {FORMAT}")
        standing = standing_from_proto(answer.standing)
    view.take([record_from_proto(record) for record in answer.records], standing)


def record_from_proto(record: pb.SnapshotRecord) -> Record:
    """Return the record; ValueError for a kind nobody here knows."""
    return Record(kind=Kind(record.kind), name=record.name, content=record.content, gone=record.gone)


def standing_from_proto(standing: pb.SnapshotStanding) -> Standing:
    """Return the standing."""
    return Standing(
        policy_revision=standing.policy_revision,
        identity_revision=standing.identity_revision,
        registry_revision=standing.registry_revision,
        epoch=standing.epoch,
        identity_age=_millis(standing.identity_age) if standing.HasField("identity_age") else None,
        budgets_age=_millis(standing.budgets_age) if standing.HasField("budgets_age") else None,
        boundaries_heard=standing.boundaries_heard,
    )


def uploaded(request: pb.UploadDecisionsRequest) -> Upload:
    """Return the entries, or raise InvalidRequest with every violation."""
    found = Violations()
    entries: list[tuple[str, bytes]] = []
    for place, entry in found.items(request.entries, "entries", min_items=1, max_items=ENTRIES_MAX):
        decision_id = found.uuid(entry.decision_id, f"{place}.decision_id")
        if not 0 < len(entry.body) <= BODY_MAX:
            found.add(f"{place}.body", f"has {len(entry.body)} bytes, 1 to {BODY_MAX} are allowed")
        entries.append((decision_id, entry.body))
    found.raise_if_any()
    return Upload(entries)


def upload_bytes(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Return entries as telemetry takes them."""
    return b"".join(entry_bytes(decision_id, body) for decision_id, body in entries)


def _event(
    type_: pb.SnapshotEventType.ValueType,
    revision: int,
    records: Iterable[Record],
    standing: Standing | None,
) -> pb.WatchSnapshotResponse:
    return pb.WatchSnapshotResponse(
        type=type_,
        revision=revision,
        records=[
            pb.SnapshotRecord(
                kind=pb.SnapshotKind.ValueType(record.kind), name=record.name, content=record.content, gone=record.gone
            )
            for record in records
        ],
        standing=None if standing is None else _standing(standing),
    )


def _standing(standing: Standing) -> pb.SnapshotStanding:
    return pb.SnapshotStanding(
        format=FORMAT,
        policy_revision=standing.policy_revision,
        identity_revision=standing.identity_revision,
        registry_revision=standing.registry_revision,
        epoch=standing.epoch,
        identity_age=_duration(standing.identity_age),
        budgets_age=_duration(standing.budgets_age),
        boundaries_heard=standing.boundaries_heard,
    )


def _duration(millis: Millis | None) -> Duration | None:
    if millis is None:
        return None
    duration = Duration()
    duration.FromMilliseconds(millis)
    return duration


def _millis(duration: Duration) -> Millis:
    return Millis(max(0, duration.ToMilliseconds()))
