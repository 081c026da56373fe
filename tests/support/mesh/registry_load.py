"""Registers, updates and retires agents, and compares what the registry then says, and said to watchers."""

from pathlib import Path

import grpc.aio
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub

from support.mesh.load import PATIENCE_S, Pulse, new_request_id, until_acknowledged
from support.mesh.witness import Witness, resuming

EVERYWHERE = "namespaces/-"
NAMESPACE = "namespaces/load"
EXAMPLE_CARD = Path(__file__).parents[3] / "services/registry/examples/analyst.json"

Seen = tuple[str, str]
"""Name and etag: one version of one agent."""


class RegistryLoad:
    """What the registry promised."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.pulse = Pulse()
        self._stub = RegistryServiceStub(channel)
        self._card = EXAMPLE_CARD.read_bytes()
        self._promised: list[Seen] = []
        self._newest: dict[str, pb.Agent] = {}
        self._stories = 0
        self.witnesses = [
            Witness(
                resuming(self._stub.WatchAgents, pb.WatchAgentsRequest(parent=EVERYWHERE, start_revision=1)),
                lambda answer: (answer.agent.name, answer.agent.etag),
            )
            for _ in range(2)
        ]

    async def write_one(self, writer: int) -> None:
        """Register an agent and update it on the etag of the version before; every third one is retired."""
        self._stories += 1
        story = self._stories
        agent = self._promise(
            await until_acknowledged(self.pulse, self._stub.RegisterAgent, self._registration(f"w{writer}-{story}"))
        )
        for team in ("first", "second"):
            update = pb.UpdateAgentRequest(
                agent=pb.Agent(name=agent.name, team=team), etag=agent.etag, request_id=new_request_id()
            )
            agent = self._promise(await until_acknowledged(self.pulse, self._stub.UpdateAgent, update))
        if story % 3 == 0:
            retiring = pb.RetireAgentRequest(name=agent.name, etag=agent.etag, request_id=new_request_id())
            self._promise(await until_acknowledged(self.pulse, self._stub.RetireAgent, retiring))

    async def check(self) -> None:
        """Hold the list, the cards and the watchers' events against what was acknowledged."""
        listed, revision = await self._listed()
        assert {name: _promised(agent) for name, agent in listed.items()} == {
            name: _promised(agent) for name, agent in self._newest.items()
        }
        # One change, one revision: nothing happened twice, nothing happened that nobody was told of.
        assert revision == len(self._promised)
        name = next(iter(listed))
        assert (await self._stub.GetCard(pb.GetCardRequest(name=name))).card == self._card
        for witness in self.witnesses:
            await witness.reached(revision)
            assert witness.revisions == list(range(1, revision + 1))
            assert sorted(witness.saw) == sorted(self._promised)

    async def _listed(self) -> tuple[dict[str, pb.Agent], int]:
        found: dict[str, pb.Agent] = {}
        request = pb.ListAgentsRequest(
            parent=EVERYWHERE, page_size=1_000, show_retired=True, detail=pb.AGENT_DETAIL_FULL
        )
        while True:
            page = await self._stub.ListAgents(request, timeout=PATIENCE_S, wait_for_ready=True)
            found |= {agent.name: agent for agent in page.agents}
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found, page.revision

    def _promise(self, answer: pb.RegisterAgentResponse | pb.UpdateAgentResponse | pb.RetireAgentResponse) -> pb.Agent:
        self._promised.append((answer.agent.name, answer.agent.etag))
        self._newest[answer.agent.name] = answer.agent
        return answer.agent

    def _registration(self, agent_id: str) -> pb.RegisterAgentRequest:
        return pb.RegisterAgentRequest(
            parent=NAMESPACE,
            agent_id=agent_id,
            agent=pb.Agent(
                purpose="Keeps the registry busy.",
                owner=pb.Owner(display_name="Load", contact="https://example.com/load"),
                risk_tier=pb.RISK_TIER_LOW,
                environments=["dev"],
            ),
            card=self._card,
            request_id=new_request_id(),
        )


def _promised(agent: pb.Agent) -> pb.Agent:
    """Return what the registry keeps of an agent: its trust is identity's, and of the moment."""
    kept = pb.Agent.FromString(agent.SerializeToString())
    kept.ClearField("trust")
    return kept
