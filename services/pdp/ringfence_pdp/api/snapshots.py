"""`ringfence.pdp.v1.SnapshotService`."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from ringfence.pdp.v1 import snapshot_pb2 as pb
from ringfence.pdp.v1 import snapshot_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.service import Face

from ringfence_pdp.convert import snapshots as convert
from ringfence_pdp.snapshots.shipping import Shipping
from ringfence_pdp.snapshots.uploads import Known, judge, log_uploaded, note_of


class SnapshotApi(snapshot_pb2_grpc.SnapshotServiceServicer):
    """Ships what decisions stand on, and takes the decisions that were made on it."""

    def __init__(self, shipping: Shipping, append: Callable[[bytes], Awaitable[None]], known: Known) -> None:
        """`append` has telemetry append entries, and raises RingfenceError; `known`: facts, by address."""
        self._shipping = shipping
        self._append = append
        self._known = known

    async def WatchSnapshot(
        self, request: pb.WatchSnapshotRequest, context: Any
    ) -> AsyncGenerator[pb.WatchSnapshotResponse, None]:
        """Stream the snapshot and its changes."""
        query = convert.watch_snapshot(request)
        async with aclosing(self._shipping.following(query.start_revision)) as events:
            async for told in events:
                yield convert.told_to_proto(told)

    async def UploadDecisions(self, request: pb.UploadDecisionsRequest, context: Any) -> pb.UploadDecisionsResponse:
        """Hand decisions made elsewhere to the audit log."""
        upload = convert.uploaded(request)
        judge(upload, self._known)
        await log_uploaded(convert.upload_bytes([note_of(upload, current_caller().principal)]), self._append)
        await log_uploaded(convert.upload_bytes(upload.entries), self._append)
        return pb.UploadDecisionsResponse()


def snapshot_face(api: SnapshotApi) -> Face:
    """Return the service as the server takes it."""
    return Face(snapshot_pb2_grpc.add_SnapshotServiceServicer_to_server, api)
