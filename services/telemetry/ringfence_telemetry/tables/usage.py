"""The tables of usage. Amounts that add up to more than 64 bits stand in two columns: whole units, and the rest."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

from ringfence_telemetry.tables.metadata import metadata


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


rollups = sa.Table(
    "rollups",
    metadata,
    # When it begins. By the minute, and by five and sixty when it is older: `rollup_marks` says how far.
    sa.Column("minute", INTEGER, primary_key=True, autoincrement=False),
    *_labels(),
    sa.Column("untrusted", sa.Boolean, primary_key=True),
    *_counts(),
    sa.Column("durations", BYTES, nullable=False),
    sa.Index("rollups_by_agent", "agent", "minute"),
    sqlite_with_rowid=False,
)

session_usage = sa.Table(
    "session_usage",
    metadata,
    sa.Column("session", TEXT, primary_key=True),
    sa.Column("minute", INTEGER, primary_key=True, autoincrement=False),
    *_labels(),
    sa.Column("untrusted", sa.Boolean, primary_key=True),
    *_counts(),
    sa.Index("session_usage_by_age", "minute"),
    sqlite_with_rowid=False,
)

agent_usage = sa.Table(
    "agent_usage",
    metadata,
    sa.Column("step", INTEGER, primary_key=True, autoincrement=False),  # minutes: an hour or a day
    sa.Column("page", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("called", sa.Boolean, primary_key=True),  # what the agent had others do, rather than did
    sa.Column("agent", TEXT, primary_key=True),
    sa.Column("untrusted", sa.Boolean, primary_key=True),
    sa.Column("currency", TEXT, primary_key=True),
    sa.Column("minute", INTEGER, primary_key=True, autoincrement=False),
    *_counts(),
    sa.Column("durations", BYTES, nullable=False),
    sqlite_with_rowid=False,
)

rollup_marks = sa.Table(
    "rollup_marks",
    metadata,
    sa.Column("mark", TEXT, primary_key=True),
    sa.Column("minute", INTEGER, nullable=False),
)

prices = sa.Table(
    "prices",
    metadata,
    sa.Column("model", TEXT, primary_key=True),
    sa.Column("provider", TEXT, primary_key=True),
    sa.Column("effective_at", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("revision", INTEGER, nullable=False, unique=True),  # of the event by which it became known
    sa.Column("record", BYTES, nullable=False),
)
