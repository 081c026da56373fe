"""OTLP over HTTP: `/v1/traces`, `/v1/logs` and `/v1/metrics`, in protobuf and in JSON, as OTLP 1.x has it.

The rules:

- a request is what the same one over gRPC is: who may send it, what is kept of it, what is refused and why;
- who sends JSON is answered in JSON, refusals too: `google.rpc.Status` with the details gRPC would carry;
- what passes by waiting is 429 or 503, with Retry-After, or 504; senders give up on everything else, as they should.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from google.protobuf.message import Message
from ringfence_kit.errors import Failure, InvalidRequest, Violation
from ringfence_kit.grants import Grants
from ringfence_kit.http_methods import HttpCall, HttpMethod, headers_of, http_status_of
from ringfence_kit.status import status_of
from starlette.responses import Response

from ringfence_telemetry.api.otlp import OtlpApi
from ringfence_telemetry.convert import otlp_json
from ringfence_telemetry.convert.otlp import SERVICES

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

_JSON_AT_A_TIME: Final = 2
"""Requests in JSON that are read at once, in threads: it bounds the memory they take."""

_UNSUPPORTED: Final = 415
_ENCODING_FIELDS: Final = frozenset({"content-type", "content-encoding"})


class OtlpHttpApi:
    """One signal in, over HTTP."""

    def __init__(self, api: OtlpApi, reading: asyncio.Semaphore) -> None:
        """`reading` is shared by the signals."""
        self._api = api
        self._reading = reading

    async def export(self, call: HttpCall) -> Response:
        """Accept items."""
        media = _media_of(call.content_type)
        if media == PROTOBUF:
            payload = call.body
        elif media == JSON:
            otlp_json.check_size(call.body)
            async with self._reading:
                payload = await asyncio.to_thread(otlp_json.request_bytes, call.body, self._api.signal)
        else:
            raise InvalidRequest(Violation("content-type", f"must be {PROTOBUF} or {JSON}"))
        return _answer(await self._api.export(payload, call.caller), media)


def otlp_methods(apis: Sequence[OtlpApi], grants: Grants, *, max_request_bytes: int) -> Sequence[HttpMethod]:
    """Return the paths, granted to whom the native methods are."""
    reading = asyncio.Semaphore(_JSON_AT_A_TIME)
    return [
        HttpMethod(
            path=f"/v1/{api.signal.label}",
            name=f"otlp/v1/{api.signal.label}",
            grant=grants[f"/{SERVICES[api.signal]}/Export"],
            answer=OtlpHttpApi(api, reading).export,
            max_body_bytes=max_request_bytes,
            takes_gzip=True,
            refused=refused,
        )
        for api in apis
    ]


def refused(failure: Failure, content_type: str) -> Response:
    """Return a failure as OTLP has it: a `google.rpc.Status` in the encoding of the request."""
    status = http_status_of(failure)
    if any(violation.field in _ENCODING_FIELDS for violation in failure.violations):
        status = _UNSUPPORTED
    media = JSON if _media_of(content_type) == JSON else PROTOBUF
    response = _answer(status_of(failure), media, status=status)
    response.headers.update(headers_of(failure))
    return response


def _answer(message: Message, media: str, *, status: int = 200) -> Response:
    body = otlp_json.as_json(message) if media == JSON else message.SerializeToString()
    return Response(body, status_code=status, headers={"content-type": media})


def _media_of(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
