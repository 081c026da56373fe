"""What an alert of a budget says."""

from datetime import UTC, datetime

from ringfence_kit.clock import Instant

from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.budgets.budget import WHOLE, Budget, Scope, Standing, Unit

_NANOS_DIGITS = 9


def alert_key(budget: Budget, standing: Standing, level: int) -> str:
    """Return what makes the alert of a level the same: one for each subject and period."""
    return f"budget/{budget.id}/{standing.subject}/{standing.start}/{level}"


def draft_of(budget: Budget, standing: Standing, level: int) -> AlertDraft:
    """Return the alert of a level that is reached."""
    whole = level == WHOLE
    return AlertDraft(
        key=alert_key(budget, standing, level),
        kind=AlertKind.BUDGET,
        message=_message(budget, standing, level),
        page=whole and budget.hard,
        subject=budget.name,
        agent=standing.subject if budget.scope is Scope.AGENT else "",
        evidence=_evidence(budget, standing, level),
    )


def share(level: int) -> str:
    """Return a level for people: `80 %`."""
    return f"{level * 100 / WHOLE:g} %"


def amount_text(budget: Budget, amount: int) -> str:
    """Return an amount of a budget for people: `1.50 USD`, `120 tokens`."""
    match budget.unit:
        case Unit.COST:
            whole, rest = divmod(abs(amount), 10**_NANOS_DIGITS)
            cents = f"{rest:09d}".rstrip("0").ljust(2, "0")
            return f"{'-' if amount < 0 else ''}{whole:,}.{cents} {budget.currency}"
        case Unit.TOKENS:
            return f"{amount:,} tokens"
        case Unit.CALLS:
            return f"{amount:,} calls"


def time_text(at: Instant) -> str:
    """Return an instant for people, in UTC."""
    return datetime.fromtimestamp(at // 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _message(budget: Budget, standing: Standing, level: int) -> str:
    whom = f" of {budget.scope.value} {standing.subject}" if standing.subject else ""
    spent, amount = amount_text(budget, standing.spent), amount_text(budget, budget.amount)
    end = budget.end_of(standing.start)
    renews = "it is not renewed" if end is None else f"it is renewed at {time_text(end)}"
    if level < WHOLE:
        return f"{share(level)} of the budget {budget.id}{whom} is spent: {spent} of {amount}; {renews}."
    denied = "; until then what would spend more is denied" if budget.hard and end is not None else ""
    denied = denied or ("; what would spend more is denied" if budget.hard else "")
    return f"The budget {budget.id}{whom} is used up: {spent} of {amount}; {renews}{denied}. Raise it if that is right."


def _evidence(budget: Budget, standing: Standing, level: int) -> dict[str, str]:
    evidence = {
        "budget": budget.id,
        "subject": standing.subject,
        "spent": str(standing.spent),
        "amount": str(budget.amount),
        "unit": budget.unit.value,
        "level": f"{level / WHOLE:g}",
        "period_start_ms": str(standing.start),
    }
    if budget.currency:
        evidence["currency"] = budget.currency
    if standing.unknown_cost_calls:
        evidence["unknown_cost_calls"] = str(standing.unknown_cost_calls)
    return evidence
