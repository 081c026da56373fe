"""Engages and releases kill switches, pushes bundles and asks for decisions; then compares."""

from collections import Counter
from pathlib import Path

import grpc.aio
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1 import decision_pb2
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub, KillSwitchServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence_pdp.bundle import BUNDLE
from ringfence_pdp.bundles import BUNDLES_KEPT
from ringfence_pdp.kill_switch import KILL_SWITCH
from ringfence_pdp.rollout.rollout import ROLLOUT

from support.mesh.event_rows import stored_events
from support.mesh.load import PATIENCE_S, Pulse, new_request_id, until_acknowledged

PUSHING_WRITER = 0
"""Only one pushes: of two at once nobody could say whose bundle is the last."""

POLICY = """\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: load-{story}}}
spec:
  governs: {{agents: ["namespaces/strangers/agents/*"]}}
  rules:
    - {{name: read, match: {{actions: ["read_*"]}}, effect: ALLOW}}
"""


class PdpLoad:
    """What the pdp promised."""

    def __init__(self, channel: grpc.aio.Channel, database: Path) -> None:
        self.pulse = Pulse()
        self._database = database
        self._bundles = BundleServiceStub(channel)
        self._switches = KillSwitchServiceStub(channel)
        self._decisions = DecisionServiceStub(channel)
        self._engaged: dict[str, pb.KillSwitch] = {}
        self._pushed: list[tuple[pb.Bundle, bytes]] = []
        self._switched = 0
        self._stories = 0
        self.decided: set[str] = set()
        """Ids of the decisions that were answered."""

    async def write_one(self, writer: int) -> None:
        """Stop an agent, ask about it, let every second one go; the first writer also pushes a bundle."""
        self._stories += 1
        story = self._stories
        # Of a namespace of its own: an agent that other loads register and enrol meanwhile would be allowed to read.
        agent = f"namespaces/strangers/agents/w{writer}-{story}"
        await self._engage(agent, release=story % 2 == 0)
        await self.ask(agent)
        if writer == PUSHING_WRITER:
            await self._push(POLICY.format(story=story).encode())

    async def check(self) -> None:
        """Hold switches, bundle and stored events against what was acknowledged."""
        assert await self._listed() == self._engaged
        active = await self._bundles.GetBundle(pb.GetBundleRequest(), timeout=PATIENCE_S, wait_for_ready=True)
        bundle, content = self._pushed[-1]
        assert (active.bundle, [file.content for file in active.files]) == (bundle, [content])
        events = stored_events(self._database)
        assert [event.revision for event in events] == list(range(1, len(events) + 1))
        # One change, one event: none lost, none made twice. A push is two, and one that is too many has one forgotten.
        pushes = len(self._pushed)
        forgotten = max(0, pushes - BUNDLES_KEPT)
        expected = {KILL_SWITCH: self._switched, ROLLOUT: pushes, BUNDLE: pushes + forgotten}
        assert Counter(event.kind for event in events) == expected

    async def _engage(self, agent: str, *, release: bool) -> None:
        engaging = pb.EngageKillSwitchRequest(
            target=pb.KillTarget(agent=agent), reason="load", request_id=new_request_id()
        )
        engaged = await until_acknowledged(self.pulse, self._switches.EngageKillSwitch, engaging)
        switch = engaged.kill_switch
        self._switched += 1
        self._engaged[switch.name] = switch
        if release:
            releasing = pb.ReleaseKillSwitchRequest(name=switch.name, reason="over", request_id=new_request_id())
            await until_acknowledged(self.pulse, self._switches.ReleaseKillSwitch, releasing)
            self._switched += 1
            del self._engaged[switch.name]

    async def ask(self, agent: str) -> str:
        """Ask about an agent nobody knows, which is evidence against nobody; return the decision's id."""
        question = decision_pb2.CheckRequest(
            subject=decision_pb2.Subject(agent=agent),
            action=decision_pb2.Action(name="read_table"),
            environment="dev",
        )
        answer = await until_acknowledged(self.pulse, self._decisions.Check, question)
        assert answer.effect == decision_pb2.EFFECT_DENY, answer
        self.decided.add(answer.decision_id)
        return answer.decision_id

    async def _push(self, content: bytes) -> None:
        request = pb.PushBundleRequest(
            files=[pb.PolicyFile(path="load.yaml", content=content)], request_id=new_request_id()
        )
        pushed = await until_acknowledged(self.pulse, self._bundles.PushBundle, request)
        self._pushed.append((pushed.bundle, content))

    async def _listed(self) -> dict[str, pb.KillSwitch]:
        found: dict[str, pb.KillSwitch] = {}
        request = pb.ListKillSwitchesRequest(page_size=1_000)
        while True:
            page = await self._switches.ListKillSwitches(request, timeout=PATIENCE_S, wait_for_ready=True)
            found |= {switch.name: switch for switch in page.kill_switches}
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found
