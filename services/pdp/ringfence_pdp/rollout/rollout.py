"""A rollout: which bundle decides, which decided before, and which is being tried beside it. A value, never changed.

There is one rollout at a time, and every change of it is one event. What is tried in the shadow decides nothing; what
is tried as a canary decides for a share of the agents, always the same ones, and raising the share only adds to them.
"""

import enum
import hashlib
from dataclasses import dataclass
from functools import lru_cache

from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.members import plain_members

ROLLOUT = "rollout"
"""The kind of a rollout's events, and the name of the one there is."""

MIN_DECISIONS = 100
"""Decisions to have seen before a rate means anything, where a trial does not say otherwise."""

_AGENTS_REMEMBERED = 8_192


@plain_members
class Mode(enum.Enum):
    """How a bundle is tried."""

    NONE = "none"
    SHADOW = "shadow"
    CANARY = "canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoAbort:
    """When a trial ends by itself. A rate of 0 never ends it."""

    max_flip_rate: float = 0.0
    max_error_rate: float = 0.0
    min_decisions: int = MIN_DECISIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """What decides, and what is tried. Bundles are named by digest; an empty one is none."""

    active: str = ""
    previous: str = ""
    """What decided before, and what a rollback without a name goes back to."""
    candidate: str = ""
    mode: Mode = Mode.NONE
    percent: int = 0
    """For a canary: of 100 agents, how many it decides for."""
    auto_abort: AutoAbort = AutoAbort()
    aborted_because: str = ""
    """Why the last trial ended by itself; empty when none did since the last change."""
    reason: str = ""
    """Why it was rolled back, in the words of who did; empty when it was not."""
    actor: str = ""
    changed_at: Instant = EPOCH
    revision: int = 0
    """The pdp's own revision of this change."""

    @property
    def etag(self) -> str:
        """Strong etag (AIP-154): every change is another one."""
        return f'"{self.revision}-{ROLLOUT}"'

    @property
    def named(self) -> frozenset[str]:
        """The bundles it speaks of, which are kept whatever their age."""
        return frozenset((self.active, self.previous, self.candidate)) - {""}


NOTHING_YET = Rollout()
"""Before anything was pushed."""


@lru_cache(maxsize=_AGENTS_REMEMBERED)
def share_of(agent: str) -> int:
    """Return where an agent stands among 100: a canary of more percent than that decides for it.

    By its name alone, so that it is the same for every bundle, every replica and every restart.
    """
    return int.from_bytes(hashlib.sha256(agent.encode()).digest()[:8], "big") % 100
