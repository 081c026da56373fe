"""A registry that is killed starts from its checkpoint, and knows what it had acknowledged since."""

import asyncio
from pathlib import Path

import sqlalchemy as sa
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence_kit import records
from ringfence_kit.sql import Database
from ringfence_registry.checkpoint.keeping import WORTH_IT
from ringfence_registry.store_sql import MIGRATIONS
from ringfence_registry.tables import agents
from support.registry.agents import an_agent
from support.registry.process import RegistryProcess, running_registry
from support.registry.served import registration


async def filled(data: Path) -> None:
    """Make a database with as many agents as a checkpoint is worth."""
    database = Database(f"sqlite:///{data / 'registry.db'}", service="registry", migrations=MIGRATIONS)
    rows = [
        {"name": str(agent.name), "card_sha256": agent.card.sha256, "record": records.encode(agent), "look_alike": ""}
        for agent in (an_agent(f"a{number:04}") for number in range(WORTH_IT))
    ]
    async with database:
        with database.engines.writer.begin() as connection:
            connection.execute(sa.insert(agents), rows)


async def named(registry: RegistryProcess, text: str) -> list[str]:
    """Return the names of the agents that match."""
    request = pb.ListAgentsRequest(parent="namespaces/-", filter=text, page_size=5)
    async with registry.channel() as channel:
        found = await RegistryServiceStub(channel).ListAgents(request, metadata=registry.credentials)
        return [agent.name for agent in found.agents]


async def test_what_was_acknowledged_after_the_checkpoint_is_there_after_a_kill(tmp_path: Path) -> None:
    await filled(tmp_path)
    checkpoint = tmp_path / "registry.checkpoint"
    async with running_registry(tmp_path) as registry:
        async with asyncio.timeout(30):
            while not checkpoint.exists():  # noqa: ASYNC110 - another process writes it: there is no event to wait for
                await asyncio.sleep(0.01)
        async with registry.channel() as channel:
            await RegistryServiceStub(channel).RegisterAgent(registration("later"), metadata=registry.credentials)
        await registry.kill()
    written = checkpoint.read_bytes()
    (tmp_path / "registry.checkpoint.new").write_bytes(written[: len(written) // 2])  # as if killed while writing
    async with running_registry(tmp_path) as registry:
        assert await named(registry, 'name = "*/later"') == ["namespaces/finance/agents/later"]
        assert await named(registry, 'name = "*/a0999"') == ["namespaces/finance/agents/a0999"]
