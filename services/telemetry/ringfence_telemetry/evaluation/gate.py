"""What a version has to reach before it may serve, and whether it does: every condition answered, in a sentence.

A share is held against the end of its interval that speaks against the version: few samples are no proof. Where a
condition is set and nothing counted, it is not reached. Nothing asked is reached.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ringfence_telemetry.evaluation.counts import Acceptance
from ringfence_telemetry.evaluation.shares import Share

SAMPLES = 30
DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceGate:
    """What is asked of an agent's versions; None where nothing is."""

    agent: str
    min_accuracy: float | None = None
    max_escalation: float | None = None
    min_safe_completion: float | None = None
    max_latency_p95_micros: int | None = None
    min_samples: int = SAMPLES
    days: int = DAYS
    revision: int = 0

    @property
    def etag(self) -> str:
        """What it is now, as a strong etag."""
        return f'"{self.revision}"'

    @property
    def asks_of_judgements(self) -> bool:
        """Whether judgements are needed to pass it."""
        return self.min_accuracy is not None

    @property
    def asks_of_work(self) -> bool:
        """Whether pieces of work are needed to pass it."""
        asked = (self.max_escalation, self.min_safe_completion, self.max_latency_p95_micros)
        return any(each is not None for each in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One condition, answered."""

    what: str
    reached: bool
    detail: str


def check(gate: AcceptanceGate, found: Acceptance) -> tuple[GateResult, ...]:
    """Return every condition of a gate, reached or not."""
    return tuple(_results(gate, found))


def accepted(results: tuple[GateResult, ...]) -> bool:
    """Say whether everything asked is reached."""
    return all(result.reached for result in results)


def _results(gate: AcceptanceGate, found: Acceptance) -> Iterator[GateResult]:
    if gate.min_accuracy is not None:
        yield _at_least("accuracy", "judgements passed", found.accuracy, gate.min_accuracy)
    if gate.max_escalation is not None:
        yield _at_most("escalation", "pieces of work asked for a person", found.escalation, gate.max_escalation)
    if gate.min_safe_completion is not None:
        what = "pieces of work ended safely"
        yield _at_least("safe_completion", what, found.safe_completion, gate.min_safe_completion)
    if gate.max_latency_p95_micros is not None:
        yield _latency(found, gate.max_latency_p95_micros)
    if gate.asks_of_judgements or gate.asks_of_work:
        yield _samples(gate, found)


def _at_least(what: str, words: str, share: Share, least: float) -> GateResult:
    said = f"{share.hits} of {share.total} {words}"
    detail = f"{said}, surely {_percent(share.low)} of them; at least {_percent(least)} are asked for"
    return GateResult(what=what, reached=share.total > 0 and share.low >= least, detail=detail)


def _at_most(what: str, words: str, share: Share, most: float) -> GateResult:
    said = f"{share.hits} of {share.total} {words}"
    detail = f"{said}, surely not more than {_percent(share.high)}; at most {_percent(most)} are allowed"
    return GateResult(what=what, reached=share.total > 0 and share.high <= most, detail=detail)


def _latency(found: Acceptance, most: int) -> GateResult:
    p95 = found.latency_p95_micros
    detail = (
        f"95 % of {found.workflows} pieces of work took at most {_seconds(p95)}; {_seconds(most)} are allowed"
        if found.workflows
        else f"no piece of work was seen; 95 % may take {_seconds(most)}"
    )
    return GateResult(what="latency_p95", reached=found.workflows > 0 and p95 <= most, detail=detail)


def _samples(gate: AcceptanceGate, found: Acceptance) -> GateResult:
    counted = [
        *([(found.judgements, "judgements")] if gate.asks_of_judgements else []),
        *([(found.workflows, "pieces of work")] if gate.asks_of_work else []),
    ]
    had = " and ".join(f"{count} {words}" for count, words in counted)
    detail = f"{had} in {gate.days} days; at least {gate.min_samples} are needed"
    return GateResult(what="samples", reached=min(count for count, _ in counted) >= gate.min_samples, detail=detail)


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"


def _seconds(micros: int) -> str:
    return f"{micros / 1e6:.4g} s"
