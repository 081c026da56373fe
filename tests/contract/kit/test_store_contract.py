"""What every store owes a service, on memory, SQLite and PostgreSQL alike."""

from ringfence_kit.clock import Instant
from ringfence_kit.store import Mutation
from support.backends import Backend
from support.switches.flip_switch import flip_switch
from support.switches.opened import opened_switches

NOW = Instant(1_000_000)


def by(principal: str = "ada", **changes: object) -> Mutation:
    return Mutation(principal=principal, at=NOW)


async def test_a_reopened_store_has_what_was_acknowledged(backend: Backend) -> None:
    async with opened_switches(backend) as service:
        await flip_switch(service.writer, name="export", on=False, reason="drill", mutation=by())
        assert service.snapshot.switch("export") is not None
        assert service.hub.newest == 1
    async with opened_switches(backend) as service:
        found = service.snapshot.switch("export")
        assert found is not None
        assert found.reason == "drill"
        assert service.hub.newest == 1
