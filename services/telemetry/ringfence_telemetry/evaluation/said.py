"""A judgement as an OTel event says it: `gen_ai.evaluation.result`, out of a log record or an event of a span.

Pure and bounded, like the reading of spans: every text is cut, every number checked, nothing a sender writes can raise.

- whether it passed is read off the label where that is a known word, else it stays open: a score is not a verdict,
  since nobody says from which score on it would be good;
- the same event sent again has the same key, so it counts once, whichever way it comes;
- only a reporter that may name everyone is believed: whoever is bound to an agent would judge itself, and whoever is
  not may not name it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ringfence_kit.clock import Instant

from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.spans import LABEL_MAX, SKEW_MAX

EVENT_NAME = "gen_ai.evaluation.result"
"""The event's name, of a log record (`event_name`, or the attribute `event.name`) or of an event of a span."""

METRIC = "gen_ai.evaluation.name"
SCORE = "gen_ai.evaluation.score.value"
LABEL = "gen_ai.evaluation.score.label"
RESPONSE = "gen_ai.response.id"
AGENT_ID = "gen_ai.agent.id"
AGENT_NAME = "gen_ai.agent.name"
VERSION = "gen_ai.agent.version"
EVALUATOR = "gen_ai.evaluation.evaluator"

ATTRIBUTES = frozenset({METRIC, SCORE, LABEL, RESPONSE, AGENT_ID, AGENT_NAME, VERSION, EVALUATOR})
"""What is read of the event; a reader may leave out all others. (No evaluator is in the conventions yet; where the last
of these lacks, the reporter stands for it.)"""

TEXT_MAX = 100
"""Characters kept of a metric, a version, a label."""

SCORE_MAX = 1e12
"""What lies beyond is no score, and would only drown the others."""

PASSING = frozenset({"pass", "passed", "correct", "relevant", "true", "yes", "ok", "good", "grounded", "safe"})
FAILING = frozenset(
    {
        *("fail", "failed", "incorrect", "irrelevant", "not_relevant", "false", "no", "bad"),
        *("not_grounded", "ungrounded", "hallucinated", "unsafe"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one event says."""

    key: str
    """The same for the same event, whenever and however often it comes."""
    reporter: str
    """Whose credential it came with."""
    trusted: bool
    """Whether the reporter may judge whom it names."""
    agent: str = ""
    """As it says; empty when the step or the trace has to say."""
    version: str = ""
    metric: str
    passed: bool | None = None
    score: float | None = None
    label: str = ""
    evaluator: str = ""
    trace_id: bytes = b""
    span_id: bytes = b""
    at: Instant


def said(
    attributes: Mapping[str, str | float | bool],
    *,
    trace_id: bytes,
    span_id: bytes,
    time_unix_nano: int,
    received_at: Instant,
    reporter: Reporter,
) -> Said | None:
    """Return what an event says; None when it names no measure, or says nothing of it."""
    metric, label = _text(attributes.get(METRIC)), _text(attributes.get(LABEL))
    score = _score(attributes.get(SCORE))
    if not metric or (score is None and not label):
        return None
    agent = _text(attributes.get(AGENT_ID), LABEL_MAX) or _text(attributes.get(AGENT_NAME), LABEL_MAX)
    version, response = _text(attributes.get(VERSION)), _text(attributes.get(RESPONSE), LABEL_MAX)
    evaluator = _text(attributes.get(EVALUATOR), LABEL_MAX)
    parts = (agent, version, metric, label, str(score), response, evaluator, str(time_unix_nano))
    return Said(
        key=_digest(reporter.principal, trace_id.hex(), span_id.hex(), *parts),
        reporter=reporter.principal,
        trusted=reporter.speaks_for_all,
        agent=agent,
        version=version,
        metric=metric,
        passed=verdict(label),
        score=score,
        label=label,
        evaluator=evaluator,
        trace_id=trace_id if len(trace_id) == 16 and any(trace_id) else b"",
        span_id=span_id if len(span_id) == 8 and any(span_id) else b"",
        at=_at(time_unix_nano, received_at),
    )


def verdict(label: str) -> bool | None:
    """Return whether a label says that it passed; None when it is no word for either."""
    word = label.strip().lower().replace(" ", "_").replace("-", "_")
    return True if word in PASSING else False if word in FAILING else None


def _text(value: str | float | bool | None, most: int = TEXT_MAX) -> str:
    if value is None or isinstance(value, float):
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    # PostgreSQL stores no NUL, UTF-8 has no surrogates; no honest label holds either.
    return text[:most].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _score(value: str | float | bool | None) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        score = float(value)
    except (ValueError, OverflowError):
        return None
    return score if abs(score) <= SCORE_MAX else None  # NaN is not, either


def _at(time_unix_nano: int, received_at: Instant) -> Instant:
    at = time_unix_nano // 1_000_000
    return Instant(at) if abs(at - received_at) <= SKEW_MAX else received_at


def _digest(*parts: str) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(part.encode()).digest() for part in parts)).hexdigest()[:32]
