"""Settled traces for tests."""

from typing import Any

from ringfence_kit.clock import Instant
from ringfence_telemetry.workflows.settled import Part, Settled

from support.telemetry.objectives import A


def part(agent: str = A, **changes: Any) -> Part:
    """Return one agent's part: 100 ms that a caller saw."""
    fields: dict[str, Any] = {
        "agent": agent,
        "duration_micros": 100_000,
        "own_micros": 100_000,
        "critical": True,
    } | changes
    return Part(**fields)


def settled(number: int = 1, *, at: Instant, agent: str = A, **changes: Any) -> Settled:
    """Return a trace that ended at `at`: 100 ms of one agent, as its caller saw it."""
    fields: dict[str, Any] = {
        "trace_id": number.to_bytes(16, "big"),
        "trusted": True,
        "agent": agent,
        "operation": "invoke_agent",
        "started_at": Instant(at - 100),
        "ended_at": at,
        "duration_micros": 100_000,
        "failed": False,
        "parts": (part(agent),),
    } | changes
    return Settled(**fields)


def failed(number: int = 1, *, at: Instant, blame: str = "", **changes: Any) -> Settled:
    """Return a trace that failed, for which `blame` is to blame."""
    parts = (part(), part(blame, failed=True)) if blame else (part(failed=True),)
    fields: dict[str, Any] = {"failed": True, "error_blame": blame, "parts": parts} | changes
    return settled(number, at=at, **fields)
