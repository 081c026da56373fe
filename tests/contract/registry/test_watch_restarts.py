"""A hundred cuts of reader and registry while agents change: the reader has every change, once, in order."""

import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from ringfence_kit.events import Event, Revision
from ringfence_registry.agents.amendment import AgentPatch
from ringfence_registry.finding.watching import AgentWatch, WatchedItem
from support.backends import Backend
from support.registry.agents import an_agent
from support.registry.opened import ADMIN, Registry, opened_registry

CUTS = 100


def watch(registry: Registry, start: int) -> AsyncGenerator[WatchedItem, None]:
    wanted = AgentWatch(namespace=None, start_revision=Revision(start), send_initial_state=False)
    return registry.watching.watch_agents(wanted, caller=ADMIN)


async def change(registry: Registry, dice: random.Random, made: list[tuple[int, str]]) -> None:
    """Register an agent, or change one that is there."""
    known = sorted({name for _, name in made})
    if not known or dice.random() < 0.3:
        agent = await registry.register(f"agent-{len(known)}")
    else:
        name = dice.choice(known)
        patch = AgentPatch(team=f"team-{len(made)}")
        agent = await registry.lives.amendment.update_agent(
            an_agent(name).name, patch, etag="", caller=ADMIN, mutation=registry.asked()
        )
    made.append((agent.revision, agent.name.agent))


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_a_hundred_restarts_lose_nothing_and_repeat_nothing(backend: Backend) -> None:
    dice, made, told = random.Random(100), list[tuple[int, str]](), list[tuple[int, str]]()
    cuts = 0
    while cuts < CUTS:
        async with opened_registry(backend) as registry:  # the registry is started anew
            for _ in range(5):  # and between two starts the reader is cut this often
                for _ in range(dice.randint(1, 4)):
                    await change(registry, dice, made)
                last = told[-1][0] if told else 0
                wanted = dice.randint(1, len(made) - len(told))
                async with aclosing(watch(registry, last + 1)) as items:
                    async for item in items:
                        if isinstance(item, Event):
                            told.append((item.revision, item.name.rpartition("/")[2]))
                            wanted -= 1
                        if not wanted:
                            break
                cuts += 1
    async with opened_registry(backend) as registry, aclosing(watch(registry, told[-1][0] + 1)) as items:
        while len(told) < len(made):
            item = await anext(items)
            assert isinstance(item, Event)
            told.append((item.revision, item.name.rpartition("/")[2]))
    assert told == made
