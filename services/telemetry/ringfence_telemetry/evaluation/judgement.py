"""A judgement as it is kept, whichever way it came, and what it adds to the counts."""

import enum
import hashlib
from dataclasses import dataclass

from ringfence_kit.clock import DAY, Instant, Millis

from ringfence_telemetry.evaluation.counts import CountKey, What

KEPT = Millis(90 * DAY)
"""How long judgements are kept, each by itself: what comes later is too late to be told from a repetition."""


class Layer(enum.StrEnum):
    """What is judged."""

    STEP = "step"
    WORKFLOW = "workflow"
    LONG_HORIZON = "long_horizon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One judgement."""

    key: str
    """Unique: of whoever judged, and what that one calls it."""
    agent: str
    """Whose work it is; empty while nobody knows, which the trace will say."""
    version: str = ""
    layer: Layer
    metric: str
    passed: bool | None = None
    score: float | None = None
    label: str = ""
    trace_id: bytes = b""
    span_id: bytes = b""
    evaluator: str = ""
    """Who or what judged, as the judge says."""
    judge: str
    """Whose credential it came with."""
    at: Instant
    recorded_at: Instant

    @property
    def span(self) -> int:
        """The step, as traces number it; 0 when none is named."""
        return int.from_bytes(self.span_id, "big")


def judgement_key(judge: str, evaluation_id: str) -> str:
    """Return what makes a judgement the same when it comes again: one judge's id is not another's."""
    parts = (hashlib.sha256(part.encode()).digest() for part in (judge, evaluation_id))
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]


def counts_of(judgement: Judgement) -> dict[CountKey, int]:
    """Return what it adds: nothing when it says neither way, or when nobody knows whose it is."""
    if judgement.passed is None or not judgement.agent:
        return {}
    what = What.PASSED if judgement.passed else What.FAILED
    return {CountKey(judgement.agent, judgement.version, judgement.at // DAY, what, judgement.layer): 1}
