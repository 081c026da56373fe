"""The contract of telemetry's store, over memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from ringfence.proofs.merkle import Frontier, leaf_hash
from ringfence_kit.clock import Instant
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.log_tiles import TileId
from ringfence_kit.migrate import schema_differences
from ringfence_kit.sql import Database
from ringfence_telemetry.labels import Label, LabelKind
from ringfence_telemetry.reporters import Reporter
from ringfence_telemetry.segment_files import Position
from ringfence_telemetry.signals import Conduct, Denial, Signal, SignalKind
from ringfence_telemetry.spans import SpanFact, ToolCall
from ringfence_telemetry.store import (
    NewPart,
    Progress,
    StoredEntry,
    TelemetryTx,
    TraceKey,
    TraceMoved,
    TracePart,
)
from ringfence_telemetry.store_sql import MIGRATIONS
from ringfence_telemetry.tables import metadata
from ringfence_telemetry.usage import Counts, UsageKey
from ringfence_telemetry.usage_query import ROWS_MAX, UsageGroup, UsageQuery, UsageTotals
from support.backends import Backend
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import NOW


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


def key(
    minute: int = 1,
    agent: str = "a",
    session: str = "s",
    model: str = "m",
    operation: str = "chat",
    *,
    bad: bool = False,
) -> UsageKey:
    return UsageKey(minute, agent, session, model, operation, bad)


def fact(span: int, **changes: object) -> SpanFact:
    fields = {
        "span": span,
        "parent": 0,
        "start": 2**64 - 1,
        "minute": 7,
        "duration_micros": 5,
        "operation": "chat",
        "agent": "did:web:ü",
        "session": "s",
        "model": "m",
        "tokens": (1, 2, 3, 4, 5),
        "is_error": True,
        "tool_call": ToolCall.MCP,
        "exclusive": True,
    }
    return SpanFact(**(fields | changes))  # type: ignore[arg-type] # the fields of a fact, one of them changed


async def add(opened: OpenedStore, changes: Mapping[UsageKey, Counts]) -> None:
    await opened.writer.write(lambda tx: tx.add_usage(changes), mutation=BY_TELEMETRY, result=type(None))


async def rows(
    opened: OpenedStore, *groups: UsageGroup, **query: object
) -> list[tuple[tuple[str | int, ...], bool, Counts]]:
    found = await opened.store.usage(UsageQuery(group_by=groups, **query))  # type: ignore[arg-type] # its fields
    return [(row.groups, row.untrusted, row.counts) for row in found]


class TestUsage:
    async def test_changes_add_up_and_take_back(self, opened: OpenedStore) -> None:
        await add(opened, {key(): Counts(spans=2, input_tokens=10), key(minute=2): Counts(spans=1, output_tokens=7)})
        await add(opened, {key(): Counts(spans=1, input_tokens=5, tool_calls=1)})
        await add(opened, {key(minute=2): Counts(spans=-1, output_tokens=-7)})
        assert await rows(opened) == [((), False, Counts(spans=3, input_tokens=15, tool_calls=1))]

    async def test_groups_come_with_the_most_tokens_first(self, opened: OpenedStore) -> None:
        await add(
            opened,
            {
                key(agent="few"): Counts(spans=9, input_tokens=1),
                key(agent="many"): Counts(spans=1, input_tokens=50, output_tokens=50),
                key(agent="some", model="other"): Counts(spans=1, output_tokens=99),
                key(agent="none"): Counts(spans=1),
                key(agent="also none"): Counts(spans=1),
            },
        )
        assert [group for group, _, _ in await rows(opened, UsageGroup.AGENT)] == [
            ("many",),
            ("some",),
            ("few",),
            ("also none",),
            ("none",),
        ]
        by_two = await rows(opened, UsageGroup.MODEL, UsageGroup.AGENT)
        assert by_two[1][0] == ("other", "some")

    async def test_every_filter(self, opened: OpenedStore) -> None:
        await add(
            opened,
            {
                key(minute=minute, agent=agent, session=session): Counts(spans=1)
                for minute in (1, 2, 3)
                for agent in ("a", "b")
                for session in ("s", "")
            },
        )

        async def spans(**query: object) -> int:
            return sum(counts.spans for _, _, counts in await rows(opened, **query))

        assert await spans() == 12
        assert await spans(agent="a") == 6
        assert await spans(agent="a", session="s") == 3
        assert await spans(first_minute=2) == 8
        assert await spans(end_minute=2) == 4
        assert await spans(first_minute=2, end_minute=3) == 4
        assert await spans(first_minute=3, end_minute=3) == 0
        assert await spans(agent="nobody") == 0

    async def test_untrusted_usage_never_shares_a_row(self, opened: OpenedStore) -> None:
        await add(opened, {key(): Counts(spans=1, input_tokens=5), key(bad=True): Counts(spans=1, input_tokens=900)})
        assert await rows(opened, UsageGroup.AGENT) == [
            (("a",), True, Counts(spans=1, input_tokens=900)),
            (("a",), False, Counts(spans=1, input_tokens=5)),
        ]

    async def test_sums_beyond_64_bits_are_exact(self, opened: OpenedStore) -> None:
        huge = 2**62 + 12_345
        await add(opened, {key(minute=minute): Counts(spans=1, duration_micros=huge) for minute in range(5)})
        ((_, _, counts),) = await rows(opened)
        assert counts.duration_micros == 5 * huge

    async def test_what_was_moved_away_leaves_no_row(self, opened: OpenedStore) -> None:
        await add(opened, {key(): Counts(spans=1, input_tokens=5)})
        await add(opened, {key(): Counts(spans=-1, input_tokens=-5), key(agent="b"): Counts(spans=1, input_tokens=5)})
        assert [group for group, _, _ in await rows(opened, UsageGroup.AGENT)] == [("b",)]

    async def test_an_answer_is_bounded(self, opened: OpenedStore) -> None:
        many = {key(session=f"s{n}"): Counts(spans=1, input_tokens=n) for n in range(ROWS_MAX + 5)}
        await add(opened, many)
        found = await rows(opened, UsageGroup.SESSION)
        assert len(found) == ROWS_MAX
        assert found[0][2].input_tokens == ROWS_MAX + 4

    async def test_only_trusted_usage_makes_an_agent_known(self, opened: OpenedStore) -> None:
        await add(opened, {key(agent="a"): Counts(spans=1), key(agent="b", bad=True): Counts(spans=1)})

        async def known(agent: str) -> bool:
            return await opened.writer.write(lambda tx: tx.has_usage(agent), mutation=BY_TELEMETRY, result=bool)

        assert await known("a")
        assert not await known("b")
        assert not await known("c")

    async def test_no_totals_at_all(self, opened: OpenedStore) -> None:
        await add(opened, {})
        assert await opened.store.usage(UsageQuery()) == []
        assert UsageTotals().counts == Counts()


ONE, OTHER = TraceKey(b"1" * 16), TraceKey(b"2" * 16 + b"reporter")
SERVICE = Reporter(principal="s", speaks_for_all=True)
GATEWAY = Reporter(principal="g", agents=("did:web:a", "did:web:b"))


def part(trace: TraceKey, number: int, *spans: int, reporter: str = "one", at: int = NOW) -> NewPart:
    facts = [fact(span) for span in spans]
    return NewPart(trace=trace, number=number, part=TracePart(reporter, facts), received_at=Instant(at))


async def keep(opened: OpenedStore, *parts: NewPart) -> None:
    def work(tx: TelemetryTx) -> None:
        tx.keep_reporters({"one": SERVICE, "two": GATEWAY})
        tx.keep_parts(parts)

    await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))


async def advance(opened: OpenedStore, progress: Progress) -> None:
    await opened.writer.write(lambda tx: tx.advance("log", progress), mutation=BY_TELEMETRY, result=type(None))


class TestTraces:
    async def test_parts_come_back_in_order_with_their_reporters(self, opened: OpenedStore) -> None:
        await keep(opened, part(ONE, 0, 1, 2), part(OTHER, 0, 2**64 - 1))
        await keep(opened, part(ONE, 1, 3, reporter="two"))
        kept = await opened.store.kept([ONE, OTHER, TraceKey(b"3" * 16)])
        assert set(kept) == {ONE, OTHER}
        assert kept[ONE].next_number == 2
        assert [(reporter, part.facts) for reporter, part in kept[ONE].parts] == [
            (SERVICE, [fact(1), fact(2)]),
            (GATEWAY, [fact(3)]),
        ]
        assert kept[OTHER].parts[0][1].facts == [fact(2**64 - 1)]

    async def test_a_fact_comes_back_as_what_it_was(self, opened: OpenedStore) -> None:
        await keep(opened, part(ONE, 0, 1))
        ((_, found),) = (await opened.store.kept([ONE]))[ONE].parts
        assert found.facts[0].tool_call is ToolCall.MCP
        assert found.facts[0].tokens == (1, 2, 3, 4, 5)

    async def test_more_traces_than_one_statement_takes(self, opened: OpenedStore) -> None:
        traces = [TraceKey(number.to_bytes(16, "big")) for number in range(1, 1_202)]
        await keep(opened, *[part(trace, 0, 1) for trace in traces])
        assert set(await opened.store.kept(traces)) == set(traces)
        assert await opened.store.kept([]) == {}

    async def test_a_number_that_is_taken_says_that_the_trace_moved(self, opened: OpenedStore) -> None:
        await keep(opened, part(ONE, 0, 1))
        with pytest.raises(TraceMoved):
            await keep(opened, part(OTHER, 0, 5), part(ONE, 0, 2))
        assert set(await opened.store.kept([ONE, OTHER])) == {ONE}

    async def test_old_parts_are_forgotten_and_numbers_go_on(self, opened: OpenedStore) -> None:
        await keep(opened, part(ONE, 0, 1, at=100), part(ONE, 1, 2, at=200), part(ONE, 2, 3, at=300))

        async def forget(before: int, limit: int = 10) -> int:
            return await opened.writer.write(
                lambda tx: tx.forget_parts(received_before=Instant(before), limit=limit),
                mutation=BY_TELEMETRY,
                result=int,
            )

        assert await forget(100) == 0
        assert await forget(300, limit=1) == 1
        assert await forget(300) == 1
        kept = (await opened.store.kept([ONE]))[ONE]
        assert [part.facts for _, part in kept.parts] == [[fact(3)]]
        assert kept.next_number == 3
        assert await forget(10_000) == 1
        assert await opened.store.kept([ONE]) == {}

    async def test_progress_is_each_logs_own(self, opened: OpenedStore) -> None:
        assert await opened.store.progress("log") == Progress()
        for position in (10, 20):
            await advance(opened, Progress(position=Position(position), rolled_up=position, duplicates=3, rejected=1))
        assert (await opened.store.progress("log")).rolled_up == 20
        assert await opened.store.progress("other") == Progress()

    async def test_labels_are_kept_once_and_by_day(self, opened: OpenedStore) -> None:
        labels = [Label(day, LabelKind.AGENT, "p", label) for day in (1, 2) for label in ("a", "b")]
        labels.append(Label(2, LabelKind.MODEL, "p", "a"))
        for _ in range(2):
            await opened.writer.write(lambda tx: tx.keep_labels(labels), mutation=BY_TELEMETRY, result=type(None))
        assert set(await opened.store.labels(from_day=0)) == set(labels)
        assert len(await opened.store.labels(from_day=2)) == 3
        await opened.writer.write(lambda tx: tx.forget_labels(before_day=2), mutation=BY_TELEMETRY, result=type(None))
        assert len(await opened.store.labels(from_day=0)) == 3


def entry(index: int, *, about: str = "") -> StoredEntry:
    body = b'{"entry":%d}' % index
    return StoredEntry(
        index=index, key=about or f"decision:{index}", body=body, leaf_hash=leaf_hash(body), appended_at=NOW
    )


def head(*entries: StoredEntry, note: str = "signed") -> StoredCheckpoint:
    frontier, _ = Frontier().grow([each.leaf_hash for each in entries])
    return StoredCheckpoint(frontier=frontier, note=note, at=NOW)


async def append(
    opened: OpenedStore, entries: Sequence[StoredEntry], tiles: Mapping[TileId, bytes], checkpoint: StoredCheckpoint
) -> None:
    await opened.writer.write(
        lambda tx: tx.append_entries(entries, tiles, checkpoint), mutation=BY_TELEMETRY, result=type(None)
    )


class TestAuditLog:
    async def test_entries_are_found_by_place_and_by_what_they_are_about(self, opened: OpenedStore) -> None:
        entries = [entry(0), entry(1, about="outcome:x"), entry(2)]
        await append(opened, entries, {}, head(*entries))
        assert await opened.store.entry(1) == entries[1]
        assert await opened.store.entry(3) is None
        assert await opened.store.entry_of("outcome:x") == entries[1]
        assert await opened.store.entry_of("outcome:y") is None
        assert await opened.store.entries(start=1, limit=5) == entries[1:]
        assert await opened.store.entries(start=0, limit=2) == entries[:2]

    async def test_a_transaction_sees_entries_and_tiles_of_its_own(self, opened: OpenedStore) -> None:
        def work(tx: TelemetryTx) -> tuple[int, bytes]:
            tx.append_entries([entry(0)], {TileId(0, 0): b"hash"}, head(entry(0)))
            return tx.entries_of(["decision:0", "decision:9"])["decision:0"].index, tx.tile(TileId(0, 0))

        assert await opened.writer.write(work, mutation=BY_TELEMETRY, result=tuple[int, bytes]) == (0, b"hash")

    async def test_the_newest_checkpoint_counts(self, opened: OpenedStore) -> None:
        assert await opened.store.checkpoint() is None
        await append(opened, [], {}, head())
        await append(opened, [entry(0)], {}, head(entry(0)))
        assert await opened.store.checkpoint() == head(entry(0))
        await append(opened, [], {}, head(entry(0), note="signed anew"))
        newest = await opened.writer.write(
            lambda tx: [tx.checkpoint()], mutation=BY_TELEMETRY, result=list[StoredCheckpoint | None]
        )
        assert newest == [head(entry(0), note="signed anew")]

    async def test_tiles_are_replaced_and_read_with_their_checkpoint(self, opened: OpenedStore) -> None:
        await append(opened, [entry(0)], {TileId(0, 0): b"one"}, head(entry(0)))
        await append(opened, [entry(1)], {TileId(0, 0): b"onetwo", TileId(1, 0): b"up"}, head(entry(0), entry(1)))
        read = await opened.store.with_tiles(
            lambda tiles, newest: (tiles(TileId(0, 0)), tiles(TileId(1, 0)), tiles(TileId(0, 1)), newest)
        )
        assert read == (b"onetwo", b"up", b"", head(entry(0), entry(1)))

    async def test_an_empty_log_has_no_checkpoint_to_read_with(self, opened: OpenedStore) -> None:
        assert await opened.store.with_tiles(lambda _tiles, newest: newest) is None

    async def test_conduct_is_remembered_by_agent_and_environment(self, opened: OpenedStore) -> None:
        first = Conduct(did="did:web:a", environment="prod", clean=4, denials=(Denial(NOW, b"\x00"),))

        def work(tx: TelemetryTx) -> list[Conduct | None]:
            tx.remember(Conduct(did="did:web:a", environment="prod"))
            tx.remember(first)
            return [tx.conduct("did:web:a", "prod"), tx.conduct("did:web:a", "dev"), tx.conduct("did:web:b", "prod")]

        found = await opened.writer.write(work, mutation=BY_TELEMETRY, result=list[Conduct | None])
        assert found == [first, None, None]


def signal(name: str) -> Signal:
    return Signal(
        signal_id=name,
        did="did:web:a",
        environment="prod",
        kind=SignalKind.ACTION_DENIED,
        evidence_hash=b"\xff" * 32,
        evidence="audit/1",
        at=NOW,
    )


class TestSignals:
    async def queue(self, opened: OpenedStore, *names: str) -> None:
        await opened.writer.write(
            lambda tx: tx.queue_signals([signal(name) for name in names]), mutation=BY_TELEMETRY, result=type(None)
        )

    async def pending(self, opened: OpenedStore, limit: int = 10) -> list[str]:
        return [each.signal.signal_id for each in await opened.store.pending_signals(limit=limit)]

    async def test_signals_wait_in_order_and_once(self, opened: OpenedStore) -> None:
        await self.queue(opened, "one", "two", "one")
        await self.queue(opened, "two", "three")
        await self.queue(opened)
        assert await self.pending(opened) == ["one", "two", "three"]
        assert await self.pending(opened, limit=2) == ["one", "two"]
        assert await opened.store.pending_signal_count() == 3
        assert (await opened.store.pending_signals(limit=1))[0].signal == signal("one")

    async def test_a_settled_signal_neither_waits_nor_comes_again(self, opened: OpenedStore) -> None:
        await self.queue(opened, "one", "two", "three")
        numbers = [each.number for each in await opened.store.pending_signals(limit=2)]
        await opened.writer.write(
            lambda tx: tx.settle_signals({numbers[0]: "APPLIED", numbers[1]: "REFUSED"}),
            mutation=BY_TELEMETRY,
            result=type(None),
        )
        await self.queue(opened, "one", "four")
        assert await self.pending(opened) == ["three", "four"]
        assert await opened.store.pending_signal_count() == 2


async def test_everything_is_there_after_a_restart(backend: Backend) -> None:
    async with opened_store(backend) as opened:
        await add(opened, {key(): Counts(spans=1)})
        await keep(opened, part(ONE, 0, 1))
        await append(opened, [entry(0)], {TileId(0, 0): b"x"}, head(entry(0)))
    async with opened_store(backend) as opened:
        assert await rows(opened) == [((), False, Counts(spans=1))]
        assert set(await opened.store.kept([ONE])) == {ONE}
        assert await opened.store.checkpoint() == head(entry(0))
        assert await opened.store.revision() == 0


async def test_a_failing_work_leaves_nothing(opened: OpenedStore) -> None:
    def work(tx: TelemetryTx) -> None:
        tx.add_usage({key(): Counts(spans=1)})
        tx.append_entries([entry(0)], {TileId(0, 0): b"x"}, head(entry(0)))
        tx.queue_signals([signal("one")])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))
    assert await opened.store.usage(UsageQuery()) == []
    assert await opened.store.checkpoint() is None
    assert await opened.store.pending_signal_count() == 0


async def test_the_migrations_make_the_tables(backend: Backend) -> None:
    if backend.kind == "memory":
        return
    async with Database(backend.url, service="telemetry", migrations=MIGRATIONS) as database:
        assert await database.read(lambda connection: schema_differences(connection, metadata)) == []
