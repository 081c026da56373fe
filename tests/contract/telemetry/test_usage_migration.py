"""From the first release's usage to roll-ups: every total that could be asked for then is the same."""

import shutil
from itertools import product
from pathlib import Path

import pytest
import sqlalchemy as sa
from ringfence_kit.sql import Database
from ringfence_telemetry.store_sql import MIGRATIONS, SqlTelemetryStore
from ringfence_telemetry.usage import Counts
from ringfence_telemetry.usage_levels import DAY
from ringfence_telemetry.usage_query import UsageGroup, UsageQuery
from support.backends import Backend

COUNTS = ("spans", "errors", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
REST = ("reasoning_tokens", "tool_calls", "duration_micros")
LABELS = ("minute", "agent", "session", "model", "operation", "untrusted")

OLD = [
    (*labels, spans, errors, tokens, 2, 1, 0, 1, 1, 1_500_000)
    for (*labels, (spans, errors, tokens)) in product(
        (DAY - 1, DAY, DAY + 61),
        ("did:web:ü", "b"),
        ("", "s"),
        ("m",),
        ("chat", "execute_tool"),
        (False, True),
        ((3, 1, 10),),
    )
]
"""Rows as the first release stored them."""


@pytest.mark.parametrize("backend", ["sqlite", "postgres"], indirect=True)
async def test_what_was_counted_is_carried_over(backend: Backend, tmp_path: Path) -> None:
    first_release = tmp_path / "versions"
    first_release.mkdir()
    shutil.copy(MIGRATIONS / "telemetry_0001.py", first_release)
    async with Database(backend.url, service="telemetry", migrations=first_release) as database:
        with database.engines.writer.connect() as connection, connection.begin():
            usage = sa.table("usage", *[sa.column(name) for name in (*LABELS, *COUNTS, *REST)])
            names = (*LABELS, *COUNTS, *REST)
            connection.execute(sa.insert(usage), [dict(zip(names, row, strict=True)) for row in OLD])
            alike = dict(zip(names, OLD[0], strict=True)) | {"session": "t", "errors": 0, "input_tokens": 0}
            connection.execute(sa.insert(usage), [alike | {"output_tokens": 0}])
    async with Database(backend.url, service="telemetry", migrations=MIGRATIONS) as database:
        store = SqlTelemetryStore(database)

        async def counts(*groups: UsageGroup, **query: object) -> dict[tuple[object, ...], Counts]:
            rows = await store.usage(UsageQuery(group_by=groups, **query))  # type: ignore[arg-type] # its fields
            return {(*row.groups, row.untrusted): row.counts for row in rows}

        untrusted = Counts(72, 24, 240, 48, 24, 0, 24, 24, 36_000_000, 0, 72)
        whole = Counts(75, 24, 240, 48, 25, 0, 25, 25, 37_500_000, 0, 72)
        assert await counts() == {(False,): whole, (True,): untrusted}
        for group in (UsageGroup.AGENT, UsageGroup.SESSION, UsageGroup.MODEL, UsageGroup.OPERATION):
            found = await counts(group)
            assert sum(each.spans for each in found.values()) == 147
            assert sum(each.input_tokens for each in found.values()) == 480
        # The outcome is known where all spans of a row had the same.
        assert {groups[0] for groups in await counts(UsageGroup.OUTCOME)} == {"", "ok"}
        late = await counts(UsageGroup.AGENT, first_minute=DAY, end_minute=DAY + 61)
        assert late["b", False] == Counts(12, 4, 40, 8, 4, 0, 4, 4, 6_000_000, 0, 12)
        by_day = await counts(UsageGroup.TIME, step=DAY)
        assert by_day[0, True].spans == 24
        assert by_day[DAY, True].spans == 48
