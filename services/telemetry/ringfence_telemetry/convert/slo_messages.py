"""Objectives, how they stand and what is possible → `ringfence.telemetry.v1.SloService` messages."""

from collections.abc import Mapping
from fractions import Fraction

from google.protobuf.duration_pb2 import Duration
from ringfence.telemetry.v1 import health_pb2
from ringfence.telemetry.v1 import slo_pb2 as pb
from ringfence_kit.clock import Millis
from ringfence_kit.wire import to_timestamp

from ringfence_telemetry.convert.slos import KINDS
from ringfence_telemetry.slo.objective import BurnRule, Dependency, Objective
from ringfence_telemetry.slo.objectives import etag_of, possible
from ringfence_telemetry.slo.ratios import decimal, exact, exact_or_cut
from ringfence_telemetry.slo.standing import Rate, Standing, State
from ringfence_telemetry.store.slos import BlamedAgent

STATES: Mapping[State, health_pb2.SloState.ValueType] = {
    State.NO_DATA: health_pb2.SLO_STATE_NO_DATA,
    State.HEALTHY: health_pb2.SLO_STATE_MET,
    State.AT_RISK: health_pb2.SLO_STATE_AT_RISK,
    State.BURNING: health_pb2.SLO_STATE_BURNING,
    State.EXHAUSTED: health_pb2.SLO_STATE_BREACHED,
}
_KINDS = {kind: pb.DependencyKind.ValueType(number) for number, kind in KINDS.items()}


def slo_message(objective: Objective) -> pb.Slo:
    """Return an objective."""
    message = pb.Slo(
        name=objective.name,
        display_name=objective.display_name,
        agent=objective.agent,
        operation=objective.operation,
        target=exact(objective.target.fraction),
        window=_duration(objective.window),
        evaluation=objective.evaluation,
        dependencies=[_dependency_message(each) for each in objective.dependencies],
        own_target=exact(objective.own_target.fraction),
        min_events=objective.min_events,
        burn_rules=[_rule_message(each) for each in objective.burn_rules],
        etag=etag_of(objective),
        create_time=to_timestamp(objective.created_at),
        update_time=to_timestamp(objective.updated_at),
        feasible_target=exact_or_cut(possible(objective)) if objective.dependencies else "",
    )
    if objective.latency is not None:
        message.latency.CopyFrom(_duration(objective.latency))
    return message


def status_message(
    objective: Objective, standing: Standing, blamed: Mapping[str, BlamedAgent] | None = None
) -> pb.SloStatus:
    """Return how an objective stands, with traces where they are known."""
    traces = blamed or {}
    message = pb.SloStatus(
        slo=objective.name,
        state=STATES[standing.state],
        as_of_time=to_timestamp(standing.at),
        good=standing.tally.good,
        total=standing.tally.total,
        sli=_share(standing.sli),
        budget_used=_share(standing.used),
        burn_rates=[_rate_message(rate) for rate in standing.rates],
        blame=[
            pb.Blame(
                agent=agent,
                bad=each.bad,
                errors=each.errors,
                trace_ids=traces.get(agent, BlamedAgent()).trace_ids,
            )
            for agent, each in standing.blame
        ],
        order=pb.DegradeOrder.ValueType(standing.order.value),
    )
    if standing.exhausted_at is not None:
        message.exhaust_time.CopyFrom(to_timestamp(standing.exhausted_at))
    return message


def feasibility(share: Fraction, target: Fraction | None) -> pb.CheckFeasibilityResponse:
    """Return what is possible."""
    return pb.CheckFeasibilityResponse(
        feasible_target=exact_or_cut(share), decimal=decimal(share), feasible=target is None or target <= share
    )


def _dependency_message(each: Dependency) -> pb.Dependency:
    return pb.Dependency(
        agent=each.agent,
        target=exact(each.target.fraction),
        kind=_KINDS[each.kind],
        calls=each.calls,
        retries=each.retries,
        fallbacks=[pb.Fallback(agent=one.agent, target=exact(one.target.fraction)) for one in each.fallbacks],
    )


def _rule_message(rule: BurnRule) -> pb.BurnRule:
    return pb.BurnRule(
        share=exact(rule.share.fraction),
        long_window=_duration(rule.long),
        short_window=_duration(rule.short),
        page=rule.page,
    )


def _rate_message(rate: Rate) -> pb.BurnRate:
    return pb.BurnRate(
        rule=_rule_message(rate.rule),
        threshold=exact_or_cut(rate.threshold),
        long_rate=_share(rate.long),
        short_rate=_share(rate.short),
        firing=rate.firing,
    )


def _share(value: Fraction | None) -> str:
    return "" if value is None else exact_or_cut(value)


def _duration(length: Millis) -> Duration:
    seconds, millis = divmod(length, 1_000)
    return Duration(seconds=seconds, nanos=millis * 1_000_000)
