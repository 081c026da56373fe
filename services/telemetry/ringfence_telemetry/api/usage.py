"""`ringfence.telemetry.v1.UsageService`."""

from typing import Any

from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1 import telemetry_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.service import Face

from ringfence_telemetry.convert import usage as convert
from ringfence_telemetry.usage_reading import UsageReader


class UsageApi(telemetry_pb2_grpc.UsageServiceServicer):
    """What agents used."""

    def __init__(self, reader: UsageReader) -> None:
        self._reader = reader

    async def GetUsage(self, request: pb.GetUsageRequest, context: Any) -> pb.GetUsageResponse:
        """Sum usage over a window."""
        query = convert.get_usage(request)
        rows, pending = await self._reader.usage(query, caller=current_caller())
        return convert.usage_to_proto(query, rows, pending=pending)


def usage_face(api: UsageApi) -> Face:
    """Return the API as the server registers it."""
    return Face(telemetry_pb2_grpc.add_UsageServiceServicer_to_server, api)
