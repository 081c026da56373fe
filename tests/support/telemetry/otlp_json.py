"""Requests in OTLP's JSON, as a sender writes them."""

import base64
import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def otlp_json_of(request: Message) -> bytes:
    """Return a request as protobuf's JSON with ids in hexadecimal."""
    return json.dumps(_with_hexadecimal_ids(json_format.MessageToDict(request))).encode()


def _with_hexadecimal_ids(said: Any) -> Any:
    if isinstance(said, list):
        return [_with_hexadecimal_ids(each) for each in said]
    if not isinstance(said, dict):
        return said
    return {
        key: base64.b64decode(value).hex() if key in IDS else _with_hexadecimal_ids(value)
        for key, value in said.items()
    }
