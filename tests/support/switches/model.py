"""Switches: is a tool allowed to run, and who said otherwise."""

from dataclasses import dataclass

SWITCH = "switch"
"""The kind of a switch's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Whether a tool may run. `flips` counts how often that changed."""

    name: str
    on: bool
    reason: str
    flips: int = 0
