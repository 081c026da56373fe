"""Whether an agent acted against a denial: in one trace a tool ran for it that was denied to it, and never allowed.

Pure. When it ran is not asked: clocks differ, and what was denied and allowed later may run.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ringfence_telemetry.dialects import EXECUTE_TOOL


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision said of a tool."""

    agents: frozenset[str]
    """The names it gives the agent: DID and resource name."""
    tool: str
    effect: str


def decided(bodies: Iterable[bytes]) -> tuple[Decided, ...]:
    """Return what entries of the audit log say of tools; they were checked when they were appended."""
    documents: Iterable[dict[str, Any]] = (json.loads(body) for body in bodies)
    return tuple(
        Decided(frozenset({str(each.get("did", "")), str(each.get("agent", ""))} - {""}), tool, str(each.get("effect")))
        for each in documents
        if isinstance(tool := each.get("tool"), str) and tool
    )


def overridden(agent: str, uses: Mapping[str, int], said: Iterable[Decided]) -> bool:
    """Say whether a tool that was denied to `agent` ran for it all the same."""
    effects: dict[str, set[str]] = {}
    for each in said:
        if agent in each.agents:
            effects.setdefault(each.tool, set()).add(each.effect)
    return any(
        "DENY" in found and "ALLOW" not in found and uses.get(f"{EXECUTE_TOOL}/{tool}", 0) > 0
        for tool, found in effects.items()
    )
