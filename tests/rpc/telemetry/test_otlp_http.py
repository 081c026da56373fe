"""OTLP over HTTP, in protobuf and JSON: what stock SDKs send unless told otherwise is taken as over gRPC."""

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from ringfence_kit.callers import ANONYMOUS, Caller
from ringfence_telemetry.config import IngestConfig
from ringfence_telemetry.convert.otlp_json import JSON_MAX, PARTS_MAX
from support.senders.javascript_sender import javascript_agent
from support.serving import OPERATOR
from support.telemetry.mesh import AGENT, AGENT_DID, AUDITOR, PEER_DID, TelemetryMesh, quiet, telemetry_mesh
from support.telemetry.otlp_json import otlp_json_of
from support.telemetry.spans import SpanSpec, request_of

PROTOBUF, JSON = "application/x-protobuf", "application/json"
HTTP = "telemetry.http_listen"


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path) as running:
        yield running


async def post(
    telemetry: TelemetryMesh,
    body: bytes,
    *,
    media: str = PROTOBUF,
    caller: Caller = OPERATOR,
    path: str = "/v1/traces",
    encoding: str = "",
) -> httpx.Response:
    headers = {**dict(telemetry.mesh.metadata(caller)), "content-type": media}
    if encoding:
        headers["content-encoding"] = encoding
    async with httpx.AsyncClient(base_url=f"http://{telemetry.mesh.address(HTTP)}") as client:
        return await client.post(path, content=body, headers=headers)


def call(name: int, *, agent: str = AGENT_DID, tokens: int = 10) -> SpanSpec:
    return SpanSpec(name, 0, {"gen_ai.agent.id": agent, "gen_ai.usage.input_tokens": tokens})


def status_in(response: httpx.Response) -> tuple[int, str, str]:
    """Return the code of HTTP, the reason, and the message of a refusal, whichever way it is written."""
    status = Status()
    if response.headers["content-type"] == JSON:
        json_format.Parse(response.content, status)
    else:
        assert response.headers["content-type"] == PROTOBUF
        status.ParseFromString(response.content)
    info = next(detail for detail in status.details if detail.Is(ErrorInfo.DESCRIPTOR))
    told = ErrorInfo()
    assert info.Unpack(told)
    return response.status_code, told.reason, status.message


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("media", [PROTOBUF, JSON, f"{JSON}; charset=utf-8", "Application/JSON"])
async def test_spans_are_taken_and_answered_as_they_came(telemetry: TelemetryMesh, media: str, packed: bool) -> None:
    request = request_of([call(1)])
    is_json = "json" in media.lower()
    body = otlp_json_of(request) if is_json else request.SerializeToString()
    sent, encoding = (gzip.compress(body), "gzip") if packed else (body, "")
    response = await post(telemetry, sent, media=media, encoding=encoding)
    assert (response.status_code, response.headers["content-type"]) == (200, JSON if is_json else PROTOBUF)
    assert response.content == (b"{}" if is_json else b"")  # OTLP: no partial success on full success
    assert (await telemetry.usage_by_agent())[AGENT_DID, False].input_tokens == 10


async def test_the_same_request_by_three_ways_is_counted_once(telemetry: TelemetryMesh) -> None:
    request = request_of([call(1), call(2)])
    await telemetry.traces().Export(request)
    await post(telemetry, request.SerializeToString())
    await post(telemetry, otlp_json_of(request), media=JSON)
    assert (await telemetry.usage_by_agent())[AGENT_DID, False].input_tokens == 20
    metrics = await telemetry.metrics()
    assert metrics['otlp_acknowledged_items_total{signal="traces"}'] == 6


async def test_json_as_the_specification_writes_it(telemetry: TelemetryMesh) -> None:
    """Hexadecimal ids in either case, numbers of 64 bits as texts or numbers, unknown fields, kinds by number."""
    now = telemetry.clock.now() * 1_000_000
    span: dict[str, Any] = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "eee19b7ec3c1b174",
        "parentSpanId": "",
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": now + 1_000_000,
        "someFieldOfLater": {"traceId": "00"},
        "attributes": [
            {"key": "gen_ai.agent.id", "value": {"stringValue": AGENT_DID}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}},
            {"key": "traceId", "value": {"stringValue": "not an id"}},
        ],
        "links": [{"traceId": "5b8efff798038103d269b633813fc60d", "spanId": "EEE19B7EC3C1B175"}],
        "status": {},
    }
    document = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}]}]}
    response = await post(telemetry, json.dumps(document).encode(), media=JSON)
    assert (response.status_code, response.json()) == (200, {})
    assert (await telemetry.usage_by_agent())[AGENT_DID, False].input_tokens == 7


