"""Two agents meet with nothing but the public client: with identity, and with identity stopped."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ringfence.agent_key import AgentKey
from ringfence.agent_statements import AgentStatements, AioAgentStatements
from ringfence.channel import ChannelOptions
from ringfence.client import AioRingfence, Ringfence
from ringfence.enrolment import answer, enrolled
from ringfence.errors import NotFoundError, PermissionDeniedError, UnavailableError
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.pace import Pace
from ringfence.peer_cache import Moment
from ringfence.peers import (
    AioPeerVerifier,
    PeerNotVerifiedError,
    PeerRefusal,
    PeerRefusedError,
    PeerVerifier,
    Requirements,
    RevocationsSilentError,
)
from ringfence.registrar import TrustedRegistrar, fetch_registrar, fetch_registrar_aio
from ringfence.retry import RetryPolicy
from ringfence_identity.convert.births import birth_content_to_proto
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, ManualClock, Millis
from support.identity.births import COMPLETE
from support.identity.mesh import IdentityMesh, identity_mesh
from support.serving import OPERATOR

CONTENT = birth_content_to_proto(COMPLETE)
PLACE = "https://orders.example.com/a2a"
ANYBODY = Requirements()
ONCE = RetryPolicy(attempts=1, timeout=5.0)


def address(running: IdentityMesh) -> str:
    return running.mesh.address("identity.listen")


async def enrol(running: IdentityMesh, name: str, environment: str = "prod") -> AgentKey:
    begin = pb.BeginRegistrationRequest(
        parent="namespaces/billing", agent_id=name, environment=environment, sponsor=COMPLETE.sponsor
    )
    options = ChannelOptions(token=running.mesh.token(OPERATOR))
    async with AioRingfence(identity=address(running), options=options) as mesh:
        key = AgentKey.generate()
        begun = await mesh.identity.BeginRegistration(begin)
        return enrolled(key, await mesh.identity.CompleteRegistration(answer(begun, key, CONTENT)))


def moments(clock: ManualClock) -> Callable[[], Moment]:
    return lambda: Moment(steady=clock.now() / SECOND, wall=clock.now() / SECOND)


def as_agent(running: IdentityMesh, key: AgentKey) -> ChannelOptions:
    caller = Caller(principal=key.did, roles=frozenset({Role.AGENT}), environment=key.environment)
    return ChannelOptions(token=running.mesh.token(caller), retry=ONCE)


@dataclass
class Side:
    """An agent with its verifier."""

    key: AgentKey
    verifier: AioPeerVerifier
    statements: AioAgentStatements
    registrar: TrustedRegistrar


@asynccontextmanager
async def a_side(running: IdentityMesh, key: AgentKey) -> AsyncIterator[Side]:
    clock = running.clock
    async with AioRingfence(identity=address(running), options=as_agent(running, key)) as mesh:
        registrar = await fetch_registrar_aio(mesh.identity, key.did)
        statements = AioAgentStatements(
            mesh.trust,
            key.did,
            pace=Pace(now=lambda: clock.now() / SECOND),
            wall_clock=lambda: clock.now() / SECOND,
        )
        verifier = AioPeerVerifier(
            key, trust=mesh.trust, registrar=registrar, statements=statements, clock=moments(clock), patience=5.0
        )
        yield Side(key, verifier, statements, registrar)


@dataclass
class Pair:
    """Two agents, and the identity service between them, which can be stopped."""

    running: IdentityMesh
    buyer: Side
    seller: Side
    stop: Callable[[], Awaitable[None]]

    @property
    def clock(self) -> ManualClock:
        return self.running.clock

    async def meet(self, require: Requirements = ANYBODY) -> None:
        """The buyer verifies the seller, and the seller the buyer."""
        invited = await self.buyer.verifier.invite(self.seller.key.did, audience=PLACE, require=require)
        answered = await self.seller.verifier.answer(invited.message, audiences={PLACE})
        met = await self.buyer.verifier.verify(invited, answered.message)
        assert met.peer.did == self.seller.key.did
        back = self.seller.verifier.confirm(answered, met.confirmation, require=require)
        assert back.did == self.buyer.key.did
        assert back.mutual


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as all_of_it, AsyncExitStack() as service:
        running = await service.enter_async_context(identity_mesh(tmp_path))
        await running.with_sponsors()
        buyer, seller = [
            await all_of_it.enter_async_context(a_side(running, await enrol(running, name)))
            for name in ("buyer", "seller")
        ]
        yield Pair(running, buyer, seller, service.aclose)


async def test_two_agents_verify_each_other(pair: Pair) -> None:
    await pair.meet(Requirements(score=300, scopes=("invoices:read",)))
    known = pair.buyer.verifier.require(pair.seller.key.did, Requirements(score=300))
    assert (known.score, known.ring, known.environment) == (300, 3, "prod")
    assert known.did_version_id == pair.seller.key.did_version_id


async def test_a_verdict_is_compared_with_every_later_requirement(pair: Pair) -> None:
    """AGT accepts threshold 1000 from a cached verdict at threshold 0."""
    await pair.meet()
    with pytest.raises(PeerRefusedError) as refused:
        pair.buyer.verifier.require(pair.seller.key.did, Requirements(score=301, ring=2, scopes=("admin:all",)))
    assert set(refused.value.refusals) == {
        PeerRefusal.SCORE_TOO_LOW,
        PeerRefusal.RING_INSUFFICIENT,
        PeerRefusal.SCOPE_NOT_GRANTED,
    }


async def test_a_verdict_ends_when_identity_said(pair: Pair) -> None:
    await pair.meet()
    pair.clock.advance(Millis(299 * SECOND))
    assert pair.buyer.verifier.require(pair.seller.key.did).did == pair.seller.key.did
    pair.clock.advance(Millis(2 * SECOND))
    with pytest.raises(PeerNotVerifiedError, match="expired"):
        pair.buyer.verifier.require(pair.seller.key.did)


async def test_nobody_is_known_without_a_meeting(pair: Pair) -> None:
    with pytest.raises(PeerNotVerifiedError, match="no verdict"):
        pair.buyer.verifier.require(pair.seller.key.did)


async def test_a_refusal_says_why_to_the_verifier_only(pair: Pair) -> None:
    invited = await pair.buyer.verifier.invite(
        pair.seller.key.did, audience=PLACE, require=Requirements(score=1_000, ring=0)
    )
    answered = await pair.seller.verifier.answer(invited.message, audiences={PLACE})
    with pytest.raises(PeerRefusedError) as refused:
        await pair.buyer.verifier.verify(invited, answered.message)
    assert refused.value.refusals == (PeerRefusal.SCORE_TOO_LOW, PeerRefusal.RING_INSUFFICIENT)
    with pytest.raises(PeerNotVerifiedError):
        pair.buyer.verifier.require(pair.seller.key.did)


async def test_an_answer_is_good_once(pair: Pair) -> None:
    invited = await pair.buyer.verifier.invite(pair.seller.key.did, audience=PLACE)
    answered = await pair.seller.verifier.answer(invited.message, audiences={PLACE})
    await pair.buyer.verifier.verify(invited, answered.message)
    with pytest.raises(PeerRefusedError) as refused:
        await pair.buyer.verifier.verify(invited, answered.message)
    assert refused.value.refusals == (PeerRefusal.REPLAYED,)


async def test_who_may_not_ask_is_told_so(pair: Pair) -> None:
    async with AioRingfence(identity=address(pair.running), options=as_agent(pair.running, pair.seller.key)) as mesh:
        posing = AioPeerVerifier(pair.buyer.key, trust=mesh.trust, clock=moments(pair.clock))
        with pytest.raises(PermissionDeniedError):
            await posing.invite(pair.seller.key.did, audience=PLACE)


async def test_a_peer_nobody_enrolled_is_not_found(pair: Pair) -> None:
    scid = pair.seller.key.did.split(":")[2]
    swapped = scid[:-1] + ("2" if scid[-1] != "2" else "3")
    with pytest.raises(NotFoundError):
        await pair.buyer.verifier.invite(pair.seller.key.did.replace(scid, swapped), audience=PLACE)


def test_an_agent_that_is_not_enrolled_meets_nobody() -> None:
    with pytest.raises(ValueError, match="enrol it first"):
        AioPeerVerifier(AgentKey.generate())


class TestWithoutIdentity:
    async def test_two_agents_verify_each_other_until_their_statements_end(self, pair: Pair) -> None:
        await pair.buyer.statements()
        await pair.seller.statements()
        await pair.stop()
        for _ in range(5):
            await pair.meet(Requirements(score=300, scopes=("invoices:read",)))
            pair.clock.advance(Millis(11 * SECOND))
        pair.clock.advance(Millis(5 * SECOND))
        with pytest.raises(PeerRefusedError) as refused:
            await pair.meet()
        assert refused.value.refusals == (PeerRefusal.NOT_ACTIVE,)
        with pytest.raises(PeerNotVerifiedError):
            pair.buyer.verifier.require(pair.seller.key.did)
        with pytest.raises(PeerNotVerifiedError):
            pair.seller.verifier.require(pair.buyer.key.did)

    async def test_a_meeting_that_began_with_identity_ends_without(self, pair: Pair) -> None:
        invited = await pair.buyer.verifier.invite(pair.seller.key.did, audience=PLACE)
        answered = await pair.seller.verifier.answer(invited.message, audiences={PLACE})
        await pair.stop()
        met = await pair.buyer.verifier.verify(invited, answered.message)
        assert met.peer.scopes == COMPLETE.permissions
        with pytest.raises(PeerRefusedError) as refused:
            await pair.buyer.verifier.verify(invited, answered.message)
        assert refused.value.refusals == (PeerRefusal.REPLAYED,)

    async def test_rings_0_and_1_are_refused_when_nothing_is_heard_of_revocations(self, pair: Pair) -> None:
        await pair.buyer.statements()
        await pair.seller.statements()
        await pair.stop()
        for require in (Requirements(ring=1), Requirements(score=700)):
            with pytest.raises(RevocationsSilentError):
                await pair.meet(require)

    async def test_without_a_registrar_there_is_no_doing_without(self, pair: Pair) -> None:
        await pair.seller.statements()
        options = as_agent(pair.running, pair.buyer.key)
        async with AioRingfence(identity=address(pair.running), options=options) as mesh:
            bare = AioPeerVerifier(pair.buyer.key, trust=mesh.trust, clock=moments(pair.clock))
            invited = await bare.invite(pair.seller.key.did, audience=PLACE)
            answered = await pair.seller.verifier.answer(invited.message, audiences={PLACE})
            await pair.stop()
            with pytest.raises(UnavailableError):
                await bare.verify(invited, answered.message)
            with pytest.raises(UnavailableError):
                await bare.invite(pair.seller.key.did, audience=PLACE)


async def test_the_same_from_threads(pair: Pair) -> None:
    running, clock = pair.running, pair.clock
    options = as_agent(running, pair.buyer.key)
    seller = pair.seller
    loop = asyncio.get_running_loop()

    def in_thread() -> None:
        with Ringfence(identity=address(running), options=options) as mesh:
            registrar = fetch_registrar(mesh.identity, pair.buyer.key.did)
            statements = AgentStatements(
                mesh.trust,
                pair.buyer.key.did,
                pace=Pace(now=lambda: clock.now() / SECOND),
                wall_clock=lambda: clock.now() / SECOND,
            )
            verifier = PeerVerifier(
                pair.buyer.key, trust=mesh.trust, registrar=registrar, statements=statements, clock=moments(clock)
            )
            invited = verifier.invite(seller.key.did, audience=PLACE, require=Requirements(score=300))
            answering = seller.verifier.answer(invited.message, audiences={PLACE})
            answered = asyncio.run_coroutine_threadsafe(answering, loop).result(timeout=30)
            met = verifier.verify(invited, answered.message)
            assert seller.verifier.confirm(answered, met.confirmation).did == pair.buyer.key.did
            assert verifier.require(seller.key.did, Requirements(score=300)) == met.peer
            back = asyncio.run_coroutine_threadsafe(seller.verifier.invite(pair.buyer.key.did, audience=PLACE), loop)
            answer_back = verifier.answer(back.result(timeout=30).message, audiences={PLACE})
            verifying = seller.verifier.verify(back.result(), answer_back.message)
            met_back = asyncio.run_coroutine_threadsafe(verifying, loop).result(timeout=30)
            assert verifier.confirm(answer_back, met_back.confirmation).did == seller.key.did

    await asyncio.to_thread(in_thread)
