"""The shapes of ARD 0.9 and AI Catalog 1.0 as JSON Schemas, written from what their specifications say.

They are stricter than what we need: nothing but the named members where a specification names them all.
"""

from typing import Any

import jsonschema_rs

JsonSchema = dict[str, Any]

_TEXT: JsonSchema = {"type": "string"}
_TEXTS: JsonSchema = {"type": "array", "items": _TEXT}
_URI: JsonSchema = {"type": "string", "format": "uri"}
_COUNT: JsonSchema = {"type": "integer", "minimum": 0}


def _closed(members: JsonSchema, *required: str) -> JsonSchema:
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


TRUST_MANIFEST = _closed(
    {
        "identity": _TEXT,
        "identityType": {"enum": ["spiffe", "did", "https", "other"]},
        "attestations": {
            "type": "array",
            "items": _closed(
                {
                    "type": _TEXT,
                    "uri": _URI,
                    "mediaType": _TEXT,
                    "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
                },
                *("type", "uri", "mediaType"),
            ),
        },
        "signature": _TEXT,
    },
    "identity",
)

_ENTRY_MEMBERS: JsonSchema = {
    "identifier": {"type": "string", "pattern": r"^urn:air:[a-zA-Z0-9.-]+(:[a-zA-Z0-9._-]+)+$"},
    "displayName": {"type": "string", "minLength": 1},
    "type": {"type": "string", "pattern": "^[a-z]+/[a-z0-9.+-]+$"},
    "mediaType": _TEXT,
    "url": _URI,
    "data": {"type": "object"},
    "description": _TEXT,
    "tags": _TEXTS,
    "capabilities": _TEXTS,
    "representativeQueries": {**_TEXTS, "minItems": 2, "maxItems": 5},
    "version": _TEXT,
    "updatedAt": {"type": "string", "format": "date-time"},
    "trustManifest": TRUST_MANIFEST,
}
_NEEDED = ("identifier", "displayName", "type", "mediaType")
_ONE_OF: JsonSchema = {"oneOf": [{"required": ["url"]}, {"required": ["data"]}]}

ENTRY: JsonSchema = {**_closed(_ENTRY_MEMBERS, *_NEEDED), **_ONE_OF}
RESULT: JsonSchema = {
    **_closed(
        {**_ENTRY_MEMBERS, "score": {"type": "integer", "minimum": 0, "maximum": 100}, "source": _URI},
        *(*_NEEDED, "score", "source"),
    ),
    **_ONE_OF,
}
REFERRAL = _closed(
    {
        "identifier": _TEXT,
        "displayName": _TEXT,
        "type": {"enum": ["application/ai-registry", "application/ai-registry+json"]},
        "url": _URI,
    },
    *("identifier", "displayName", "type", "url"),
)

_FILTER: JsonSchema = {"type": "object", "additionalProperties": {"oneOf": [_TEXT, _TEXTS]}}
_QUERY = {"text": _TEXT, "filter": _FILTER}

SEARCH_REQUEST = _closed(
    {
        "query": _closed(_QUERY, "text"),
        "federation": {"enum": ["auto", "referrals", "none"]},
        "pageSize": {"type": "integer", "minimum": 1},
        "pageToken": _TEXT,
    },
    "query",
)
SEARCH_ANSWER = _closed(
    {
        "results": {"type": "array", "items": RESULT, "maxItems": 100},
        "referrals": {"type": "array", "items": REFERRAL},
        "pageToken": {"type": "string", "minLength": 1},
    },
    "results",
)
EXPLORE_REQUEST = _closed(
    {
        "query": _closed(_QUERY),
        "resultType": _closed(
            {
                "facets": {
                    "type": "array",
                    "items": _closed({"field": _TEXT, "limit": _COUNT, "minCount": _COUNT}, "field"),
                }
            },
            "facets",
        ),
    },
    "resultType",
)
EXPLORE_ANSWER = _closed(
    {
        "resultType": {"const": "facets"},
        "facets": {
            "type": "object",
            "additionalProperties": _closed(
                {
                    "buckets": {
                        "type": "array",
                        "items": _closed({"value": _TEXT, "count": {**_COUNT, "minimum": 1}}, "value", "count"),
                    },
                    "otherCount": _COUNT,
                },
                "buckets",
            ),
        },
    },
    *("resultType", "facets"),
)
LIST_ANSWER = _closed(
    {
        "items": {"type": "array", "items": ENTRY, "maxItems": 100},
        "total": _COUNT,
        "pageToken": {"type": "string", "minLength": 1},
    },
    "items",
)
ERROR = _closed({"errorCode": {"type": "string", "pattern": "^[A-Z_]+$"}, "message": _TEXT}, "errorCode", "message")
CATALOG = _closed(
    {
        "specVersion": {"const": "1.0"},
        "host": _closed(
            {
                "displayName": _TEXT,
                "identifier": _TEXT,
                "documentationUrl": _URI,
                "logoUrl": _URI,
                "trustManifest": TRUST_MANIFEST,
            },
            "displayName",
        ),
        "entries": {"type": "array", "items": ENTRY},
    },
    *("specVersion", "entries"),
)


def conforms(value: Any, schema: JsonSchema) -> Any:
    """Return `value`, or fail with everything that is wrong with it."""
    validator = jsonschema_rs.validator_for(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, validate_formats=True
    )
    faults = [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(value)]
    assert not faults, faults
    return value
