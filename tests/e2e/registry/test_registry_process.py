"""The registry as a process: killed under load it keeps its promises, and it starts or refuses in words."""

import asyncio
import subprocess
import uuid
from pathlib import Path

import grpc.aio
import pytest
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from support.registry.process import ANY_PORT, COMMAND, RegistryProcess, running_registry
from support.registry.served import registration

KILLS = 3
CALLERS = 8
ANSWERS_PER_LIFE = 60
CUT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
"""How a call ends whose server was killed."""


class Load:
    """Callers that register agents, one after another, and repeat what was not answered with the same request_id."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, pb.Agent] = {}
        self.seen: list[pb.WatchAgentsResponse] = []
        self._unanswered: list[pb.RegisterAgentRequest] = []
        self._next = 0

    async def run(self, registry: RegistryProcess) -> None:
        """Put the process under load until it was killed."""
        answers_wanted = len(self.acknowledged) + ANSWERS_PER_LIFE
        async with registry.channel() as channel, asyncio.TaskGroup() as tasks:
            callers = [tasks.create_task(self._call(registry, channel)) for _ in range(CALLERS)]
            tasks.create_task(self._watch(registry, channel))
            while len(self.acknowledged) < answers_wanted and not all(caller.done() for caller in callers):
                await asyncio.wait(callers, timeout=0.005)
            await registry.kill()

    async def _call(self, registry: RegistryProcess, channel: grpc.aio.Channel) -> None:
        while True:
            request = self._unanswered.pop() if self._unanswered else self._new()
            try:
                answer = await RegistryServiceStub(channel).RegisterAgent(request, metadata=registry.credentials)
            except grpc.aio.AioRpcError as error:
                if error.code() not in CUT:
                    raise
                self._unanswered.append(request)
                return
            self.acknowledged[answer.agent.name] = answer.agent

    async def _watch(self, registry: RegistryProcess, channel: grpc.aio.Channel) -> None:
        start = self.seen[-1].revision + 1 if self.seen else 1
        request = pb.WatchAgentsRequest(parent="namespaces/-", start_revision=start)
        try:
            async for event in RegistryServiceStub(channel).WatchAgents(request, metadata=registry.credentials):
                if event.type != pb.WATCH_EVENT_TYPE_BOOKMARK:
                    self.seen.append(event)
        except grpc.aio.AioRpcError as error:
            if error.code() not in CUT:
                raise

    def _new(self) -> pb.RegisterAgentRequest:
        self._next += 1
        return registration(f"agent-{self._next}", request_id=str(uuid.uuid4()))


@pytest.mark.timeout(120)
async def test_killed_under_load_it_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    load = Load()
    for _ in range(KILLS):
        async with running_registry(tmp_path) as registry:
            await load.run(registry)
    async with running_registry(tmp_path) as last, last.channel() as channel:
        stub = RegistryServiceStub(channel)
        listed: dict[str, pb.Agent] = {}
        token, newest = "", 0
        while True:
            request = pb.ListAgentsRequest(
                parent="namespaces/-", page_size=1_000, page_token=token, detail=pb.AGENT_DETAIL_FULL
            )
            page = await stub.ListAgents(request, metadata=last.credentials)
            listed |= {agent.name: agent for agent in page.agents}
            token, newest = page.next_page_token, page.revision
            if not token:
                break
    assert len(load.acknowledged) >= KILLS * ANSWERS_PER_LIFE
    assert {name: listed[name] for name in load.acknowledged} == load.acknowledged
    assert len(listed) == newest
    seen = [event.revision for event in load.seen]
    assert seen == list(range(1, len(seen) + 1))
    assert {event.agent.name for event in load.seen} <= listed.keys()


async def test_a_second_process_on_the_same_data_refuses_in_a_sentence(tmp_path: Path) -> None:
    async with running_registry(tmp_path):
        second = await asyncio.create_subprocess_exec(
            *COMMAND, "--data", str(tmp_path), *ANY_PORT, stderr=subprocess.PIPE
        )
        _, said = await second.communicate()
    assert second.returncode == 3
    assert b"registry.db is in use by process" in said
    assert b"Traceback" not in said


async def test_it_ends_orderly_when_told_to(tmp_path: Path) -> None:
    async with running_registry(tmp_path) as registry:
        registry.process.terminate()
        assert await registry.process.wait() == 0


async def test_a_setting_there_is_not_is_named(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--data", str(tmp_path), "--set", "registry.publish_card=true", stderr=subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"did you mean registry.publish_cards?" in said
