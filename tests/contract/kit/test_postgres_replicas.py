"""Several replicas of one service on one PostgreSQL: one history, however they race and whatever is cut."""

import asyncio
from contextlib import AsyncExitStack

import pytest
import sqlalchemy as sa
from ringfence_kit.clock import ManualClock
from ringfence_kit.errors import Unavailable
from ringfence_kit.events import EMPTY, Revision
from ringfence_kit.sql_listener import RETRY_FIRST
from ringfence_kit.store import StorageFault
from support.backends import Backend
from support.postgres import cut_connections, unreachable
from support.switches.flip_switch import flip_switch
from support.switches.model import Switch
from support.switches.mutations import by, once
from support.switches.opened import Switches, opened_switches
from support.switches.store import SwitchTx
from support.switches.store_sql import SqlSwitchTx
from support.watching import events_until, while_time_passes

pytestmark = pytest.mark.parametrize("backend", ["postgres"], indirect=True)


async def flip(service: Switches, name: str) -> Switch:
    return await flip_switch(service.writer, name=name, on=True, reason="", mutation=by())


async def test_replicas_that_write_at_once_share_one_history_without_a_gap(backend: Backend) -> None:
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(opened_switches(backend)) for _ in range(3)]
        seen = [asyncio.ensure_future(events_until(replica.hub.watch(EMPTY), 150)) for replica in replicas]
        await asyncio.gather(
            *(flip(replica, f"r{index}-{n}") for index, replica in enumerate(replicas) for n in range(50))
        )
        assert await asyncio.gather(*seen) == [list(range(1, 151))] * 3
        assert replicas[0].snapshot.all() == replicas[1].snapshot.all() == replicas[2].snapshot.all()
        assert len(replicas[0].snapshot.all()) == 150


async def test_a_watcher_hears_of_another_replicas_write_without_waiting_for_a_heartbeat(backend: Backend) -> None:
    async with opened_switches(backend) as here, opened_switches(backend) as there:
        waiting = asyncio.ensure_future(events_until(here.hub.watch(EMPTY), 1))
        await flip(there, "export")
        # The clocks stand still, so this came by NOTIFY.
        assert await waiting == [1]
        assert here.snapshot.switch("export") is not None


async def test_a_writer_that_hears_nothing_has_read_everything_before_its_own_write(backend: Backend) -> None:
    async with opened_switches(backend) as here, opened_switches(backend) as there:
        heard = asyncio.ensure_future(events_until(here.hub.watch(EMPTY), 1))
        await flip(there, "heard")
        await heard
        # Nobody listens again before the clocks move.
        cut_connections(backend.url)
        await asyncio.gather(*(flip(there, f"s{number}") for number in range(20)))
        assert here.hub.newest == 1
        watched = asyncio.ensure_future(events_until(here.hub.watch(Revision(1)), 22))
        await flip(here, "own")
        assert await watched == list(range(2, 23))
        assert here.snapshot.all().keys() == {"heard", "own", *(f"s{number}" for number in range(20))}


async def test_one_request_on_two_replicas_has_one_effect_and_one_result(backend: Backend) -> None:
    async with opened_switches(backend) as here, opened_switches(backend) as there:
        answers = await asyncio.gather(
            *(
                flip_switch(replica.writer, name="export", on=False, reason="drill", mutation=once("r1"))
                for replica in (here, there) * 5
            )
        )
        assert set(answers) == {Switch(name="export", on=False, reason="drill")}
        assert await here.events.newest() == 1


async def test_a_watcher_may_move_to_a_replica_that_has_not_heard_yet(backend: Backend) -> None:
    async with opened_switches(backend) as here, opened_switches(backend) as there:
        await flip(there, "a")
        moved = asyncio.ensure_future(events_until(here.hub.watch(Revision(1)), 2))
        await flip(there, "b")
        assert await moved == [2]


async def test_replicas_that_start_at_once_migrate_once(backend: Backend) -> None:
    async def start() -> bytes:
        async with opened_switches(backend) as service:
            return service.mac_key

    assert len(set(await asyncio.gather(*(start() for _ in range(4))))) == 1


async def test_a_cut_listener_connects_again_and_misses_nothing(backend: Backend) -> None:
    clock = ManualClock()
    async with opened_switches(backend, clock=clock) as here:
        heard = asyncio.ensure_future(events_until(here.hub.watch(EMPTY), 1))
        async with opened_switches(backend) as there:
            await flip(there, "a")
            assert await heard == [1]
            cut_connections(backend.url)
            await flip(there, "b")
            assert here.hub.newest == 1
            # Little by little: it connects again long before the first heartbeat would help.
            again = events_until(here.hub.watch(Revision(1)), 2)
            assert await while_time_passes(clock, again, step=RETRY_FIRST) == [2]


async def test_a_write_after_connections_were_cut_connects_again(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        await flip(service, "a")
        assert cut_connections(backend.url) >= 2
        await flip(service, "b")
        assert await service.store.turned_off(after="", limit=10) == ()
        assert set(service.snapshot.all()) == {"a", "b"}


async def test_a_connection_lost_in_the_middle_fails_the_group_and_keeps_nothing_of_it(backend: Backend) -> None:
    def lose_connection(tx: SwitchTx) -> None:
        assert isinstance(tx, SqlSwitchTx)
        tx.put(Switch(name="lost", on=True, reason=""))
        tx.connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    async with opened_switches(backend) as service:
        with pytest.raises(Unavailable) as raised:
            await service.writer.write(lose_connection, mutation=by(), result=type(None))
        assert raised.value.__cause__ is not None
        await flip(service, "after")
        assert set(service.snapshot.all()) == {switch.name for switch in (await service.store.load())[1]} == {"after"}


async def test_while_the_database_is_away_everything_says_so_and_goes_on_afterwards(
    backend: Backend, postgres_url: str
) -> None:
    clock = ManualClock()
    async with opened_switches(backend, clock=clock) as service:
        await flip(service, "a")
        stream = service.hub.watch(Revision(1))
        silent = asyncio.ensure_future(anext(stream))
        with unreachable(postgres_url, backend.url):
            with pytest.raises(Unavailable):
                await flip(service, "b")
            with pytest.raises(Unavailable):
                await service.store.turned_off(after="", limit=1)
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await while_time_passes(clock, service.events.newest())
            assert not silent.done()
        await flip(service, "c")
        await silent
        assert set(service.snapshot.all()) == {"a", "c"}
        assert await events_until(service.hub.watch(EMPTY), 2) == [1, 2]


@pytest.mark.parametrize("noticed_by", ["heartbeat", "write"])
async def test_a_replica_that_fell_behind_what_is_kept_ends(noticed_by: str, backend: Backend) -> None:
    clock = ManualClock()

    async def fall_behind(there: Switches) -> None:
        async with opened_switches(backend, clock=clock) as here:
            heard = asyncio.ensure_future(events_until(here.hub.watch(EMPTY), 1))
            await flip(there, "heard")
            await heard
            # Its listener will connect again when its clock says so: not before all of this has happened.
            cut_connections(backend.url)
            for number in range(5):
                await flip(there, f"s{number}")
            await there.writer.compact(0)
            assert set(here.snapshot.all()) == {"heard"}
            if noticed_by == "write":
                with pytest.raises(Unavailable):
                    await flip(here, "too-late")
                await asyncio.Event().wait()
            await while_time_passes(clock, asyncio.Event().wait())

    async with opened_switches(backend) as there:
        with pytest.raises(StorageFault):
            await fall_behind(there)
