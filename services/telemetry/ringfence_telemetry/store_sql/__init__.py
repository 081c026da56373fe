"""Telemetry's data in SQL: one code path for SQLite and PostgreSQL."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from ringfence.proofs.merkle import Digest
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.log_tiles import TileId, TileReader
from ringfence_kit.sql import Database, SqlTx
from sqlalchemy.dialects import postgresql, sqlite

from ringfence_telemetry.labels import Label, LabelKind
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.signals import Conduct, Signal
from ringfence_telemetry.store import (
    KeptTrace,
    NewPart,
    PendingSignal,
    Progress,
    StoredEntry,
    TraceKey,
    TraceMoved,
    TracePart,
)
from ringfence_telemetry.tables import (
    audit_checkpoints,
    audit_entries,
    audit_tiles,
    conducts,
    ingest_logs,
    labels,
    reporters,
    signals,
    trace_parts,
    usage,
)
from ringfence_telemetry.usage import Counts, UsageKey
from ringfence_telemetry.usage_query import ROWS_MAX, UsageQuery, UsageTotals

MIGRATIONS = Path(__file__).parents[1] / "migrations" / "versions"

_IN_MAX = 500
"""Values of one IN list: far below what either database refuses."""

_LOW_BITS = 31

T = TypeVar("T")


class SqlTelemetryTx(SqlTx):
    """A `TelemetryTx` on a connection."""

    def add_usage(self, changes: Mapping[UsageKey, Counts]) -> None:
        """See `UsageTx`."""
        # In one order everywhere, so that replicas cannot lock rows crosswise.
        rows = [{**key._asdict(), **changes[key]._asdict()} for key in sorted(changes)]
        if rows:
            insert = _insert(self.connection, usage)
            added = {name: usage.c[name] + insert.excluded[name] for name in Counts._fields}
            self.connection.execute(insert.on_conflict_do_update(index_elements=UsageKey._fields, set_=added), rows)

    def keep_parts(self, parts: Sequence[NewPart]) -> None:
        """See `UsageTx`."""
        rows = [
            {
                "trace": new.trace,
                "number": new.number,
                "received_at": new.received_at,
                "record": records.encode(new.part),
            }
            for new in parts
        ]
        try:
            if rows:
                self.connection.execute(sa.insert(trace_parts), rows)
        except sa.exc.IntegrityError:
            raise TraceMoved from None

    def keep_reporters(self, found: Mapping[str, Reporter]) -> None:
        """See `UsageTx`."""
        self._insert_new(
            reporters, [{"digest": digest, "record": records.encode(reporter)} for digest, reporter in found.items()]
        )

    def keep_labels(self, found: Sequence[Label]) -> None:
        """See `UsageTx`."""
        self._insert_new(labels, [{**label._asdict(), "kind": label.kind.value} for label in found])

    def advance(self, log_id: str, progress: Progress) -> None:
        """See `UsageTx`."""
        self._replace(ingest_logs, {"log_id": log_id, "record": records.encode(progress)})

    def forget_parts(self, *, received_before: Instant, limit: int) -> int:
        """See `UsageTx`."""
        old = self.connection.execute(
            sa.select(trace_parts.c.trace, trace_parts.c.number)
            .where(trace_parts.c.received_at < received_before)
            .limit(limit)
        ).all()
        if old:
            delete = sa.delete(trace_parts).where(
                trace_parts.c.trace == sa.bindparam("a_trace"), trace_parts.c.number == sa.bindparam("a_number")
            )
            self.connection.execute(delete, [{"a_trace": row.trace, "a_number": row.number} for row in old])
        return len(old)

    def forget_labels(self, *, before_day: int) -> None:
        """See `UsageTx`."""
        self.connection.execute(sa.delete(labels).where(labels.c.day < before_day))

    def checkpoint(self) -> StoredCheckpoint | None:
        """See `AuditTx`."""
        return _checkpoint(self.connection)

    def entries_of(self, keys: Collection[str]) -> Mapping[str, StoredEntry]:
        """See `AuditTx`."""
        found = {}
        for some in _batches(keys):
            for row in self.connection.execute(sa.select(audit_entries).where(audit_entries.c.entry_key.in_(some))):
                found[row.entry_key] = _entry(row)
        return found

    def tile(self, tile: TileId) -> bytes:
        """See `AuditTx`."""
        return _tile(self.connection, tile)

    def append_entries(
        self, entries: Sequence[StoredEntry], tiles: Mapping[TileId, bytes], checkpoint: StoredCheckpoint
    ) -> None:
        """See `AuditTx`."""
        rows = [
            {
                "position": entry.index,
                "entry_key": entry.key,
                "leaf_hash": entry.leaf_hash,
                "appended_at": entry.appended_at,
                "body": entry.body,
            }
            for entry in entries
        ]
        if rows:
            self.connection.execute(sa.insert(audit_entries), rows)
        for tile, hashes in tiles.items():
            self._replace(audit_tiles, {"level": tile.level, "position": tile.index, "hashes": hashes})
        self._replace(audit_checkpoints, {"size": checkpoint.frontier.size, "record": records.encode(checkpoint)})

    def conduct(self, did: str, environment: str) -> Conduct | None:
        """See `AuditTx`."""
        query = sa.select(conducts.c.record).where(conducts.c.did == did, conducts.c.environment == environment)
        record = self.connection.scalar(query)
        return None if record is None else records.decode(record, Conduct)

    def remember(self, conduct: Conduct) -> None:
        """See `AuditTx`."""
        self._replace(
            conducts,
            {"did": conduct.did, "environment": conduct.environment, "record": records.encode(conduct)},
        )

    def queue_signals(self, found: Sequence[Signal]) -> None:
        """See `AuditTx`."""
        if not found:
            return
        newest = self.connection.scalar(sa.select(sa.func.max(signals.c.number)))
        number = -1 if newest is None else newest
        known = self._known_signals([signal.signal_id for signal in found])
        rows = []
        for signal in found:
            if signal.signal_id not in known:
                known.add(signal.signal_id)
                number += 1
                row = {"number": number, "signal_id": signal.signal_id, "outcome": ""}
                rows.append({**row, "record": records.encode(signal)})
        if rows:
            self.connection.execute(sa.insert(signals), rows)

    def settle_signals(self, outcomes: Mapping[int, str]) -> None:
        """See `AuditTx`."""
        update = sa.update(signals).where(signals.c.number == sa.bindparam("a_number"))
        rows = [{"a_number": number, "outcome": outcome} for number, outcome in outcomes.items()]
        if rows:
            self.connection.execute(update, rows)

    def has_usage(self, agent: str) -> bool:
        """See `AuditTx`."""
        query = sa.select(usage.c.minute).where(usage.c.agent == agent, usage.c.untrusted.is_(False)).limit(1)
        return self.connection.scalar(query) is not None

    def _known_signals(self, ids: Sequence[str]) -> set[str]:
        known: set[str] = set()
        for some in _batches(ids):
            known.update(self.connection.scalars(sa.select(signals.c.signal_id).where(signals.c.signal_id.in_(some))))
        return known

    def _insert_new(self, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
        if rows:
            self.connection.execute(_insert(self.connection, table).on_conflict_do_nothing(), rows)

    def _replace(self, table: sa.Table, row: Mapping[str, object]) -> None:
        keys = [column.name for column in table.primary_key]
        insert = _insert(self.connection, table).values(row)
        rest = {name: insert.excluded[name] for name in row if name not in keys}
        self.connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=rest))


class SqlTelemetryStore:
    """A `TelemetryStore` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revision(self) -> Revision:
        """See `TelemetryStore`."""
        revision, _ = await self._database.load(lambda _connection: None)
        return revision

    async def progress(self, log_id: str) -> Progress:
        """See `TelemetryStore`."""
        query = sa.select(ingest_logs.c.record).where(ingest_logs.c.log_id == log_id)
        record = await self._database.read(lambda connection: connection.scalar(query))
        return Progress() if record is None else records.decode(record, Progress)

    async def kept(self, traces: Collection[TraceKey]) -> Mapping[TraceKey, KeptTrace]:
        """See `TelemetryStore`."""
        return await self._database.read(lambda connection: _kept(connection, traces))

    async def labels(self, *, from_day: int) -> Sequence[Label]:
        """See `TelemetryStore`."""
        query = sa.select(labels).where(labels.c.day >= from_day)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Label(row.day, LabelKind(row.kind), row.principal, row.label) for row in rows]

    async def usage(self, query: UsageQuery) -> Sequence[UsageTotals]:
        """See `TelemetryStore`."""
        return await self._database.read(lambda connection: _usage(connection, query))

    async def checkpoint(self) -> StoredCheckpoint | None:
        """See `TelemetryStore`."""
        return await self._database.read(_checkpoint)

    async def entry(self, index: int) -> StoredEntry | None:
        """See `TelemetryStore`."""
        return await self._entry_where(audit_entries.c.position == index)

    async def entry_of(self, key: str) -> StoredEntry | None:
        """See `TelemetryStore`."""
        return await self._entry_where(audit_entries.c.entry_key == key)

    async def entries(self, *, start: int, limit: int) -> Sequence[StoredEntry]:
        """See `TelemetryStore`."""
        query = (
            sa.select(audit_entries)
            .where(audit_entries.c.position >= start)
            .order_by(audit_entries.c.position)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_entry(row) for row in rows]

    async def with_tiles(self, look: Callable[[TileReader, StoredCheckpoint | None], T]) -> T:
        """See `TelemetryStore`."""
        return await self._database.read(
            lambda connection: look(lambda tile: _tile(connection, tile), _checkpoint(connection))
        )

    async def pending_signals(self, *, limit: int) -> Sequence[PendingSignal]:
        """See `TelemetryStore`."""
        query = (
            sa.select(signals.c.number, signals.c.record)
            .where(signals.c.outcome == "")
            .order_by(signals.c.number)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [PendingSignal(row.number, records.decode(row.record, Signal)) for row in rows]

    async def pending_signal_count(self) -> int:
        """See `TelemetryStore`."""
        query = sa.select(sa.func.count()).select_from(signals).where(signals.c.outcome == "")
        return await self._database.read(lambda connection: connection.execute(query).scalar_one())

    async def _entry_where(self, condition: sa.ColumnElement[bool]) -> StoredEntry | None:
        query = sa.select(audit_entries).where(condition)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _entry(row)


def _insert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Return the dialect's INSERT: both know ON CONFLICT in the same words, SQLAlchemy's own does not."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _batches(values: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while some := list(islice(rest, _IN_MAX)):
        yield some


def _checkpoint(connection: sa.Connection) -> StoredCheckpoint | None:
    query = sa.select(audit_checkpoints.c.record).order_by(audit_checkpoints.c.size.desc()).limit(1)
    record = connection.scalar(query)
    return None if record is None else records.decode(record, StoredCheckpoint)


def _tile(connection: sa.Connection, tile: TileId) -> bytes:
    query = sa.select(audit_tiles.c.hashes).where(
        audit_tiles.c.level == tile.level, audit_tiles.c.position == tile.index
    )
    hashes: bytes | None = connection.scalar(query)
    return hashes or b""


def _entry(row: sa.Row[Any]) -> StoredEntry:
    return StoredEntry(
        index=row.position,
        key=row.entry_key,
        body=row.body,
        leaf_hash=Digest(row.leaf_hash),
        appended_at=Instant(row.appended_at),
    )


def _kept(connection: sa.Connection, traces: Collection[TraceKey]) -> dict[TraceKey, KeptTrace]:
    found: dict[TraceKey, list[tuple[int, TracePart]]] = {}
    for some in _batches(traces):
        query = (
            sa.select(trace_parts.c.trace, trace_parts.c.number, trace_parts.c.record)
            .where(trace_parts.c.trace.in_(some))
            .order_by(trace_parts.c.trace, trace_parts.c.number)
        )
        for row in connection.execute(query):
            found.setdefault(TraceKey(row.trace), []).append((row.number, records.decode(row.record, TracePart)))
    known = _reporters(connection, {part.reporter for parts in found.values() for _, part in parts})
    return {
        trace: KeptTrace(parts=[(known[part.reporter], part) for _, part in parts], next_number=parts[-1][0] + 1)
        for trace, parts in found.items()
    }


def _reporters(connection: sa.Connection, digests: Collection[str]) -> dict[str, Reporter]:
    known: dict[str, Reporter] = {}
    for some in _batches(digests):
        for row in connection.execute(sa.select(reporters).where(reporters.c.digest.in_(some))):
            known[row.digest] = records.decode(row.record, Reporter)
    return known


def _usage(connection: sa.Connection, query: UsageQuery) -> list[UsageTotals]:
    groups = [usage.c[each.value] for each in query.group_by]
    # In halves: a sum of many 64-bit counts may need more bits, and neither database adds those up exactly.
    shift = sa.literal(_LOW_BITS, sa.Integer)  # PostgreSQL shifts by 32-bit integers only
    high = [sa.func.sum(usage.c[name].bitwise_rshift(shift)) for name in Counts._fields]
    low = [sa.func.sum(usage.c[name].bitwise_and((1 << _LOW_BITS) - 1)) for name in Counts._fields]
    tokens = sa.func.sum(usage.c.input_tokens + usage.c.output_tokens)
    statement = (
        sa.select(*groups, usage.c.untrusted, *high, *low)
        .where(*_conditions(query))
        .group_by(*groups, usage.c.untrusted)
        .having(sa.func.sum(usage.c.spans) > 0)
        .order_by(tokens.desc(), *groups, usage.c.untrusted)
        .limit(ROWS_MAX)
    )
    count = len(groups)
    return [
        UsageTotals(groups=tuple(row[:count]), untrusted=row[count], counts=_joined(row[count + 1 :]))
        for row in connection.execute(statement)
    ]


def _joined(halves: Sequence[int]) -> Counts:
    middle = len(Counts._fields)
    return Counts._make(
        (int(high) << _LOW_BITS) + int(low) for high, low in zip(halves[:middle], halves[middle:], strict=True)
    )


def _conditions(query: UsageQuery) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    if query.agent:
        conditions.append(usage.c.agent == query.agent)
    if query.session:
        conditions.append(usage.c.session == query.session)
    if query.first_minute is not None:
        conditions.append(usage.c.minute >= query.first_minute)
    if query.end_minute is not None:
        conditions.append(usage.c.minute < query.end_minute)
    return conditions
