"""`ringfence.telemetry.v1.UsageService` messages to values and back."""

from collections.abc import Mapping, Sequence

from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence_kit.clock import MINUTE
from ringfence_kit.validation import Violations

from ringfence_telemetry.spans import LABEL_MAX
from ringfence_telemetry.usage_query import ROWS_MAX, UsageGroup, UsageQuery, UsageTotals

LABEL_BYTES_MAX = 4 * LABEL_MAX
"""Labels are cut after so many characters; each takes at most four bytes of UTF-8."""

ANSWER_BYTES = 3 * 2**20
"""gRPC clients refuse answers over 4 MiB unless told otherwise."""

INT64_MAX = 2**63 - 1

GROUPS: Mapping[int, UsageGroup] = {
    pb.USAGE_GROUP_AGENT: UsageGroup.AGENT,
    pb.USAGE_GROUP_SESSION: UsageGroup.SESSION,
    pb.USAGE_GROUP_MODEL: UsageGroup.MODEL,
    pb.USAGE_GROUP_OPERATION: UsageGroup.OPERATION,
    pb.USAGE_GROUP_TOOL: UsageGroup.TOOL,
    pb.USAGE_GROUP_TEAM: UsageGroup.TEAM,
    pb.USAGE_GROUP_OUTCOME: UsageGroup.OUTCOME,
    pb.USAGE_GROUP_TIME: UsageGroup.TIME,
}


def get_usage(request: pb.GetUsageRequest) -> UsageQuery:
    """Build the question, or raise InvalidRequest."""
    found = Violations()
    agent = found.text(request.agent, "agent", max_bytes=LABEL_BYTES_MAX, required=False)
    session = found.text(request.session, "session", max_bytes=LABEL_BYTES_MAX, required=False)
    team = found.text(request.team, "team", max_bytes=LABEL_BYTES_MAX, required=False)
    model = found.text(request.model, "model", max_bytes=LABEL_BYTES_MAX, required=False)
    start = found.timestamp(request.start_time, "start_time") if request.HasField("start_time") else None
    end = found.timestamp(request.end_time, "end_time") if request.HasField("end_time") else None
    if start is not None and end is not None and end < start:
        found.add("end_time", "must not lie before start_time")
    groups = []
    for path, value in found.items(request.group_by, "group_by", max_items=len(GROUPS)):
        group = found.enum(value, path, GROUPS)
        groups += [group] if group is not None else []
    found.distinct(list(request.group_by), "group_by")
    if request.inclusive and (groups != [UsageGroup.AGENT] or session or team or model):
        found.add("inclusive", "is for usage by agent alone, with no filter but the agent")
    query = UsageQuery(
        agent=agent,
        session=session,
        team=team,
        model=model,
        first_minute=None if start is None else start // MINUTE,
        end_minute=None if end is None else end // MINUTE,
        group_by=tuple(groups),
        inclusive=request.inclusive,
        percentiles=request.percentiles,
    )
    return found.ok(query)


def usage_to_proto(query: UsageQuery, totals: Sequence[UsageTotals], *, pending: int) -> pb.GetUsageResponse:
    """Return the answer; rows end early when their labels have become large, so that it stays what clients accept."""
    response, room = pb.GetUsageResponse(pending_spans=pending), ANSWER_BYTES
    for each in totals:
        rows = _rows_to_proto(query, each)
        room -= sum(row.ByteSize() for row in rows)
        if room < 0 or len(response.rows) + len(rows) > ROWS_MAX:
            break
        response.rows.extend(rows)
    return response


def _rows_to_proto(query: UsageQuery, totals: UsageTotals) -> list[pb.UsageRow]:
    """Return a row, and one for each further currency. A total beyond 64 bits is shown as the largest there is."""
    counts, percentiles = totals.counts, totals.percentiles
    row = pb.UsageRow(
        span_count=_shown(counts.spans),
        error_count=_shown(counts.errors),
        input_tokens=_shown(counts.input_tokens),
        output_tokens=_shown(counts.output_tokens),
        cache_read_tokens=_shown(counts.cache_read_tokens),
        cache_write_tokens=_shown(counts.cache_write_tokens),
        reasoning_tokens=_shown(counts.reasoning_tokens),
        tool_call_count=_shown(counts.tool_calls),
        duration_micros=_shown(counts.duration_micros),
        retry_count=_shown(counts.retries),
        unknown_cost_calls=_shown(counts.unknown_cost_calls),
        duration_p50_micros=percentiles.p50,
        duration_p95_micros=percentiles.p95,
        duration_p99_micros=percentiles.p99,
    )
    rows = [row, *[pb.UsageRow() for _ in totals.costs[1:]]]
    for each in rows:
        each.untrusted = totals.untrusted
        for group, value in zip(query.group_by, totals.groups, strict=True):
            if isinstance(value, int):
                each.start_time.seconds = value * 60
            else:
                setattr(each, group.value, value)
    for each, cost in zip(rows, totals.costs, strict=False):
        each.currency = cost.currency
        each.cost_nanos = _shown(cost.nanos)
        each.stated_cost_nanos = _shown(cost.stated_nanos)
    return rows


def _shown(count: int) -> int:
    return count if count < INT64_MAX else INT64_MAX  # noqa: FURB136 - a call of min, thirteen times a row, is slower
