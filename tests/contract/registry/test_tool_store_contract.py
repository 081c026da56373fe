"""What every store of tools, external systems and boundaries owes: the same on memory, SQLite and PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from ringfence_kit.clock import Instant
from ringfence_registry.external_systems.model import TrustDecision, TrustVerdict
from ringfence_registry.resources.names import BoundaryName, ExternalSystemName, ToolName
from ringfence_registry.resources.switches import Switch, SwitchChange, SwitchState
from ringfence_registry.store import AgentTx
from ringfence_registry.store.tools import StoredTools
from ringfence_registry.tools.model import CostHint, Reach, RetryPolicy
from support.backends import Backend
from support.registry.catalogs import whole
from support.registry.opened import Registry, opened_registry
from support.registry.tools import (
    BANK,
    EXPORT,
    LEDGERS,
    OTHER_SCHEMA,
    a_boundary,
    a_system,
    a_tool,
    a_tool_revision,
    a_tool_spec,
)

T = TypeVar("T")


async def write(registry: Registry, work: Callable[[AgentTx], T], result: type[T]) -> T:
    return await registry.writer.write(work, mutation=registry.asked(), result=result)


async def stored(registry: Registry) -> StoredTools:
    return (await registry.store.load(whole))[1].tools


async def test_what_was_put_is_read_in_the_same_transaction_and_after_a_restart(backend: Backend) -> None:
    tool = replace(
        a_tool(reach=Reach(trusted=False, until=Instant(7))),
        spec=a_tool_spec(
            retry=RetryPolicy(max_attempts=3, idempotent=True),
            cost_hint=CostHint(micros_per_call=5, currency="EUR"),
            external_systems=(str(BANK),),
            labels={"ü": "\U0001f9ed"},
        ),
        switch=Switch(state=SwitchState.DISABLED, last=SwitchChange(reason="x", actor="y", at=Instant(3))),
    )
    decision = TrustDecision(
        verdict=TrustVerdict.TRUSTED, reason="r", expires_at=Instant(9), actor="a", decided_at=Instant(2)
    )
    system, boundary = a_system(decision=decision), a_boundary(agents=("namespaces/finance/agents/ledger",))

    def work(tx: AgentTx) -> None:
        assert (tx.tool(tool.id), tx.external_system(BANK), tx.boundary(LEDGERS)) == (None, None, None)
        tx.put_tool(tool)
        tx.put_external_system(system)
        tx.put_boundary(boundary)
        assert (tx.tool(tool.id), tx.external_system(BANK), tx.boundary(LEDGERS)) == (tool, system, boundary)

    async with opened_registry(backend) as registry:
        assert await stored(registry) == StoredTools()
        await write(registry, work, type(None))
    async with opened_registry(backend) as registry:
        assert await stored(registry) == StoredTools(tools=(tool,), external_systems=(system,), boundaries=(boundary,))


async def test_what_is_put_again_replaces_the_first_and_what_is_deleted_is_gone(backend: Backend) -> None:
    def put(tx: AgentTx) -> None:
        for said in ("once", "again"):
            tx.put_tool(a_tool(display_name=said))
            tx.put_external_system(replace(a_system(), uid=said))
            tx.put_boundary(a_boundary(display_name=said))

    def delete(tx: AgentTx) -> None:
        tx.delete_tool(EXPORT.tool)
        tx.delete_external_system(BANK)
        tx.delete_boundary(LEDGERS)
        tx.delete_boundary(LEDGERS)
        assert (tx.tool(EXPORT.tool), tx.external_system(BANK), tx.boundary(LEDGERS)) == (None, None, None)

    async with opened_registry(backend) as registry:
        await write(registry, put, type(None))
        found = await stored(registry)
        assert [tool.spec.display_name for tool in found.tools] == ["again"]
        assert [system.uid for system in found.external_systems] == ["again"]
        assert [boundary.spec.display_name for boundary in found.boundaries] == ["again"]
        await write(registry, delete, type(None))
        assert await stored(registry) == StoredTools()


async def test_a_tool_is_found_by_its_id_in_whatever_namespace(backend: Backend) -> None:
    def work(tx: AgentTx) -> list[bool]:
        tx.put_tool(a_tool(ToolName("ops", "a.b")))
        return [tx.tool(tool_id) is not None for tool_id in ("a.b", "a-b", "a.b.", "A.B", "a%", "")]

    async with opened_registry(backend) as registry:
        assert await write(registry, work, list[bool]) == [True, False, False, False, False, False]


async def test_the_schemas_of_an_id_outlive_the_tool_and_are_read_newest_first(backend: Backend) -> None:
    def work(tx: AgentTx) -> None:
        assert tx.newest_tool_revision(EXPORT.tool) is None
        tx.put_tool(a_tool())
        for number in range(1, 13):
            tx.add_tool_revision(a_tool_revision(number, schema=OTHER_SCHEMA))
            newest = tx.newest_tool_revision(EXPORT.tool)
            assert newest is not None
            assert newest.number == number
        tx.add_tool_revision(a_tool_revision(99, tool=ToolName("ops", "warehouse.exports")))
        tx.delete_tool(EXPORT.tool)
        assert tx.newest_tool_revision(EXPORT.tool) == a_tool_revision(12, schema=OTHER_SCHEMA)

    async with opened_registry(backend) as registry:
        await write(registry, work, type(None))

        async def numbers(before: int | None, limit: int) -> list[int]:
            found = await registry.store.tool_revisions(EXPORT.tool, before=before, limit=limit)
            return [revision.number for revision in found]

        assert await numbers(None, 5) == [12, 11, 10, 9, 8]
        assert await numbers(8, 5) == [7, 6, 5, 4, 3]
        assert await numbers(3, 5) == [2, 1]
        assert await numbers(1, 5) == []
        assert await registry.store.tool_revisions("warehouse", before=None, limit=5) == []


@pytest.mark.parametrize("backend", ["memory", "sqlite"], indirect=True)
async def test_a_number_is_given_to_one_schema(backend: Backend) -> None:
    def work(tx: AgentTx) -> None:
        tx.add_tool_revision(a_tool_revision(1))
        tx.add_tool_revision(a_tool_revision(2))

    async with opened_registry(backend) as registry:
        await write(registry, work, type(None))
        found = await registry.store.tool_revisions(EXPORT.tool, before=None, limit=9)
        assert [revision.name for revision in found] == [f"{EXPORT}/revisions/2", f"{EXPORT}/revisions/1"]


async def test_who_names_a_system_is_known_as_of_the_last_time_it_was_said(backend: Backend) -> None:
    mint = ExternalSystemName("finance", "mint")
    tool, boundary = str(EXPORT), str(BoundaryName("ops", "wall"))

    def users(tx: AgentTx) -> list[list[str]]:
        return [list(tx.users_of(name)) for name in (BANK, mint, ExternalSystemName("ops", "bank"))]

    def work(tx: AgentTx) -> list[list[list[str]]]:
        found = [users(tx)]
        tx.put_uses(tool, [str(BANK), str(mint)])
        tx.put_uses(boundary, [str(BANK)])
        found.append(users(tx))
        tx.put_uses(tool, [str(mint)])
        found.append(users(tx))
        tx.put_uses(tool, [])
        tx.put_uses(boundary, [])
        return [*found, users(tx)]

    async with opened_registry(backend) as registry:
        assert await write(registry, work, list[list[list[str]]]) == [
            [[], [], []],
            [[tool, boundary] if tool < boundary else [boundary, tool], [tool], []],
            [[boundary], [tool], []],
            [[], [], []],
        ]


async def test_a_work_that_fails_leaves_nothing(backend: Backend) -> None:
    def work(tx: AgentTx) -> None:
        tx.put_tool(a_tool())
        tx.add_tool_revision(a_tool_revision())
        tx.put_uses(str(EXPORT), [str(BANK)])
        raise LookupError

    def look(tx: AgentTx) -> list[bool]:
        return [tx.tool(EXPORT.tool) is None, tx.newest_tool_revision(EXPORT.tool) is None, not tx.users_of(BANK)]

    async with opened_registry(backend) as registry:
        with pytest.raises(LookupError):
            await write(registry, work, type(None))
        assert await write(registry, look, list[bool]) == [True, True, True]
