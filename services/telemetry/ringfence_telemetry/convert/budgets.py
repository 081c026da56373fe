"""`ringfence.telemetry.v1.BudgetService` messages to values and back."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence_kit.clock import DAY, MINUTE, Millis
from ringfence_kit.events import Change, Revision
from ringfence_kit.names import is_resource_id
from ringfence_kit.state_watch import StateComplete
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_telemetry.budgets.board import BudgetChange, BudgetItem
from ringfence_telemetry.budgets.budget import WHOLE, Budget, Scope, Standing, Unit
from ringfence_telemetry.budgets.desk import BudgetPatch, BudgetSpec, Viewed, note_parts
from ringfence_telemetry.budgets.outlook import state_of
from ringfence_telemetry.convert.usage import INT64_MAX, LABEL_BYTES_MAX

SUBJECTS_MAX = 100
LEVELS_MAX = 8
PERIOD_MAX = Millis(366 * DAY)
DISPLAY_NAME_BYTES_MAX = 200

SCOPES: Mapping[int, Scope] = {
    pb.BUDGET_SCOPE_AGENT: Scope.AGENT,
    pb.BUDGET_SCOPE_SESSION: Scope.SESSION,
    pb.BUDGET_SCOPE_TEAM: Scope.TEAM,
    pb.BUDGET_SCOPE_MODEL: Scope.MODEL,
    pb.BUDGET_SCOPE_EVERYTHING: Scope.EVERYTHING,
}
UNITS: Mapping[int, Unit] = {
    pb.BUDGET_UNIT_COST_NANOS: Unit.COST,
    pb.BUDGET_UNIT_TOKENS: Unit.TOKENS,
    pb.BUDGET_UNIT_CALLS: Unit.CALLS,
}
_SCOPES_BACK = {scope: pb.BudgetScope.ValueType(number) for number, scope in SCOPES.items()}
_UNITS_BACK = {unit: pb.BudgetUnit.ValueType(number) for number, unit in UNITS.items()}
_STATES = {
    "WITHIN": pb.BUDGET_STATE_WITHIN,
    "SOFT": pb.BUDGET_STATE_SOFT,
    "EXHAUSTED": pb.BUDGET_STATE_EXHAUSTED,
}
_TYPES = {
    Change.ADDED: pb.BUDGET_EVENT_TYPE_ADDED,
    Change.MODIFIED: pb.BUDGET_EVENT_TYPE_MODIFIED,
    Change.DELETED: pb.BUDGET_EVENT_TYPE_DELETED,
}
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBudget:
    """A checked CreateBudgetRequest."""

    budget_id: str
    spec: BudgetSpec
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateBudget:
    """A checked UpdateBudgetRequest."""

    budget_id: str
    patch: BudgetPatch
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBudget:
    """A checked DeleteBudgetRequest."""

    budget_id: str
    etag: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBudgets:
    """A checked ListBudgetsRequest; the token is opened by the face."""

    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchBudgets:
    """A checked WatchBudgetsRequest."""

    send_state: bool
    start_revision: Revision | None
    """None means from now on."""
    hard_only: bool


def create_budget(request: pb.CreateBudgetRequest) -> CreateBudget:
    """Build the command, or raise InvalidRequest with every violation."""
    found, sent = Violations(), request.budget
    if not is_resource_id(request.budget_id):
        found.add("budget_id", "must be an RFC 1034 label: a-z, 0-9 and dashes, at most 63, a letter first")
    under = found.at("budget")
    scope = under.enum(sent.scope, "scope", SCOPES)
    unit = under.enum(sent.unit, "unit", UNITS)
    currency = _currency(under, sent, unit)
    values = {name: read(under, sent) for name, read in _FIELDS.items()}
    if scope is not None:
        note_parts(under, scope, values["subjects"], values["agents"])
    request_id = found.request_id(request.request_id)
    spec = BudgetSpec(scope=found.ok(scope), unit=found.ok(unit), currency=currency, **values)
    return CreateBudget(budget_id=request.budget_id, spec=spec, request_id=request_id)


def update_budget(request: pb.UpdateBudgetRequest) -> UpdateBudget:
    """Build the command, or raise InvalidRequest. A budget sent with its etag, as it was read, need not repeat it."""
    found, sent = Violations(), request.budget
    under = found.at("budget")
    budget_id = under.resource_name(sent.name, "name", _budget_id, shape="budgets/{budget}")
    # A budget sent as it was read has a scope and a unit: they stay, whichever they are, but have to be some.
    _ = sent.scope and under.enum(sent.scope, "scope", SCOPES)
    _ = sent.unit and under.enum(sent.unit, "unit", UNITS)
    populated = [name for name in _FIELDS if _is_set(sent, name)]
    names = found.update_mask(request.update_mask.paths, _FIELDS, when_empty=populated)
    values = {name: _FIELDS[name](under, sent) for name in sorted(names)}
    etag = found.etag(request.etag) or under.etag(sent.etag)
    request_id = found.request_id(request.request_id)
    found.raise_if_any()
    patch = BudgetPatch(names=names, **values)
    return UpdateBudget(budget_id=found.ok(budget_id), patch=patch, etag=etag, request_id=request_id)


def delete_budget(request: pb.DeleteBudgetRequest) -> DeleteBudget:
    """Build the command, or raise InvalidRequest."""
    found = Violations()
    budget_id = found.resource_name(request.name, "name", _budget_id, shape="budgets/{budget}")
    etag, request_id = found.etag(request.etag), found.request_id(request.request_id)
    return DeleteBudget(budget_id=found.ok(budget_id), etag=etag, request_id=request_id)


def get_budget(request: pb.GetBudgetRequest) -> tuple[str, str]:
    """Return which budget is asked for, and for whom, or raise InvalidRequest."""
    found = Violations()
    budget_id = found.resource_name(request.name, "name", _budget_id, shape="budgets/{budget}")
    subject = found.text(request.subject, "subject", max_bytes=LABEL_BYTES_MAX, required=False)
    return found.ok(budget_id), subject


def list_budgets(request: pb.ListBudgetsRequest) -> ListBudgets:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    return found.ok(ListBudgets(page_size=found.page_size(request.page_size), page_token=request.page_token))


def budget_message(budget: Budget) -> pb.Budget:
    """Return the message of a budget."""
    message = pb.Budget(
        name=budget.name,
        display_name=budget.display_name,
        scope=_SCOPES_BACK[budget.scope],
        subjects=budget.subjects,
        agents=budget.agents,
        unit=_UNITS_BACK[budget.unit],
        amount=budget.amount,
        currency=budget.currency,
        soft_levels=[level / WHOLE for level in budget.soft_levels],
        hard=budget.hard,
        etag=budget.etag,
        create_time=to_timestamp(budget.created_at),
        update_time=to_timestamp(budget.updated_at),
    )
    if budget.period is not None:
        seconds, millis = divmod(budget.period, 1_000)
        message.period.CopyFrom(Duration(seconds=seconds, nanos=millis * 1_000_000))
    return message


def status_message(viewed: Viewed) -> pb.BudgetStatus:
    """Return how a budget stands, with what is to be expected."""
    message = _status(viewed.budget, viewed.standing)
    message.forecast = _shown(viewed.outlook.forecast)
    if viewed.outlook.exhausted_at is not None:
        message.exhaust_time.CopyFrom(to_timestamp(viewed.outlook.exhausted_at))
    return message


def watch_budgets(request: pb.WatchBudgetsRequest) -> WatchBudgets:
    """Return what is to be watched, or raise InvalidRequest."""
    found, start = Violations(), request.start_revision
    if start < 0:
        found.add("start_revision", "must not be negative")
    if start > 0 and request.send_initial_state:
        found.add("start_revision", "must be 0 with send_initial_state: the state stands at one revision, the newest")
    found.raise_if_any()
    return WatchBudgets(
        send_state=request.send_initial_state,
        start_revision=Revision(start) if start else None,
        hard_only=request.hard_only,
    )


def watched(item: BudgetItem) -> pb.WatchBudgetsResponse:
    """Return one event of the stream."""
    if isinstance(item, BudgetChange):
        message = pb.WatchBudgetsResponse(
            type=_TYPES[item.change], revision=item.revision, event_time=to_timestamp(item.at)
        )
        if item.standing is None:
            message.budget.CopyFrom(budget_message(item.budget))
        else:
            message.status.CopyFrom(_status(item.budget, item.standing))
        return message
    return pb.WatchBudgetsResponse(
        type=pb.BUDGET_EVENT_TYPE_BOOKMARK,
        revision=item.revision,
        event_time=to_timestamp(item.at),
        initial_state_end=isinstance(item, StateComplete),
    )


def _status(budget: Budget, standing: Standing) -> pb.BudgetStatus:
    state, level = state_of(budget, standing)
    message = pb.BudgetStatus(
        budget=budget.name,
        subject=standing.subject,
        spent=_shown(standing.spent),
        amount=budget.amount,
        state=_STATES[state],
        level=level / WHOLE,
        unknown_cost_calls=_shown(standing.unknown_cost_calls),
    )
    end = budget.end_of(standing.start)
    if end is not None:
        message.period_end_time.CopyFrom(to_timestamp(end))
    return message


def _currency(found: Violations, sent: pb.Budget, unit: Unit | None) -> str:
    if unit is Unit.COST:
        return found.text(sent.currency, "currency", max_bytes=3, pattern=_CURRENCY, shape="ISO 4217, e.g. USD")
    if sent.currency:
        found.add("currency", "must be empty unless the unit is COST_NANOS")
    return ""


def _names(found: Violations, sent: Sequence[str], field: str) -> tuple[str, ...]:
    for path, name in found.items(sent, field, max_items=SUBJECTS_MAX):
        found.text(name, path, max_bytes=LABEL_BYTES_MAX)
        if "*" in name[:-1]:
            found.add(path, "may have one * at its end, and none before")
    found.distinct(list(sent), field)
    return tuple(sent)


def _period(found: Violations, sent: pb.Budget) -> Millis | None:
    if not sent.HasField("period"):
        return None
    period = found.duration(sent.period, "period", minimum=MINUTE, maximum=PERIOD_MAX)
    if period is not None and (period % MINUTE or sent.period.nanos):
        found.add("period", "must be whole minutes")
    return period


def _levels(found: Violations, sent: pb.Budget) -> tuple[int, ...]:
    levels = []
    for path, level in found.items(sent.soft_levels, "soft_levels", max_items=LEVELS_MAX):
        millionths = round(level * WHOLE) if math.isfinite(level) and abs(level) <= 1 else 0
        if not 0 < millionths < WHOLE:
            found.add(path, "must be more than 0 and less than 1; the whole always raises an alert")
        levels.append(millionths)
    found.distinct(levels, "soft_levels")
    return tuple(sorted(levels))


_FIELDS: Mapping[str, Callable[[Violations, pb.Budget], Any]] = {
    "display_name": lambda found, sent: found.text(
        sent.display_name, "display_name", max_bytes=DISPLAY_NAME_BYTES_MAX, required=False
    ),
    "subjects": lambda found, sent: _names(found, sent.subjects, "subjects"),
    "agents": lambda found, sent: _names(found, sent.agents, "agents"),
    "amount": lambda found, sent: found.integer(sent.amount, "amount", minimum=1, maximum=INT64_MAX),
    "period": _period,
    "soft_levels": _levels,
    "hard": lambda _found, sent: sent.hard,
}
"""What of a budget may be changed, by its fields."""


def _is_set(sent: pb.Budget, name: str) -> bool:
    return sent.HasField("period") if name == "period" else bool(getattr(sent, name))


def _shown(amount: int) -> int:
    return max(0, min(amount, INT64_MAX))


def _budget_id(name: str) -> str | None:
    prefix, _, budget_id = name.partition("/")
    return budget_id if prefix == "budgets" and is_resource_id(budget_id) else None
