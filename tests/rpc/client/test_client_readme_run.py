"""The README's snippets about keys and peers do what they say: run, as they stand, against a running service."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ringfence.agent_key import AgentKey
from ringfence.channel import ChannelOptions
from ringfence.client import AioRingfence
from ringfence.enrolment import answer, enrolled
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.peers import AioPeerVerifier, PeerNotVerifiedError, PeerRefusal, PeerRefusedError, VerifiedPeer
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, Instant, ManualClock, Millis, SystemClock
from support.identity.births import COMPLETE
from support.identity.mesh import IdentityMesh, identity_mesh
from support.serving import OPERATOR

README = (Path(__file__).parents[3] / "clients" / "python" / "README.md").read_text(encoding="utf-8")
CONTENT = birth_content_to_proto(COMPLETE)


def snippet(name: str) -> Any:
    """Return the function of this name, from the one snippet that defines it."""
    (text,) = (one for one in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if f"def {name}(" in one)
    names: dict[str, Any] = {}
    exec(compile(text, "README.md", "exec"), names)
    return names[name]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    """Identity on the time of the machine, which is what an agent's own clock says as well."""
    async with identity_mesh(tmp_path / "identity", clock=ManualClock(Instant(SystemClock().now()))) as running:
        await running.with_sponsors()
        yield running


def address(running: IdentityMesh) -> str:
    return running.mesh.address("identity.listen")


async def enrol(running: IdentityMesh, name: str) -> AgentKey:
    begin = pb.BeginRegistrationRequest(
        parent="namespaces/billing", agent_id=name, environment="prod", sponsor=COMPLETE.sponsor
    )
    options = ChannelOptions(token=running.mesh.token(OPERATOR))
    async with AioRingfence(identity=address(running), options=options) as mesh:
        key = AgentKey.generate()
        begun = await mesh.identity.BeginRegistration(begin)
        return enrolled(key, await mesh.identity.CompleteRegistration(answer(begun, key, CONTENT)))


@asynccontextmanager
async def as_agent(running: IdentityMesh, key: AgentKey) -> AsyncIterator[AioRingfence]:
    caller = Caller(principal=key.did, roles=frozenset({Role.AGENT}), environment=key.environment)
    options = ChannelOptions(token=running.mesh.token(caller))
    async with AioRingfence(identity=address(running), options=options) as mesh:
        yield mesh


@asynccontextmanager
async def prepared(running: IdentityMesh, key: AgentKey) -> AsyncIterator[AioPeerVerifier]:
    """What the README prepares, for as long as the block lasts."""
    ready: asyncio.Future[AioPeerVerifier] = asyncio.get_running_loop().create_future()

    async def living(mesh: AioRingfence) -> None:
        async with asyncio.TaskGroup() as tasks:
            ready.set_result(await snippet("prepared")(mesh, key, tasks))

    async with as_agent(running, key) as mesh:
        life = asyncio.create_task(living(mesh))
        try:
            yield await ready
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)


class Wire:
    """Carries bytes between two coroutines: what one sends is what the other gets."""

    def __init__(self) -> None:
        self.to_peer: asyncio.Queue[bytes] = asyncio.Queue()
        self.to_verifier: asyncio.Queue[bytes] = asyncio.Queue()
        self._answers = 1

    async def send(self, message: bytes) -> bytes:
        """As the verifier: the first message is answered, the second is the last."""
        self.to_peer.put_nowait(message)
        if not self._answers:
            return b""
        self._answers -= 1
        return await self.to_verifier.get()

    async def reply(self, message: bytes) -> bytes:
        """As the peer."""
        self.to_verifier.put_nowait(message)
        return await self.to_peer.get()


async def meeting(buying: AioPeerVerifier, seller: AgentKey, selling: AioPeerVerifier) -> tuple[str, str]:
    """Let the two meet as the README has it, and return who each found the other to be."""
    wire = Wire()

    async def other_side() -> VerifiedPeer:
        met: VerifiedPeer = await snippet("be_met")(selling, await wire.to_peer.get(), wire.reply)
        return met

    seen, seen_back = await asyncio.gather(snippet("meet")(buying, seller.did, wire.send), other_side())
    return seen.did, seen_back.did


async def test_a_new_key(running: IdentityMesh, tmp_path: Path) -> None:
    old = await enrol(running, "buyer")
    old.save(tmp_path / "agent.key")
    running.clock.advance(Millis(2 * SECOND))
    new = await snippet("new_key")(tmp_path / "agent.key", address(running), ChannelOptions())
    assert new.public_key != old.public_key
    assert AgentKey.load(tmp_path / "agent.key") == new


async def test_two_agents_meet(running: IdentityMesh) -> None:
    buyer, seller = await enrol(running, "buyer"), await enrol(running, "seller")
    async with prepared(running, buyer) as buying, prepared(running, seller) as selling:
        assert await meeting(buying, seller, selling) == (seller.did, buyer.did)


async def test_a_revocation_is_heard_and_ends_it(running: IdentityMesh) -> None:
    """Stale cache: the verdict was good for 300 s, and is gone as soon as the stream says so."""
    buyer, seller = await enrol(running, "buyer"), await enrol(running, "seller")
    async with prepared(running, buyer) as buying, prepared(running, seller) as selling:
        await meeting(buying, seller, selling)
        await running.identity().Revoke(pb.RevokeRequest(did=seller.did, reason="compromised"))
        async with asyncio.timeout(10):
            while True:
                try:
                    buying.require(seller.did)
                except PeerNotVerifiedError:
                    break
                await asyncio.sleep(0)
        with pytest.raises(PeerRefusedError) as refused:
            await meeting_one_side(buying, seller, selling)
        assert PeerRefusal.NOT_ACTIVE in refused.value.refusals


async def meeting_one_side(buying: AioPeerVerifier, seller: AgentKey, selling: AioPeerVerifier) -> None:
    async def send(message: bytes) -> bytes:
        return (await selling.answer(message, audiences={"https://orders.example.com/a2a"})).message

    await snippet("meet")(buying, seller.did, send)
