"""A checkpoint over every kind of store: what is read of the store is what decides, and another store's is not used."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from ringfence_kit.clock import Instant, ManualClock
from ringfence_kit.names import AgentName
from ringfence_registry.checkpoint.code import DIGEST_SIZE
from ringfence_registry.checkpoint.file import CheckpointFile
from ringfence_registry.checkpoint.keeping import CheckpointKeeping
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import Agent
from ringfence_registry.store import AgentTx, StoredAgents
from support.backends import Backend
from support.registry.agents import SPEC, an_agent
from support.registry.catalogs import known
from support.registry.opened import Registry, opened_registry

AGENTS = tuple(an_agent(name) for name in "abcdef")
NOW = Instant(1_767_225_600_000)


async def put(registry: Registry, agents: Sequence[Agent], *, leases: Sequence[AgentName] = ()) -> None:
    def work(tx: AgentTx) -> None:
        for agent in agents:
            tx.put(agent)
        for name in leases:
            tx.put_lease(name, Instant(NOW + 5))

    await registry.writer.write(work, mutation=registry.asked(), result=type(None))


async def start(registry: Registry, folder: Path, *, key: bytes = b"k" * 32) -> tuple[AgentCatalog, CheckpointFile]:
    file = CheckpointFile(folder / "checkpoint", lambda: key, code=b"c" * DIGEST_SIZE)
    catalog = AgentCatalog()
    keeping = CheckpointKeeping(file, catalog, ManualClock(), worth_it=3)

    def fill(stored: StoredAgents) -> None:
        keeping.restore(stored)
        for part in stored.parts(4):
            catalog.take(part, now=NOW)
        catalog.filled()

    await registry.store.load(fill)
    return catalog, file


async def test_rows_are_read_as_often_as_wanted_and_no_further(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        await put(registry, AGENTS)

        def look(stored: StoredAgents) -> tuple[str, list[list[str]], list[str]]:
            with closing(stored.rows()) as rows:
                first = next(rows).name
            parts = [[each.row.name for each in part] for part in stored.parts(4)]
            return first, parts, [str(agent.name) for agent in stored.agents]

        _, (first, parts, names) = await registry.store.load(look)
        assert names == [str(agent.name) for agent in AGENTS]
        assert first in names
        assert [len(part) for part in parts] == [4, 2]
        assert sorted(name for part in parts for name in part) == names


async def test_a_start_takes_of_it_what_the_store_still_has(backend: Backend, tmp_path: Path) -> None:
    async with opened_registry(backend) as registry:
        await put(registry, AGENTS)
        catalog, file = await start(registry, tmp_path)
        assert catalog.changes == len(AGENTS)
        file.write(catalog.held())
    async with opened_registry(backend) as registry:
        changed = replace(AGENTS[0], spec=replace(SPEC, team="other"))
        await put(registry, [changed, an_agent("new")], leases=[AGENTS[1].name])
        from_checkpoint, _ = await start(registry, tmp_path)
        from_nothing, _ = await start(registry, tmp_path / "nothing")
        # Memory has no column for the end of a lease: there it is a change of the record.
        assert from_checkpoint.changes == (3 if backend.kind == "memory" else 2)
        assert known(from_checkpoint, NOW) == known(from_nothing, NOW)
        assert from_checkpoint.agent(str(changed.name)) == changed
        renewed = from_checkpoint.agent(str(AGENTS[1].name))
        assert renewed == replace(AGENTS[1], lease_expires_at=Instant(NOW + 5))


async def test_a_checkpoint_of_another_store_is_not_used(backend: Backend, tmp_path: Path) -> None:
    async with opened_registry(backend) as registry:
        await put(registry, AGENTS)
        catalog, file = await start(registry, tmp_path)
        file.write(catalog.held())
        again, _ = await start(registry, tmp_path)
        other, _ = await start(registry, tmp_path, key=b"o" * 32)
        assert (again.changes, other.changes) == (0, len(AGENTS))
        assert known(other, NOW) == known(again, NOW)
