"""Usage by tool, team, outcome and cost, in levels of time; prices.

What was counted before is carried over. Of it the tool, the team, the cost and the durations of single spans are not
known, and the outcome only where all of a row's spans had the same.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "telemetry_0002"
down_revision = "telemetry_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and carry over what is in the one they replace."""
    op.create_table(
        "rollups",
        sa.Column("minute", INTEGER, primary_key=True, autoincrement=False),
        *_labels(),
        sa.Column("untrusted", sa.Boolean, primary_key=True),
        *_counts(),
        sa.Column("durations", BYTES, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session_usage",
        sa.Column("session", TEXT, primary_key=True),
        sa.Column("minute", INTEGER, primary_key=True, autoincrement=False),
        *_labels(),
        sa.Column("untrusted", sa.Boolean, primary_key=True),
        *_counts(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "agent_usage",
        sa.Column("step", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("page", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("called", sa.Boolean, primary_key=True),
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("untrusted", sa.Boolean, primary_key=True),
        sa.Column("currency", TEXT, primary_key=True),
        sa.Column("minute", INTEGER, primary_key=True, autoincrement=False),
        *_counts(),
        sa.Column("durations", BYTES, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup_marks",
        sa.Column("mark", TEXT, primary_key=True),
        sa.Column("minute", INTEGER, nullable=False),
    )
    op.create_table(
        "prices",
        sa.Column("model", TEXT, primary_key=True),
        sa.Column("provider", TEXT, primary_key=True),
        sa.Column("effective_at", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("revision", INTEGER, nullable=False, unique=True),
        sa.Column("record", BYTES, nullable=False),
    )
    _carry_over()
    op.create_index("rollups_by_agent", "rollups", ["agent", "minute"])
    op.create_index("session_usage_by_age", "session_usage", ["minute"])
    op.drop_table("usage")


def _labels() -> list[sa.Column[str]]:
    names = ("agent", "operation", "model", "tool", "team", "outcome", "currency")
    return [sa.Column(name, TEXT, primary_key=True) for name in names]


def _counts() -> list[sa.Column[int]]:
    names = (
        "spans",
        "errors",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "tool_calls",
        "duration_seconds",
        "duration_micros",
        "retries",
        "unknown_cost_calls",
        "cost_units",
        "cost_nanos",
        "stated_cost_units",
        "stated_cost_nanos",
    )
    return [sa.Column(name, INTEGER, nullable=False) for name in names]


_OLD = ("minute", "agent", "session", "model", "operation", "untrusted", "spans", "errors", "input_tokens")
_USAGE = sa.table(
    "usage",
    *[sa.column(name) for name in (*_OLD, "output_tokens", "cache_read_tokens", "cache_write_tokens")],
    *[sa.column(name) for name in ("reasoning_tokens", "tool_calls", "duration_micros")],
)
_EMPTY = sa.literal("", TEXT)


def _carry_over() -> None:
    old = _USAGE.c
    outcome = sa.case((old.errors == 0, "ok"), (old.errors == old.spans, "error"), else_="").label("outcome")
    labels = [old.minute, old.agent, old.operation, old.model, _EMPTY, _EMPTY, outcome, _EMPTY, old.untrusted]
    apart = [old.minute, old.agent, old.operation, old.model, outcome, old.untrusted]
    _copy("rollups", sa.select(*labels, *_sums(), sa.literal(b"", BYTES)).group_by(*apart))
    _copy("session_usage", sa.select(old.session, *labels, *_sums()).group_by(old.session, *apart))
    for step, page in ((60, 1_440), (1_440, 8 * 1_440), (4 * 1_440, 32 * 1_440)):
        begins = (old.minute - old.minute % sa.literal_column(str(step))).label("begins")
        lies = ((old.minute - old.minute % sa.literal_column(str(page))) / sa.literal_column(str(page))).label("lies")
        which = [sa.literal(step, INTEGER), lies, sa.false(), old.agent, old.untrusted, _EMPTY, begins]
        summed = sa.select(*which, *_sums(), sa.literal(b"", BYTES))
        _copy("agent_usage", summed.group_by(lies, old.agent, old.untrusted, begins))


def _sums() -> list[sa.ColumnElement[Any]]:
    """Return what stands in the columns of counts, in their order; nobody knows what the tokens cost."""
    old, million = _USAGE.c, sa.literal_column("1000000", INTEGER)
    kinds = ("spans", "errors", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    micros, with_tokens = old.duration_micros, sa.case((old.input_tokens + old.output_tokens > 0, old.spans), else_=0)
    nothing = sa.literal_column("0", INTEGER)
    return [
        *[sa.func.sum(old[name]) for name in (*kinds, "reasoning_tokens", "tool_calls")],
        sa.func.sum((micros - micros % million) / million),
        sa.func.sum(micros % million),
        nothing,
        sa.func.sum(with_tokens),
        *[nothing] * 4,
    ]


def _copy(table: str, rows: sa.Select[Any]) -> None:
    there = sa.inspect(op.get_bind()).get_columns(table)
    into = sa.table(table, *[sa.column(column["name"]) for column in there])
    op.execute(sa.insert(into).from_select([column["name"] for column in there], rows))
