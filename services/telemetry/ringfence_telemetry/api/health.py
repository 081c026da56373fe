"""`ringfence.telemetry.v1.HealthService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from ringfence.telemetry.v1 import health_pb2 as pb
from ringfence.telemetry.v1 import health_pb2_grpc
from ringfence_kit.service import Face

from ringfence_telemetry.convert import health as convert
from ringfence_telemetry.health_board import HealthBoard


class HealthApi(health_pb2_grpc.HealthServiceServicer):
    """How agents do. Whoever may ask at all, by the grants, may ask about all."""

    def __init__(self, board: HealthBoard) -> None:
        self._board = board

    async def WatchHealth(self, request: pb.WatchHealthRequest, context: Any) -> AsyncIterator[pb.WatchHealthResponse]:
        """Stream the state, and then every change."""
        wanted = convert.watch_health(request)
        items = self._board.watch(send_state=wanted.send_state, start_revision=wanted.start_revision)
        async with aclosing(items):
            async for item in items:
                yield convert.watched(item)


def health_face(api: HealthApi) -> Face:
    """Return the API as the server registers it."""
    return Face(health_pb2_grpc.add_HealthServiceServicer_to_server, api)
