"""Tools and external systems, the same over every store: ids, revisions, trust that ends, races and replicas."""

import asyncio

import pytest
from ringfence_kit.clock import DAY, HOUR, SECOND, Instant, ManualClock, Millis
from ringfence_kit.errors import EtagMismatch, RequestIdReused
from ringfence_registry.errors import EtagRequired, ToolAlreadyExists, ToolNotFound
from ringfence_registry.external_systems.ending import MOST_AT_ONCE
from ringfence_registry.external_systems.model import TrustVerdict
from ringfence_registry.namespaces.model import NamespaceDefaults
from ringfence_registry.namespaces.patch import NamespacePatch
from ringfence_registry.namespaces.updating import NamespaceUpdating
from ringfence_registry.resources.names import ExternalSystemName, ToolName
from ringfence_registry.tools.amendment import UpdatedTool
from ringfence_registry.tools.model import Reach, Tool
from support.backends import Backend
from support.registry.opened_tools import ADMIN, OpenTools, opened_tools
from support.registry.tools import BANK, EXPORT, OTHER_SCHEMA, SCHEMA

ELSEWHERE = ToolName("ops", EXPORT.tool)
REQUEST_ID = "6d7c2b1e-8f5a-4d0c-9b3e-2a1f0c9d8e7f"


async def trusted(registry: OpenTools, *, until: Instant | None = None) -> Tool:
    """Return a tool that reaches a trusted system."""
    await registry.enter()
    await registry.decide(until=until)
    return await registry.register(external_systems=(str(BANK),))


async def test_a_tool_is_read_back_now_and_after_a_restart(backend: Backend) -> None:
    async with opened_tools(backend) as registry:
        made = await trusted(registry)
        assert registry.tool() == made
        assert (made.schema_number, made.reach.trusted) == (1, True)
    async with opened_tools(backend) as registry:
        assert registry.tool() == made
        assert registry.snapshots.tools.name_of(EXPORT.tool) == EXPORT
        assert registry.hub.newest == 3


async def test_an_id_is_given_once_even_when_many_ask_at_once(backend: Backend) -> None:
    async with opened_tools(backend) as registry:
        names = [EXPORT, ELSEWHERE] * 10
        asked = await asyncio.gather(*(registry.register(name) for name in names), return_exceptions=True)
        assert len([each for each in asked if isinstance(each, Tool)]) == 1
        assert len([each for each in asked if isinstance(each, ToolAlreadyExists)]) == 19
        assert registry.hub.newest == 1


async def test_an_id_stays_with_its_namespace_and_its_revisions_count_on(backend: Backend) -> None:
    async with opened_tools(backend) as registry:
        first = await registry.register()
        await registry.update(input_schema=OTHER_SCHEMA)
        await registry.delete()
        with pytest.raises(ToolNotFound):
            await registry.delete()
    async with opened_tools(backend) as registry:
        with pytest.raises(ToolAlreadyExists):
            await registry.register(ELSEWHERE)
        again = await registry.register()
        assert (again.schema_number, again.uid != first.uid) == (3, True)
        assert again.spec.schema.hash == first.spec.schema.hash


async def test_a_repeated_request_gets_the_first_answer(backend: Backend) -> None:
    async with opened_tools(backend) as registry:
        first = await registry.register(request_id=REQUEST_ID)
        await registry.update(version="later")
    async with opened_tools(backend) as registry:
        assert await registry.register(request_id=REQUEST_ID) == first
        assert registry.hub.newest == 2
        with pytest.raises(RequestIdReused):
            await registry.services.amendment.delete_tool(
                EXPORT, etag="", caller=ADMIN, mutation=registry.asked(request_id=REQUEST_ID, content=b"other")
            )


async def test_a_change_that_changes_nothing_is_no_event(backend: Backend) -> None:
    async with opened_tools(backend) as registry:
        made = await registry.register(version="1")
        same = await registry.update(version="1", input_schema=SCHEMA)
        assert same == UpdatedTool(tool=made)
        assert registry.hub.newest == 1


async def test_of_many_changes_based_on_one_state_one_wins(backend: Backend) -> None:
    async with opened_tools(backend) as registry:
        made = await registry.register()
        asked = await asyncio.gather(
            *(registry.update(version=str(number), etag=made.etag) for number in range(20)), return_exceptions=True
        )
        assert len([each for each in asked if isinstance(each, UpdatedTool)]) == 1
        assert len([each for each in asked if isinstance(each, EtagMismatch)]) == 19


