"""What a service keeps of its events is written with them, on every store: no event without it, nor the reverse."""

import asyncio
from collections.abc import Sequence

import pytest
from ringfence_kit.events import EMPTY, Change, Event
from support.backends import Backend
from support.switches.flip_switch import SwitchStuck, flip_switch
from support.switches.model import SWITCH
from support.switches.mutations import by
from support.switches.opened import opened_switches
from support.switches.store import SwitchTx


async def test_every_event_is_logged_once_in_order(backend: Backend) -> None:
    logged = list[Event]()
    async with opened_switches(backend, log=logged.extend) as service:
        for name in ("a", "b"):
            await flip_switch(service.writer, name=name, on=True, reason="", mutation=by())
        many = [flip_switch(service.writer, name=f"{n}", on=True, reason="", mutation=by()) for n in range(50)]
        await asyncio.gather(*many)
        assert logged == list(await service.events.read(EMPTY, 100))
    assert [event.revision for event in logged] == list(range(1, 53))


async def test_what_was_refused_or_only_tried_is_not_logged(backend: Backend) -> None:
    logged = list[Event]()
    async with opened_switches(backend, log=logged.extend) as service:
        await flip_switch(service.writer, name="a", on=True, reason="", mutation=by())
        with pytest.raises(SwitchStuck):
            await flip_switch(service.writer, name="a", on=True, reason="", mutation=by())
        await service.writer.write(_record, mutation=by(), result=type(None), validate_only=True)
    assert [event.name for event in logged] == ["a"]


async def test_without_the_log_nothing_is_kept(backend: Backend) -> None:
    def full(_events: Sequence[Event]) -> None:
        raise OSError("no room in the log")

    async with opened_switches(backend, log=full) as service:
        with pytest.raises(Exception, match=r"no room|could not be committed"):
            await flip_switch(service.writer, name="a", on=True, reason="", mutation=by())
        assert await service.events.newest() == 0
        assert service.snapshot.switch("a") is None


def _record(tx: SwitchTx) -> None:
    tx.record(Change.ADDED, SWITCH, "b", b"{}")
