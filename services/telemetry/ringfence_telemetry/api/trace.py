"""`opentelemetry.proto.collector.trace.v1.TraceService`."""

from typing import Any

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from ringfence_kit.callers import current_caller
from ringfence_kit.service import Face

from ringfence_telemetry.convert import otlp as convert
from ringfence_telemetry.ingest import Ingest

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class TraceApi:
    """Spans in. It takes the request's bytes: what is acknowledged is kept as it came."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def Export(self, payload: bytes, context: Any) -> ExportTraceServiceResponse:
        """Accept spans."""
        export = convert.export(payload, caller=current_caller())
        return convert.export_response(await self._ingest.export(export))


def trace_face(api: TraceApi) -> Face:
    """Return the API as the server registers it."""
    return Face(_add, api)


def _add(api: TraceApi, server: grpc.aio.Server) -> None:
    """Register as opentelemetry-proto's own code does, but for the decoding, which is left to `convert`."""
    export: grpc.RpcMethodHandler[bytes, ExportTraceServiceResponse] = grpc.unary_unary_rpc_method_handler(
        api.Export, response_serializer=ExportTraceServiceResponse.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),))
