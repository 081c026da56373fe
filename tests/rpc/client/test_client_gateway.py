"""A gateway asking a running pdp over one stream: answers used again, kills heard of, and a connection that breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest
from ringfence.errors import PermissionDeniedError, RingfenceError
from ringfence.gateway import AioGateway
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence_kit.callers import Caller, Role
from support.pdp.served import ANALYST, ServedPdp, question, served_pdp, stop
from support.pdp.sidecars import Wire
from support.serving import _sending

GATEWAY = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))


@pytest.fixture
async def pdp(tmp_path: Path) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path) as served:
        await served.push()
        yield served


@asynccontextmanager
async def asking(pdp: ServedPdp, wire: Wire) -> AsyncIterator[AioGateway]:
    interceptors = _sending(pdp.mesh.metadata(GATEWAY))
    async with (
        wire.to(pdp.mesh.address("pdp.listen")),
        grpc.aio.insecure_channel(wire.address, interceptors=interceptors) as channel,
        AioGateway(DecisionServiceStub(channel), timeout=10) as gateway,
    ):
        yield gateway


async def answered(gateway: AioGateway, request: pb.CheckRequest) -> pb.CheckResponse | None:
    try:
        return await gateway.check(request)
    except RingfenceError:
        return None


async def test_it_answers_as_the_pdp_does(pdp: ServedPdp) -> None:
    async with asking(pdp, Wire()) as gateway:
        asked = [question(action=one) for one in ("read_a", "write_b", "drop_c")]
        answers = await asyncio.gather(*map(gateway.check, asked))
        assert [answer.effect for answer in answers] == [pb.EFFECT_ALLOW, pb.EFFECT_ALLOW, pb.EFFECT_DENY]
        with pytest.raises(PermissionDeniedError):
            await gateway.check(question(name="namespaces/data/agents/other"))


async def test_an_answer_is_used_again_until_something_changes(pdp: ServedPdp) -> None:
    async with asking(pdp, Wire()) as gateway:
        first = await gateway.check(question())
        assert first.HasField("cache")
        assert await gateway.check(question()) is first
        await pdp.switches().EngageKillSwitch(stop(agent=ANALYST))
        after = first
        while after is first:
            await pdp.check()
            after = await gateway.check(question())
        assert after.reason == pb.DECISION_REASON_KILLED


async def test_a_connection_that_breaks_is_opened_again_and_nothing_old_is_used(pdp: ServedPdp) -> None:
    wire = Wire()
    async with asking(pdp, wire) as gateway:
        first = await gateway.check(question())
        wire.cut()
        while await answered(gateway, question(action="read_another")) is not None:
            pass
        wire.mend()
        again = None
        while again is None:
            again = await answered(gateway, question())
        assert again.effect == pb.EFFECT_ALLOW
        assert again.decision_id != first.decision_id


async def test_tools_come_page_by_page(pdp: ServedPdp) -> None:
    async with asking(pdp, Wire()) as gateway:
        request = pb.ListAllowedToolsRequest(
            subject=pb.Subject(agent=ANALYST), environment="dev", action="read_table", page_size=1
        )
        assert [tool.tool async for tool in gateway.allowed_tools(request)] == ["warehouse.query"]
