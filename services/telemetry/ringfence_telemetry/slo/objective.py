"""What an agent promises: the share of good events over a time, by whom it is measured, and when somebody is told.

Values only, as they are kept and reckoned with; `convert/slos.py` has checked them.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant, Millis

from ringfence_telemetry.slo.ratios import ONE, Ratio

WINDOW_DEFAULT = Millis(30 * DAY)
WINDOW_LEAST = Millis(HOUR)
WINDOW_MOST = Millis(90 * DAY)
MIN_EVENTS_DEFAULT = 20
HOLD_MOST = 60
SHORT_PART = 12
"""The short window of a pair is this part of the long one, unless it is said."""


class DependencyKind(StrEnum):
    """How an agent needs another one."""

    HARD = "hard"
    SOFT = "soft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What stands in for a dependency."""

    agent: str
    target: Ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """One that an agent calls to do its work."""

    agent: str
    target: Ratio
    kind: DependencyKind = DependencyKind.HARD
    calls: int = 1
    retries: int = 0
    fallbacks: tuple[Fallback, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnRule:
    """A pair of windows that raises an alert when both burn faster than `share` of the budget in the long one."""

    share: Ratio
    long: Millis
    short: Millis
    page: bool

    def threshold(self, period: Millis) -> Fraction:
        """Return the rate that uses up `share` of the budget of `period` within the long window."""
        return self.share.fraction * period / self.long


def burn_rule(share: str, long: Millis, *, page: bool) -> BurnRule:
    """Return a pair whose short window is a twelfth of the long one."""
    return BurnRule(share=Ratio.of(Fraction(share)), long=long, short=short_of(long), page=page)


def short_of(long: Millis) -> Millis:
    """Return the short window that belongs to a long one: a twelfth, in whole minutes."""
    return Millis(max(1, long // MINUTE // SHORT_PART) * MINUTE)


DEFAULT_RULES = (
    burn_rule("0.02", Millis(HOUR), page=True),
    burn_rule("0.05", Millis(6 * HOUR), page=True),
    burn_rule("0.1", Millis(DAY), page=False),
    burn_rule("0.1", Millis(3 * DAY), page=False),
)
"""Those of the Site Reliability Workbook, chapter 5: for 30 days the rates 14.4, 6, 3 and 1."""


def default_rules(window: Millis) -> tuple[BurnRule, ...]:
    """Return the usual pairs that are no longer than the objective's own time."""
    return tuple(rule for rule in DEFAULT_RULES if rule.long <= window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """An objective."""

    name: str
    """`slos/{slo}`."""
    display_name: str = ""
    agent: str
    operation: str = ""
    target: Ratio
    window: Millis = WINDOW_DEFAULT
    latency: Millis | None = None
    evaluation: str = ""
    dependencies: tuple[Dependency, ...] = ()
    own_target: Ratio = ONE
    min_events: int = MIN_EVENTS_DEFAULT
    burn_rules: tuple[BurnRule, ...] = DEFAULT_RULES
    created_at: Instant
    updated_at: Instant
    counted_from: Instant
    """Events before it are of another objective: of none, or of what this one was before."""
    version: int = 0
    """The revision of its last change."""

    @property
    def budget(self) -> Fraction:
        """The share of events that may be bad."""
        return 1 - self.target.fraction

    @property
    def hold(self) -> int:
        """Minutes of less before an order is taken back: two short windows, at most an hour."""
        short = min((rule.short for rule in self.burn_rules), default=Millis(5 * MINUTE))
        return min(HOLD_MOST, 2 * short // MINUTE)

    def measures_as(self, other: "Objective") -> bool:
        """Say whether the same events are good for both, so that what was counted for one counts for the other."""
        return (self.agent, self.operation, self.latency, self.evaluation) == (
            other.agent,
            other.operation,
            other.latency,
            other.evaluation,
        )

    def concerns(self, *, skill: str, operation: str) -> bool:
        """Say whether work of this skill and operation is measured by it."""
        return self.operation in ("", skill, operation)
