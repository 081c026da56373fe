"""Decision documents as the pdp writes them, for tests."""

import uuid
from typing import Any

import rfc8785

from support.telemetry.spans import NOW

DID = "did:web:agents.example:a"


def decision_id(number: int) -> str:
    """Return the UUID of the `number`th decision of a test."""
    return str(uuid.UUID(int=(0x4000 << 64) | (0x8 << 60) | number))


def document(number: int, **members: Any) -> dict[str, Any]:
    """Return the members of a decision; `None` takes a member out."""
    standard: dict[str, Any] = {
        "type": "decision",
        "version": 1,
        "decision_id": decision_id(number),
        "decide_time_ms": NOW,
        "environment": "prod",
        "did": DID,
        "effect": "ALLOW",
        "reason": "ALLOWED",
    }
    return {name: value for name, value in (standard | members).items() if value is not None}


def body(number: int, **members: Any) -> bytes:
    """Return the document as it is logged."""
    return rfc8785.dumps(document(number, **members))


def denied(number: int, reason: str = "RULE_DENIED", **members: Any) -> bytes:
    """Return a denial."""
    return body(number, effect="DENY", reason=reason, **members)
