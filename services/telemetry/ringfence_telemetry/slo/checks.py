"""What makes an objective a sound one, whichever way it came: over the wire, or out of a document."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant, Millis
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.validation import Violations

from ringfence_telemetry.slo.objective import (
    MIN_EVENTS_DEFAULT,
    WINDOW_DEFAULT,
    WINDOW_LEAST,
    WINDOW_MOST,
    BurnRule,
    Dependency,
    Objective,
    default_rules,
)
from ringfence_telemetry.slo.ratios import ONE, Ratio, read

NAME_BYTES_MAX = 200
LABEL_BYTES_MAX = 256
DEPENDENCIES_MAX = 32
FALLBACKS_MAX = 4
RULES_MAX = 8
CALLS_MAX = 20
RETRIES_MAX = 5
MIN_EVENTS_MAX = 1_000_000
LATENCY_MOST = Millis(DAY)
PLACES_MOST = 1_000_000
"""The largest denominator of what a dependency promises: what many of them make possible stays a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SloDraft:
    """An objective as somebody writes it; empty is what is not said."""

    display_name: str = ""
    agent: str = ""
    operation: str = ""
    target: str = ""
    window: Millis | None = None
    latency: Millis | None = None
    evaluation: str = ""
    dependencies: tuple[Dependency, ...] = ()
    own_target: str = ""
    min_events: int = 0
    burn_rules: tuple[BurnRule, ...] = ()


def check_draft(name: str, draft: SloDraft, *, now: Instant) -> tuple[Objective | None, Sequence[Violation]]:
    """Return the objective a draft makes, or everything that is wrong with it."""
    found = Violations()
    objective = checked(name, draft, found, now=now)
    try:
        found.raise_if_any()
    except InvalidRequest as wrong:
        return None, wrong.violations
    return objective, ()


def checked(name: str, draft: SloDraft, found: Violations, *, now: Instant) -> Objective:
    """Return the objective a draft makes; what is wrong goes to `found`, and the objective is then none."""
    found.text(draft.display_name, "display_name", max_bytes=NAME_BYTES_MAX, required=False)
    found.text(draft.agent, "agent", max_bytes=LABEL_BYTES_MAX)
    found.text(draft.operation, "operation", max_bytes=LABEL_BYTES_MAX, required=False)
    found.text(draft.evaluation, "evaluation", max_bytes=LABEL_BYTES_MAX, required=False)
    found.integer(draft.min_events, "min_events", minimum=0, maximum=MIN_EVENTS_MAX)
    window = draft.window or WINDOW_DEFAULT
    if not WINDOW_LEAST <= window <= WINDOW_MOST or window % HOUR:
        found.add("window", "must be whole hours, from one to 90 days")
    if draft.latency is not None and not 1 <= draft.latency <= LATENCY_MOST:
        found.add("latency", "must be from 1 ms to a day")
    for index, dependency in enumerate(draft.dependencies):
        check_dependency(dependency, found.at(f"dependencies[{index}]"))
    if len(draft.dependencies) > DEPENDENCIES_MAX:
        found.add("dependencies", f"has more than {DEPENDENCIES_MAX} entries")
    for index, rule in enumerate(draft.burn_rules):
        _check_rule(rule, window, found.at(f"burn_rules[{index}]"))
    if len(draft.burn_rules) > RULES_MAX:
        found.add("burn_rules", f"has more than {RULES_MAX} entries")
    found.distinct([rule.long for rule in draft.burn_rules], "burn_rules")
    return Objective(
        name=name,
        display_name=draft.display_name,
        agent=draft.agent,
        operation=draft.operation,
        target=Ratio.of(target_share(draft.target, "target", found) or Fraction(1, 2)),
        window=window,
        latency=draft.latency,
        evaluation=draft.evaluation,
        dependencies=draft.dependencies,
        own_target=own_share(draft.own_target, "own_target", found),
        min_events=draft.min_events or MIN_EVENTS_DEFAULT,
        burn_rules=draft.burn_rules or default_rules(window),
        created_at=now,
        updated_at=now,
        counted_from=now,
    )


def target_share(text: str, field: str, found: Violations) -> Fraction | None:
    """Return a share strictly between 0 and 1."""
    share = read(text)
    if share is None or not 0 < share < 1:
        found.add(field, "must be a share strictly between 0 and 1, such as 0.99 or 99/100")
        return None
    return share


def own_share(text: str, field: str, found: Violations) -> Ratio:
    """Return a share over 0 and at most 1; an empty text means 1."""
    share = read(text or "1")
    if share is None or not 0 < share <= 1 or share.denominator > PLACES_MOST:
        found.add(field, "must be a share over 0 and at most 1, such as 0.999, of at most six places")
        return ONE
    return Ratio.of(share)


def check_dependency(dependency: Dependency, found: Violations) -> None:
    """Check one dependency."""
    found.text(dependency.agent, "agent", max_bytes=LABEL_BYTES_MAX)
    _check_promise(dependency.target, "target", found)
    found.integer(dependency.calls, "calls", minimum=1, maximum=CALLS_MAX)
    found.integer(dependency.retries, "retries", minimum=0, maximum=RETRIES_MAX)
    if len(dependency.fallbacks) > FALLBACKS_MAX:
        found.add("fallbacks", f"has more than {FALLBACKS_MAX} entries")
    for index, fallback in enumerate(dependency.fallbacks):
        found.text(fallback.agent, f"fallbacks[{index}].agent", max_bytes=LABEL_BYTES_MAX)
        _check_promise(fallback.target, f"fallbacks[{index}].target", found)


def _check_promise(target: Ratio, field: str, found: Violations) -> None:
    if not 0 < target.fraction <= 1 or target.bottom > PLACES_MOST:
        found.add(field, "must be a share over 0 and at most 1, such as 0.995, of at most six places")


def _check_rule(rule: BurnRule, window: Millis, found: Violations) -> None:
    if not 0 < rule.share.fraction <= 1:
        found.add("share", "must be a share over 0 and at most 1, such as 0.02")
    _check_whole(rule.long, "long_window", found)
    _check_whole(rule.short, "short_window", found)
    if rule.long > window:
        found.add("long_window", "must not be longer than the objective's own window")
    if rule.short >= rule.long:
        found.add("short_window", "must be shorter than the long one")


def _check_whole(length: Millis, field: str, found: Violations) -> None:
    """Check that a window is made of whole slots of the level it is read from."""
    step = MINUTE if length <= 6 * HOUR else 5 * MINUTE if length <= 3 * DAY else HOUR
    if length < MINUTE or length % step:
        found.add(field, "must be whole minutes; over 6 h whole five minutes, over 3 d whole hours")
