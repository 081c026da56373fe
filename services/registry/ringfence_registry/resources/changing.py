"""What every change of a resource has in common, inside its transaction."""

from dataclasses import replace
from typing import Any, TypeVar

from ringfence_kit.clock import Instant
from ringfence_kit.store import Recorder

from ringfence_registry.boundaries.model import Boundary
from ringfence_registry.external_systems.model import ExternalSystem
from ringfence_registry.resources.etags import later
from ringfence_registry.resources.switches import SwitchChange, SwitchState
from ringfence_registry.tools.model import Tool

T = TypeVar("T", Tool, ExternalSystem, Boundary)


def changed(before: T, tx: Recorder, now: Instant, **facts: Any) -> T:
    """Return `before` with other facts, as of the next revision. Nothing is stored."""
    return replace(before, revision=tx.next_revision, updated_at=later(before, now), **facts)


def switched(before: T, tx: Recorder, state: SwitchState, change: SwitchChange) -> T:
    """Return `before` in `state`, or as it is when it is in it."""
    switch = before.switch.turned(state, change)
    return before if switch is before.switch else changed(before, tx, change.at, switch=switch)