async def test_a_namespace_may_ask_for_the_etag(backend: Backend) -> None:
    async with opened_tools(backend) as registry:
        made = await registry.register()
        await registry.enter()
        updating = NamespaceUpdating(registry.writer, defaults=NamespaceDefaults())
        patch = NamespacePatch(policy={"etag_required": True})
        await updating.update_namespace("finance", patch, etag="", caller=ADMIN, mutation=registry.asked())
        with pytest.raises(EtagRequired):
            await registry.update(version="2")
        with pytest.raises(EtagRequired):
            await registry.delete()
        with pytest.raises(EtagRequired):
            await registry.services.entry.delete_system(BANK, etag="", caller=ADMIN, mutation=registry.asked())
        assert (await registry.update(version="2", etag=made.etag)).tool.spec.version == "2"


# Trust that ends


async def test_a_decision_that_is_over_is_ended_once_and_its_tools_told(backend: Backend) -> None:
    clock = ManualClock()
    async with opened_tools(backend, clock=clock) as registry:
        await trusted(registry, until=Instant(clock.now() + HOUR))
        before = registry.hub.newest
        assert await registry.services.ending.end_due(clock.now()) == 0
        clock.advance(HOUR)
        assert await registry.services.ending.end_due(clock.now()) == 1
        assert await registry.services.ending.end_due(clock.now()) == 0
        assert registry.hub.newest == before + 2
        tool, system = registry.tool(), registry.snapshots.systems.get(BANK)
        assert tool is not None
        assert tool.reach == Reach(trusted=False)
        assert system is not None
        assert system.decision is not None
        assert system.decision.ended_at == clock.now()
        clock.set(Instant(clock.now() - DAY))
    async with opened_tools(backend, clock=clock) as registry:
        assert registry.tool() == tool
        assert await registry.services.ending.end_due(clock.now()) == 0


async def test_a_decision_made_anew_meanwhile_is_left_alone(backend: Backend) -> None:
    clock = ManualClock()
    async with opened_tools(backend, clock=clock) as registry:
        await trusted(registry, until=Instant(clock.now() + HOUR))
        clock.advance(HOUR)
        now = clock.now()
        ended, _ = await asyncio.gather(registry.services.ending.end_due(now), registry.decide())
        tool = registry.tool()
        assert tool is not None
        assert ended in (0, 1)
        assert tool.reach.trusted_at(Instant(now + SECOND))


@pytest.mark.parametrize("backend", ["memory", "sqlite"], indirect=True)
async def test_many_decisions_that_end_together_are_ended_in_turns(backend: Backend) -> None:
    clock = ManualClock()
    async with opened_tools(backend, clock=clock) as registry:
        names = [ExternalSystemName("finance", f"bank-{number}") for number in range(MOST_AT_ONCE + 20)]
        for name in names:
            await registry.enter(name)
            await registry.decide(name, until=Instant(clock.now() + HOUR))
        clock.advance(HOUR)
        now = clock.now()
        assert await registry.services.ending.end_due(now) == MOST_AT_ONCE
        assert await registry.services.ending.end_due(now) == 20
        assert await registry.services.ending.end_due(now) == 0


async def test_a_tool_agrees_with_what_it_reaches_after_any_race(backend: Backend) -> None:
    async with opened_tools(backend) as registry:
        await trusted(registry)
        verdicts = [TrustVerdict.REFUSED, TrustVerdict.TRUSTED] * 5
        await asyncio.gather(
            *(registry.decide(verdict=verdict) for verdict in verdicts),
            *(registry.update(version=str(number)) for number in range(5)),
        )
        tool, system = registry.tool(), registry.snapshots.systems.get(BANK)
        assert tool is not None
        assert system is not None
        assert system.decision is not None
        assert tool.reach.trusted == (system.decision.verdict is TrustVerdict.TRUSTED)


# Replicas


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
async def test_two_replicas_give_an_id_once_and_end_a_decision_once(backend: Backend) -> None:
    clock = ManualClock()
    async with opened_tools(backend, clock=clock) as one, opened_tools(backend, clock=clock) as two:
        asked = await asyncio.gather(
            *(registry.register(name) for _ in range(5) for registry, name in ((one, EXPORT), (two, ELSEWHERE))),
            return_exceptions=True,
        )
        assert len([each for each in asked if isinstance(each, Tool)]) == 1
        await one.enter()
        await one.decide(until=Instant(clock.now() + HOUR))
        await two.hub.catch_up()
        clock.advance(Millis(HOUR))
        ended = await asyncio.gather(*(registry.services.ending.end_due(clock.now()) for registry in (one, two)))
        assert sorted(ended) == [0, 1]