async def test_logs_and_metrics_have_their_paths(telemetry: TelemetryMesh) -> None:
    record = {"timeUnixNano": "1", "body": {"stringValue": "hello"}}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record]}]}]}
    point = {"timeUnixNano": "1", "asDouble": 1.5, "exemplars": [{"spanId": "eee19b7ec3c1b174", "asInt": "1"}]}
    gauges = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [point]}}]}]}]}
    for signal, document, count in (("logs", logs, 2), ("metrics", gauges, 1)):
        response = await post(telemetry, json.dumps(document).encode(), media=JSON, path=f"/v1/{signal}")
        assert (response.status_code, response.json()) == (200, {})
        assert (await telemetry.metrics())[f'otlp_acknowledged_items_total{{signal="{signal}"}}'] == count


async def test_items_that_are_no_spans_are_a_partial_success(telemetry: TelemetryMesh) -> None:
    request = request_of([call(1), call(2)])
    request.resource_spans[0].scope_spans[0].spans[0].span_id = b"short"
    in_bytes = await post(telemetry, request.SerializeToString())
    told = ExportTraceServiceResponse.FromString(in_bytes.content)
    assert told.partial_success.rejected_spans == 1
    in_json = await post(telemetry, otlp_json_of(request), media=JSON)
    assert in_json.json()["partialSuccess"]["rejectedSpans"] == "1"


