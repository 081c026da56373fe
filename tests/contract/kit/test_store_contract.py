"""What every store owes a service, on memory, SQLite and PostgreSQL alike."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest
from ringfence_kit import records
from ringfence_kit.clock import DAY, Instant, ManualClock
from ringfence_kit.errors import RequestIdReused, RevisionCompacted, Unavailable
from ringfence_kit.events import EMPTY, Change, Event, Revision
from ringfence_kit.memory import MemoryDatabase, MemoryWriter
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation
from ringfence_kit.watch import EventHub
from support.backends import Backend
from support.switches.flip_switch import SwitchStuck, flip_switch, remove_switch
from support.switches.model import SWITCH, Switch
from support.switches.mutations import NOW, by, once
from support.switches.opened import Switches, opened_switches
from support.switches.store import SwitchTx
from support.switches.store_memory import MemorySwitchTx
from support.switches.store_sql import MIGRATIONS, SqlSwitchTx


@pytest.fixture
async def service(backend: Backend) -> AsyncIterator[Switches]:
    async with opened_switches(backend) as opened:
        yield opened


class Refused(Exception):  # noqa: N818 - named for what happened, like every failure
    """What a use case might raise from within its work."""


def put(name: str, *, on: bool = True) -> Switch:
    return Switch(name=name, on=on, reason="drill")


def add(tx: SwitchTx, name: str) -> None:
    tx.put(put(name))
    tx.record(Change.ADDED, SWITCH, name, records.encode(put(name)))


# Writing


async def test_a_write_answers_with_what_its_work_returned(service: Switches) -> None:
    switch = await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=by())
    assert switch == Switch(name="export", on=False, reason="drill", flips=0)


async def test_a_caller_reads_its_own_write_from_the_snapshot(service: Switches) -> None:
    switch = await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=by())
    assert service.snapshot.switch("export") == switch
    assert service.hub.newest == 1


async def test_a_work_reads_what_it_has_written(service: Switches) -> None:
    def work(tx: SwitchTx) -> bool:
        tx.put(put("export"))
        seen = tx.switch("export")
        tx.remove("export")
        return seen == put("export") and tx.switch("export") is None

    assert await service.writer.write(work, mutation=by(), result=bool)


async def test_an_event_says_who_changed_what_and_when(service: Switches) -> None:
    mutation = by("ada", at=NOW + 7)
    switch = await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=mutation)
    assert await service.events.read(EMPTY, 10) == [
        Event(
            revision=Revision(1),
            change=Change.ADDED,
            kind=SWITCH,
            name="export",
            record=records.encode(switch),
            at=Instant(NOW + 7),
            actor="ada",
        )
    ]


async def test_every_kind_of_change_is_told_apart(service: Switches) -> None:
    await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=by())
    await flip_switch(service.writer, name="export", on=True, reason="over", mutation=by())
    await remove_switch(service.writer, name="export", mutation=by())
    stored = await service.events.read(EMPTY, 10)
    assert [event.change for event in stored] == [Change.ADDED, Change.MODIFIED, Change.DELETED]
    assert service.snapshot.all() == {}


async def test_a_work_knows_the_revision_its_next_event_will_have(service: Switches) -> None:
    def work(tx: SwitchTx) -> tuple[int, ...]:
        foretold = tx.next_revision
        first = tx.record(Change.ADDED, SWITCH, "a", records.encode(put("a")))
        second = tx.record(Change.ADDED, SWITCH, "b", records.encode(put("b")))
        return foretold, first, second, tx.next_revision

    assert await service.writer.write(work, mutation=by(), result=tuple[int, ...]) == (1, 1, 2, 3)


async def test_a_work_may_record_nothing(service: Switches) -> None:
    await remove_switch(service.writer, name="never-was", mutation=by())
    assert service.hub.newest == EMPTY
    assert await service.events.newest() == EMPTY


async def test_a_record_may_hold_any_bytes(service: Switches) -> None:
    def work(tx: SwitchTx) -> None:
        tx.record(Change.ADDED, "blob", "b", bytes(range(256)))

    await service.writer.write(work, mutation=by(), result=type(None))
    assert (await service.events.read(EMPTY, 1))[0].record == bytes(range(256))


# Failing


async def test_a_work_that_raises_leaves_no_trace(service: Switches) -> None:
    def work(tx: SwitchTx) -> None:
        add(tx, "export")
        raise Refused

    with pytest.raises(Refused):
        await service.writer.write(work, mutation=by(), result=type(None))
    assert await service.events.newest() == EMPTY
    assert (await service.store.load())[1] == ()
    assert service.snapshot.all() == {}


async def test_a_failure_arrives_as_the_work_raised_it(service: Switches) -> None:
    await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=by())
    with pytest.raises(SwitchStuck) as raised:
        await flip_switch(service.writer, name="export", on=False, reason="again", mutation=by())
    assert raised.value.metadata == {"name": "export"}


async def test_a_failing_work_harms_none_of_its_neighbours(service: Switches) -> None:
    def work(number: int, tx: SwitchTx) -> None:
        add(tx, f"s{number}")
        if number % 3 == 0:
            raise Refused

    answers = await asyncio.gather(
        *(service.writer.write(partial(work, number), mutation=by(), result=type(None)) for number in range(12)),
        return_exceptions=True,
    )
    assert [isinstance(answer, Refused) for answer in answers] == [number % 3 == 0 for number in range(12)]
    stored = await service.events.read(EMPTY, 100)
    assert [event.revision for event in stored] == list(range(1, 9))
    assert {event.name for event in stored} == set(service.snapshot.all()) == {s.name for s in await loaded(service)}


async def test_an_exception_that_is_no_ordinary_one_reaches_its_caller(service: Switches) -> None:
    def work(tx: SwitchTx) -> None:
        raise StopIteration

    # PEP 479: it cannot leave a coroutine as itself.
    with pytest.raises(RuntimeError):
        await service.writer.write(work, mutation=by(), result=type(None))
    await flip_switch(service.writer, name="export", on=False, reason="still works", mutation=by())


async def test_a_transaction_kept_past_its_work_cannot_record(service: Switches) -> None:
    kept: list[SwitchTx] = []
    await service.writer.write(kept.append, mutation=by(), result=type(None))
    with pytest.raises(RuntimeError):
        kept[0].record(Change.ADDED, SWITCH, "late", b"{}")
    await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=by())
    assert [event.name for event in await service.events.read(EMPTY, 10)] == ["export"]


async def test_a_rehearsal_returns_its_result_and_changes_nothing(service: Switches) -> None:
    def work(tx: SwitchTx) -> int:
        add(tx, "export")
        return tx.next_revision

    rehearsed = once("r1")
    assert await service.writer.write(work, mutation=rehearsed, result=int, validate_only=True) == 2
    assert service.snapshot.all() == {}
    assert await loaded(service) == ()
    # The id was not used up.
    assert await service.writer.write(work, mutation=rehearsed, result=int) == 2
    assert set(service.snapshot.all()) == {"export"}


async def test_a_rehearsal_raises_what_its_work_raises(service: Switches) -> None:
    def work(tx: SwitchTx) -> None:
        raise Refused

    with pytest.raises(Refused):
        await service.writer.write(work, mutation=by(), result=type(None), validate_only=True)


# Repeating


async def test_a_repeated_request_gets_the_first_result_and_has_no_second_effect(service: Switches) -> None:
    mutation = once("r1")
    first = await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=mutation)
    second = await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=mutation)
    assert second == first
    assert await service.events.newest() == 1


async def test_a_repetition_is_recognised_after_a_restart(backend: Backend) -> None:
    mutation = once("r1")
    async with opened_switches(backend) as service:
        first = await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=mutation)
        await flip_switch(service.writer, name="export", on=True, reason="over", mutation=by())
    async with opened_switches(backend) as service:
        again = await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=mutation)
        assert again == first
        assert service.hub.newest == 2


async def test_equal_requests_in_flight_together_have_one_effect_and_one_result(service: Switches) -> None:
    mutation = once("r1")
    answers = await asyncio.gather(
        *(flip_switch(service.writer, name="export", on=False, reason="drill", mutation=mutation) for _ in range(8))
    )
    assert set(answers) == {Switch(name="export", on=False, reason="drill")}
    assert await service.events.newest() == 1


@pytest.mark.parametrize(
    "other",
    [replace(once("r1"), principal="eve"), once("r1", method="/switches/Remove"), once("r1", content=b"other")],
    ids=["principal", "method", "content"],
)
async def test_an_id_used_for_another_request_is_refused(service: Switches, other: Mutation) -> None:
    await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=once("r1"))
    with pytest.raises(RequestIdReused):
        await flip_switch(service.writer, name="export", on=True, reason="over", mutation=other)
    assert await service.events.newest() == 1


async def test_different_requests_with_one_id_in_flight_together_have_one_winner(service: Switches) -> None:
    answers = await asyncio.gather(
        *(
            flip_switch(service.writer, name=name, on=False, reason="", mutation=once("r1", content=name.encode()))
            for name in ("a", "b", "c")
        ),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["RequestIdReused", "RequestIdReused", "Switch"]
    assert await service.events.newest() == 1


async def test_a_request_that_failed_may_be_repeated(service: Switches) -> None:
    mutation = once("r1")
    await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=by())
    with pytest.raises(SwitchStuck):
        await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=mutation)
    await flip_switch(service.writer, name="export", on=True, reason="over", mutation=by())
    repeated = await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=mutation)
    assert repeated.flips == 2


async def test_without_an_id_a_repetition_is_a_second_request(service: Switches) -> None:
    def work(tx: SwitchTx) -> int:
        return tx.record(Change.ADDED, SWITCH, "s", records.encode(put("s")))

    assert [await service.writer.write(work, mutation=by(), result=int) for _ in range(2)] == [1, 2]


@pytest.mark.parametrize(("later", "replayed"), [(DAY - 1, True), (DAY, False), (-DAY, True)])
async def test_a_result_is_replayed_for_a_day(service: Switches, later: int, replayed: bool) -> None:
    def work(tx: SwitchTx) -> int:
        return tx.record(Change.ADDED, SWITCH, "s", records.encode(put("s")))

    await service.writer.write(work, mutation=once("r1"), result=int)
    second = await service.writer.write(work, mutation=once("r1", at=NOW + later), result=int)
    assert (second == 1) is replayed


async def test_an_id_that_expired_starts_a_new_day(service: Switches) -> None:
    def work(tx: SwitchTx) -> int:
        return tx.record(Change.ADDED, SWITCH, "s", records.encode(put("s")))

    answers = [
        await service.writer.write(work, mutation=once("r1", at=NOW + at), result=int)
        for at in (0, DAY, 2 * DAY - 1, 2 * DAY)
    ]
    assert answers == [1, 2, 2, 3]


async def test_a_result_of_nothing_is_replayed_too(service: Switches) -> None:
    await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=by())
    for _ in range(2):
        await remove_switch(service.writer, name="export", mutation=once("r1"))
    assert await service.events.newest() == 2


async def test_a_result_that_cannot_be_replayed_is_not_stored_at_all(service: Switches) -> None:
    def work(tx: SwitchTx) -> object:
        add(tx, "export")
        return object()

    with pytest.raises(TypeError):
        await service.writer.write(work, mutation=once("r1"), result=object)
    assert await service.events.newest() == EMPTY


# Many at once


async def test_concurrent_writers_see_each_other_one_after_another(service: Switches) -> None:
    def work(tx: SwitchTx) -> int:
        before = tx.switch("counter")
        flips = 0 if before is None else before.flips + 1
        after = Switch(name="counter", on=True, reason="", flips=flips)
        tx.put(after)
        tx.record(Change.MODIFIED, SWITCH, "counter", records.encode(after))
        return flips

    answers = await asyncio.gather(*(service.writer.write(work, mutation=by(), result=int) for _ in range(100)))
    assert sorted(answers) == list(range(100))
    assert [event.revision for event in await service.events.read(EMPTY, 1_000)] == list(range(1, 101))


async def test_works_are_applied_in_the_order_they_were_asked_for(service: Switches) -> None:
    names = [f"s{number:03}" for number in range(50)]
    await asyncio.gather(*(flip_switch(service.writer, name=name, on=True, reason="", mutation=by()) for name in names))
    assert [event.name for event in await service.events.read(EMPTY, 100)] == names


async def test_a_cancelled_caller_leaves_no_half(service: Switches) -> None:
    def work(tx: SwitchTx) -> None:
        add(tx, "a")
        add(tx, "b")

    waiting = asyncio.ensure_future(service.writer.write(work, mutation=by(), result=type(None)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await flip_switch(service.writer, name="after", on=True, reason="", mutation=by())
    assert set(service.snapshot.all()) in ({"after"}, {"a", "b", "after"})
    assert {switch.name for switch in await loaded(service)} == set(service.snapshot.all())


# Opening and closing


async def test_leaving_the_block_applies_what_waits(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        waiting = [
            asyncio.ensure_future(flip_switch(service.writer, name=f"s{n}", on=True, reason="", mutation=by()))
            for n in range(20)
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    async with opened_switches(backend) as service:
        assert len(service.snapshot.all()) == 20


async def test_a_closed_writer_says_so(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        pass
    with pytest.raises(Unavailable):
        await flip_switch(service.writer, name="late", on=True, reason="", mutation=by())
    with pytest.raises(Unavailable):
        await anext(service.hub.watch(EMPTY))


async def test_a_writer_does_not_start_before_its_snapshot_has() -> None:
    memory = MemoryDatabase()
    hub = EventHub(memory.events, clock=ManualClock(), apply=lambda _: None)
    with pytest.raises(RuntimeError, match="start the hub"):
        await MemoryWriter(memory, MemorySwitchTx, hub, clock=ManualClock()).__aenter__()
    database = Database("sqlite:///unused.db", service="switches", migrations=MIGRATIONS)
    with pytest.raises(RuntimeError, match="start the hub"):
        await SqlWriter(database, SqlSwitchTx, hub, clock=ManualClock()).__aenter__()


async def test_a_reopened_store_goes_on_at_its_revision(backend: Backend) -> None:
    for number in range(3):
        async with opened_switches(backend) as service:
            assert service.hub.newest == number
            assert service.snapshot.all() == {s.name: s for s in await loaded(service)}
            await flip_switch(service.writer, name=f"s{number}", on=False, reason="drill", mutation=by())
    async with opened_switches(backend) as service:
        assert set(service.snapshot.all()) == {"s0", "s1", "s2"}


async def test_the_key_of_page_tokens_stays_with_the_data(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        first = service.mac_key
    async with opened_switches(backend) as service:
        assert service.mac_key == first
        assert len(first) >= 32


# Reading


async def test_a_cold_listing_orders_by_code_point_as_the_snapshot_would(service: Switches) -> None:
    names = ["a", "B", "ab", "a-b", "a/b", "Z", "é", "z", "A", "_"]
    for name in names:
        await flip_switch(service.writer, name=name, on=False, reason="drill", mutation=by())
    page: tuple[Switch, ...] = ()
    walked: list[str] = []
    while page := await service.store.turned_off(after=walked[-1] if walked else "", limit=3):
        walked += [switch.name for switch in page]
    assert walked == sorted(names)


async def test_a_load_is_one_moment(service: Switches) -> None:
    async def write() -> None:
        for number in range(30):
            await flip_switch(service.writer, name=f"s{number}", on=True, reason="", mutation=by())

    async with asyncio.TaskGroup() as group:
        writing = group.create_task(write())
        while not writing.done():
            revision, switches = await service.store.load()
            assert revision == len(switches)


# Forgetting


async def test_compaction_keeps_the_newest_and_remembers_what_went(service: Switches) -> None:
    for number in range(10):
        await flip_switch(service.writer, name=f"s{number}", on=True, reason="", mutation=by())
    assert await service.writer.compact(4) == 6
    assert [event.revision for event in await service.events.read(Revision(6), 100)] == [7, 8, 9, 10]
    with pytest.raises(RevisionCompacted) as raised:
        await service.events.read(Revision(5), 100)
    assert raised.value.metadata == {"requested_revision": "6", "oldest_revision": "7"}
    assert await service.events.newest() == 10


async def test_compaction_never_goes_back(service: Switches) -> None:
    for number in range(5):
        await flip_switch(service.writer, name=f"s{number}", on=True, reason="", mutation=by())
    assert [await service.writer.compact(keep) for keep in (2, 4, 100, 0)] == [3, 3, 3, 5]
    assert await service.events.read(Revision(5), 10) == []


async def test_compaction_outlives_a_restart_and_revisions_go_on(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        for number in range(5):
            await flip_switch(service.writer, name=f"s{number}", on=True, reason="", mutation=by())
        await service.writer.compact(0)
    async with opened_switches(backend) as service:
        assert await service.writer.compact(100) == 5
        await flip_switch(service.writer, name="s5", on=True, reason="", mutation=by())
        assert [event.revision for event in await service.events.read(Revision(5), 10)] == [6]


async def test_pages_of_history_join_without_a_gap(service: Switches) -> None:
    for number in range(7):
        await flip_switch(service.writer, name=f"s{number}", on=True, reason="", mutation=by())
    read: list[int] = []
    while page := await service.events.read(Revision(read[-1] if read else 0), 3):
        read += [event.revision for event in page]
    assert read == [1, 2, 3, 4, 5, 6, 7]


async def loaded(service: Switches) -> tuple[Switch, ...]:
    return (await service.store.load())[1]
