"""A thousand policies pushed while questions are asked: none fails, none waits long, each is decided by one bundle."""

import asyncio
import time
from pathlib import Path

from ringfence.pdp.v1 import bundle_pb2, decision_pb2
from support.pdp.served import POLICY, ServedPdp, served_pdp

POLICIES = 1_000
ASKING = 4

STALL_SECONDS = 0.1
"""How long the loop may work on one thing: its own CPU, so that whatever else the machine does has no part in it."""


def thousand() -> list[bundle_pb2.PolicyFile]:
    """Return the policy of the analyst among as many for others, each with a condition of its own."""
    files = [bundle_pb2.PolicyFile(path="house.yaml", content=POLICY)]
    for place in range(1, POLICIES):
        text = (
            f"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {{name: p{place}}}\n"
            f"spec:\n  governs: {{agents: ['ns/other/agents/agent-{place}']}}\n  rules:\n"
            f"    - {{name: read, match: {{actions: ['read_*']}}, effect: ALLOW, when: 'agent.trust >= {place}'}}\n"
        )
        files.append(bundle_pb2.PolicyFile(path=f"p{place}.yaml", content=text.encode()))
    return files


class Load:
    """Questions asked one after another, by several at once, and what the loop was held up by meanwhile."""

    def __init__(self, pdp: ServedPdp) -> None:
        self.answers: list[decision_pb2.CheckResponse] = []
        self.longest = 0.0
        self._pdp = pdp
        self._over = False

    async def ask(self) -> None:
        while not self._over:
            self.answers.append(await self._pdp.check())

    async def look(self) -> None:
        before = time.thread_time()
        while not self._over:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest, before = max(self.longest, now - before), now

    def end(self) -> None:
        self._over = True


async def test_a_thousand_policies_take_over_under_load(tmp_path: Path) -> None:
    async with served_pdp(tmp_path) as pdp:
        old = (await pdp.push()).bundle.digest
        load = Load(pdp)
        async with asyncio.TaskGroup() as asking:
            for _ in range(ASKING):
                asking.create_task(load.ask())
            asking.create_task(load.look())
            pushed = await pdp.bundles().PushBundle(bundle_pb2.PushBundleRequest(files=thousand()))
            by_then = len(load.answers)
            await pdp.check()
            load.end()
        new = pushed.bundle.digest
        digests = [answer.bundle_digest for answer in load.answers]
        assert pushed.bundle.policy_count == POLICIES
        assert by_then > ASKING  # they were answered while it was compiled
        assert all(answer.effect == decision_pb2.EFFECT_ALLOW for answer in load.answers)
        assert set(digests) <= {old, new}
        assert load.longest < STALL_SECONDS
        assert (await pdp.check()).bundle_digest == new
