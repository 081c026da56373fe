"""What is to be expected of a budget: what the last hour says about the rest of the period."""

from dataclasses import dataclass

from ringfence_kit.clock import HOUR, Instant

from ringfence_telemetry.budgets.budget import WHOLE, Budget, Standing
from ringfence_telemetry.budgets.used import Used


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is to be expected if the last hour is how it goes on."""

    forecast: int
    """Spent when the period ends; what is spent now when it does not end."""
    exhausted_at: Instant | None = None
    """When nothing will be left; None when that is not in this period, or past."""


def outlook_of(budget: Budget, standing: Standing, last_hour: Used | None, *, at: Instant) -> Outlook:
    """Return the outlook; `last_hour` is what the subject used in the hour before `at`, within the period.

    A period that is younger than an hour is taken for what it is: its rate is that of the time it has lasted, and of a
    minute at least, so that the first call of a day does not forecast a million of them.
    """
    spent, end = standing.spent, budget.end_of(standing.start)
    recent = 0 if last_hour is None else max(0, last_hour.of(budget)[0])
    lasted = min(HOUR, max(60_000, at - standing.start))
    forecast = spent if end is None else spent + recent * max(0, end - at) // lasted
    left = budget.amount - spent
    if left <= 0 or not recent:
        return Outlook(forecast=forecast)
    exhausted = Instant(at - (-left * lasted // recent))
    return Outlook(forecast=forecast, exhausted_at=exhausted if end is None or exhausted < end else None)


def state_of(budget: Budget, standing: Standing) -> tuple[str, int]:
    """Return `WITHIN`, `SOFT` or `EXHAUSTED`, and the highest level that is crossed."""
    level = max(budget.crossed(standing.spent), default=0)
    return ("EXHAUSTED" if level == WHOLE else "SOFT" if level else "WITHIN"), level
