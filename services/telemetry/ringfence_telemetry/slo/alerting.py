"""How an objective stands → what somebody should look at, in sentences with the numbers."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from ringfence_kit.clock import DAY, HOUR, MINUTE, Millis

from ringfence_telemetry.alerts.draft import AlertDraft, AlertKind
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.ratios import decimal, exact_or_cut
from ringfence_telemetry.slo.standing import Rate, Standing, State


def alert_keys(objective: Objective) -> tuple[str, ...]:
    """Return the keys of every alert an objective may raise."""
    burns = (burn_key(objective, rule.long) for rule in objective.burn_rules)
    return (*burns, exhausted_key(objective))


def burn_key(objective: Objective, long: Millis) -> str:
    """Return the key of the alert of one pair of windows."""
    return f"slo-burn/{slo_id(objective.name)}/{length(long)}"


def exhausted_key(objective: Objective) -> str:
    """Return the key of the alert about a budget that is used up."""
    return f"slo-exhausted/{slo_id(objective.name)}"


def slo_of_key(key: str) -> str:
    """Return the name of the objective that an alert's key is of; empty when it is no objective's."""
    match key.split("/"):
        case ["slo-burn", id_, _] | ["slo-exhausted", id_]:
            return f"slos/{id_}"
        case _:
            return ""


def drafts_of(objective: Objective, standing: Standing) -> tuple[AlertDraft, ...]:
    """Return what somebody should look at, traces excepted."""
    burns = [_burn(objective, standing, rate) for rate in standing.rates if rate.firing]
    return (*burns, _exhausted(objective, standing)) if standing.state is State.EXHAUSTED else tuple(burns)


def length(duration: Millis) -> str:
    """Return a duration as people say it: `1h`, `3d`, `5m`."""
    for unit, letter in ((DAY, "d"), (HOUR, "h")):
        if duration % unit == 0:
            return f"{duration // unit}{letter}"
    return f"{duration // MINUTE}m"


def percent(share: Fraction) -> str:
    """Return a share in percent, to three places."""
    return f"{decimal(100 * share, 3)} %"


def slo_id(name: str) -> str:
    """Return the id in `slos/{slo}`."""
    return name.removeprefix("slos/")


def _burn(objective: Objective, standing: Standing, rate: Rate) -> AlertDraft:
    rule, long, short = rate.rule, rate.long or Fraction(0), rate.short or Fraction(0)
    used = standing.used or Fraction(0)
    message = (
        f"{objective.name} uses its error budget {decimal(long, 2)} times as fast as it may over "
        f"{length(rule.long)}, and {decimal(short, 2)} times over {length(rule.short)}; more than "
        f"{decimal(rate.threshold, 2)} is too fast. {percent(used)} of the budget is used. {_whom(standing)}"
    )
    evidence = {f"burn_{length(rule.long)}": exact_or_cut(long), f"burn_{length(rule.short)}": exact_or_cut(short)}
    return AlertDraft(
        key=burn_key(objective, rule.long),
        kind=AlertKind.SLO_BURN,
        message=message,
        page=rule.page,
        subject=objective.name,
        agent=_agent(objective, standing.blame),
        evidence={**evidence, "threshold": exact_or_cut(rate.threshold), **_numbers(standing)},
    )


def _exhausted(objective: Objective, standing: Standing) -> AlertDraft:
    message = (
        f"{objective.name} has used {percent(standing.used or Fraction(0))} of its error budget: of "
        f"{standing.tally.total} events in {length(objective.window)} {standing.tally.bad} were bad, and "
        f"{percent(objective.budget)} may be. {_whom(standing)}"
    )
    return AlertDraft(
        key=exhausted_key(objective),
        kind=AlertKind.SLO_EXHAUSTED,
        message=message,
        page=True,
        subject=objective.name,
        agent=_agent(objective, standing.blame),
        evidence=_numbers(standing),
    )


def _whom(standing: Standing) -> str:
    if not standing.blame:
        return "Look at its newest traces."
    agent, blamed = standing.blame[0]
    of_them = f"{blamed.bad} of {standing.tally.bad} bad events are of {agent}"
    return f"{of_them}, {blamed.errors} of them errors: look at its traces, or call another in its place."


def _agent(objective: Objective, blame: Sequence[tuple[str, object]]) -> str:
    return blame[0][0] if blame else objective.agent


def _numbers(standing: Standing) -> Mapping[str, str]:
    numbers = {"good": str(standing.tally.good), "total": str(standing.tally.total)}
    if standing.used is not None:
        numbers["budget_used"] = exact_or_cut(standing.used)
    return numbers
