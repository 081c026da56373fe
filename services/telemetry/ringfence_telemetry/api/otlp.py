"""The OTLP services: `TraceService`, `LogsService` and `MetricsService` of opentelemetry-proto, as they are.

Profiles are not stable there and not served: who sends some is told UNIMPLEMENTED, which no sender repeats.
"""

from typing import Any

import grpc
import grpc.aio
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.service import Face

from ringfence_telemetry.convert import otlp as convert
from ringfence_telemetry.ingest import Ingest
from ringfence_telemetry.otlp_parts import check_parts
from ringfence_telemetry.otlp_signal import OtlpSignal


class OtlpApi:
    """One signal in. It takes the request's bytes: what is acknowledged is kept as it came."""

    def __init__(self, ingest: Ingest, signal: OtlpSignal) -> None:
        self._ingest = ingest
        self.signal = signal

    async def Export(self, payload: bytes, context: Any) -> convert.ExportResponse:
        """Accept items."""
        return await self.export(payload, current_caller())

    async def export(self, payload: bytes, caller: Caller) -> convert.ExportResponse:
        """Accept what `caller` sends, whatever it came in by."""
        await check_parts(payload, self.signal)
        export = convert.export(payload, signal=self.signal, caller=caller)
        return convert.export_response(self.signal, await self._ingest.export(export))


def otlp_apis(ingest: Ingest) -> list[OtlpApi]:
    """Return an API for each signal."""
    return [OtlpApi(ingest, signal) for signal in OtlpSignal]


def otlp_face(api: OtlpApi) -> Face:
    """Return an API as the server registers it."""
    return Face(_add, api)


def _add(api: OtlpApi, server: grpc.aio.Server) -> None:
    """Register as opentelemetry-proto's own code does, but for the decoding, which is left to `convert`."""
    export: grpc.RpcMethodHandler[bytes, convert.ExportResponse] = grpc.unary_unary_rpc_method_handler(
        api.Export, response_serializer=lambda response: response.SerializeToString()
    )
    service = convert.SERVICES[api.signal]
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": export}),))