class Told(SpanExporter):
    """Exports as another exporter does, and keeps how it went."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.results: list[SpanExportResult] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.results.append(self._exporter.export(spans))
        return self.results[-1]


async def test_the_stock_exporter_of_python(telemetry: TelemetryMesh) -> None:
    told = Told(
        OTLPSpanExporter(
            endpoint=f"http://{telemetry.mesh.address(HTTP)}/v1/traces",
            headers={"authorization": f"Bearer {telemetry.mesh.token(AGENT)}"},
            compression=Compression.Gzip,
        )
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(told))

    def work() -> None:
        with provider.get_tracer("tests").start_as_current_span("chat") as span:
            span.set_attribute("gen_ai.usage.input_tokens", 12)

    await asyncio.to_thread(work)
    assert told.results == [SpanExportResult.SUCCESS]
    assert (await telemetry.usage_by_agent())[AGENT_DID, False].input_tokens == 12


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
async def test_the_stock_exporters_of_javascript(telemetry: TelemetryMesh, protocol: str) -> None:
    ended = await javascript_agent(
        address=telemetry.mesh.address(HTTP),
        token=telemetry.mesh.token(AGENT),
        agent=AGENT_DID,
        session="s-1",
        rounds=100,
        protocol=protocol,
    )
    assert ended == {"ended": 300, "failed": 0}
    row = (await telemetry.usage_by_agent())[AGENT_DID, False]
    assert (row.input_tokens, row.output_tokens) == (13_000, 1_300)


async def test_who_may_report_whom_holds_here_too(telemetry: TelemetryMesh) -> None:
    await post(telemetry, otlp_json_of(request_of([call(1, agent=PEER_DID)])), media=JSON, caller=AGENT)
    usage = await telemetry.usage_by_agent()
    assert (PEER_DID, True) in usage
    assert (PEER_DID, False) not in usage


SOUND = request_of([call(1)])
BAD_ID = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}'
DEEP = b'{"resourceSpans":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
NESTED = b'{"arrayValue":{"values":[' * 150 + b"{}" + b"]}}" * 150
DEEP_VALUE = b'{"resourceSpans":[{"resource":{"attributes":[{"key":"k","value":' + NESTED + b"}]}}]}"

REFUSED = {
    "no protobuf": (b"\xff\xff\xff", PROTOBUF, "", 400, "MALFORMED_MESSAGE", "not an OTLP request"),
    "no JSON": (b"{", JSON, "", 400, "MALFORMED_MESSAGE", "it is no JSON"),
    "no JSON object": (b"[]", JSON, "", 400, "MALFORMED_MESSAGE", "no JSON object"),
    "not UTF-8": (b'{"a":"\xff"}', JSON, "", 400, "MALFORMED_MESSAGE", "it is no JSON"),
    "no number": (b'{"resourceSpans":NaN}', JSON, "", 400, "MALFORMED_MESSAGE", "it is no JSON"),
    "another shape": (b'{"resourceSpans":{"a":1}}', JSON, "", 400, "MALFORMED_MESSAGE", "it is no OTLP"),
    "a null among spans": (b'{"resourceSpans":[null]}', JSON, "", 400, "MALFORMED_MESSAGE", "it is no OTLP"),
    "no id": (BAD_ID, JSON, "", 400, "MALFORMED_MESSAGE", "traceId is not hexadecimal"),
    "too deep": (DEEP, JSON, "", 400, "MALFORMED_MESSAGE", "it is no"),
    "values too deep": (DEEP_VALUE, JSON, "", 400, "MALFORMED_MESSAGE", "it is no OTLP"),
    "too many parts": (
        b'{"x":[' + b"{}," * (PARTS_MAX // 2) + b"{}]}",
        *(JSON, "", 413, "MESSAGE_TOO_LARGE", "send less at a time"),
    ),
    "too long": (b" " * (JSON_MAX + 1), JSON, "", 413, "MESSAGE_TOO_LARGE", "send less at a time"),
    "another encoding": (SOUND.SerializeToString(), "text/plain", "", 415, "INVALID_REQUEST", "content-type"),
    "no encoding": (SOUND.SerializeToString(), "", "", 415, "INVALID_REQUEST", "content-type"),
    "another compression": (SOUND.SerializeToString(), PROTOBUF, "br", 415, "INVALID_REQUEST", "send gzip"),
    "no gzip": (SOUND.SerializeToString(), PROTOBUF, "gzip", 400, "MALFORMED_MESSAGE", "not the gzip"),
    "half a gzip": (
        gzip.compress(SOUND.SerializeToString())[:-9],
        *(PROTOBUF, "gzip", 400, "MALFORMED_MESSAGE", "ends too early"),
    ),
    "more than a gzip": (
        gzip.compress(SOUND.SerializeToString()) + b"x",
        *(PROTOBUF, "gzip", 400, "MALFORMED_MESSAGE", "something follows"),
    ),
    "much more than a gzip": (
        gzip.compress(SOUND.SerializeToString()) + bytes(200_000),
        *(PROTOBUF, "gzip", 400, "MALFORMED_MESSAGE", "something follows"),
    ),
    "nothing in place of a gzip": (b"", PROTOBUF, "gzip", 400, "MALFORMED_MESSAGE", "ends too early"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_refused_says_why_in_the_senders_own_encoding(telemetry: TelemetryMesh, what: str) -> None:
    body, media, encoding, code, reason, why = REFUSED[what]
    response = await post(telemetry, body, media=media, encoding=encoding)
    status, told, message = status_in(response)
    assert (status, told) == (code, reason)
    assert why in message
    assert response.headers["content-type"] == (JSON if media == JSON else PROTOBUF)
    assert "retry-after" not in response.headers
    assert (await telemetry.metrics())['otlp_acknowledged_items_total{signal="traces"}'] == 0


async def test_only_who_may_report_is_heard(telemetry: TelemetryMesh) -> None:
    body = SOUND.SerializeToString()
    for caller, code, reason in ((ANONYMOUS, 401, "UNAUTHENTICATED"), (AUDITOR, 403, "NOT_PERMITTED")):
        response = await post(telemetry, body, caller=caller)
        assert status_in(response)[:2] == (code, reason)
        assert ("www-authenticate" in response.headers) is (code == 401)


async def test_there_is_nothing_else_here(telemetry: TelemetryMesh) -> None:
    async with httpx.AsyncClient(base_url=f"http://{telemetry.mesh.address(HTTP)}") as client:
        assert (await client.get("/v1/traces")).status_code == 405
        assert (await client.post("/v1/profiles")).status_code == 404


async def test_a_bomb_never_unfolds_in_memory(tmp_path: Path) -> None:
    async with telemetry_mesh(tmp_path, config=quiet(ingest=IngestConfig(max_request_bytes=100_000))) as telemetry:
        request = request_of([SpanSpec(1, attributes={"zeros": "0" * 10_000_000})])
        response = await post(telemetry, gzip.compress(request.SerializeToString()), encoding="gzip")
        assert status_in(response)[:2] == (413, "MESSAGE_TOO_LARGE")
        assert (await post(telemetry, SOUND.SerializeToString())).status_code == 200


async def test_who_comes_while_there_is_no_room_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with telemetry_mesh(tmp_path, config=quiet(ingest=IngestConfig(free_bytes=2**60))) as telemetry:
        response = await post(telemetry, otlp_json_of(SOUND), media=JSON)
        assert status_in(response)[:2] == (429, "INGEST_OVERLOADED")
        assert int(response.headers["retry-after"]) >= 1


async def test_a_large_request_comes_through_in_pieces(telemetry: TelemetryMesh) -> None:
    """Of bytes gzip makes nothing of and of some it makes little of, so there are many pieces packed and unpacked."""
    noise = random.Random(1).randbytes(3 << 20)
    request = request_of([SpanSpec(1, attributes={"noise": noise, "zeros": bytes(3 << 20)}), call(2)])
    body = gzip.compress(request.SerializeToString(), 1)
    assert (await post(telemetry, body, encoding="gzip")).status_code == 200
    assert (await telemetry.usage_by_agent())[AGENT_DID, False].input_tokens == 10
