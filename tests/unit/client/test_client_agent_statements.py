"""An agent's own statement, renewed in time; and the registrar whose statements are believed."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.agent_statements import RENEW_EVERY, AgentStatements, AioAgentStatements
from ringfence.errors import PermissionDeniedError, RingfenceError, UnavailableError
from ringfence.identity.v1.identity_pb2 import ResolveDidRequest, ResolveDidResponse
from ringfence.identity.v1.peer_pb2 import IssueTrustStatementRequest, IssueTrustStatementResponse
from ringfence.proofs.public_keys import PublicKey
from ringfence.registrar import RegistrarError, TrustedRegistrar, fetch_registrar, fetch_registrar_aio
from support.peer_meetings import SCID, PlainKey, did_of
from support.stepped_pace import SteppedPace

WALL = 1_767_225_600.0


@dataclass
class FakeRegistrar:
    """States, or fails as it is told to; counts how often it was asked."""

    failures: list[RingfenceError] = field(default_factory=list)
    asked: int = 0
    ahead: float = 0.0
    often: asyncio.Event = field(default_factory=asyncio.Event)

    def state(self, pace: SteppedPace) -> IssueTrustStatementResponse:
        self.asked += 1
        if self.asked == 5:
            self.often.set()
        if self.failures:
            raise self.failures.pop(0)
        expires = Timestamp(seconds=int(WALL + pace.now - 1_000.0 + 60 + self.ahead))
        return IssueTrustStatementResponse(statement=f"s{self.asked}", expire_time=expires)


class Holder:
    """Asks through the source for asyncio, or through the one for threads."""

    def __init__(self, kind: str) -> None:
        self.pace, self.registrar = SteppedPace(), FakeRegistrar()
        said: dict[str, Any] = {"pace": self.pace.pace(), "wall_clock": lambda: WALL + self.pace.now - 1_000.0}
        if kind == "asyncio":
            self.aio = AioAgentStatements(self._aio(), "did:x", **said)
            self.statement: Callable[[], str] = lambda: asyncio.run(self._shown())
        else:
            self.statement = AgentStatements(self._sync(), "did:x", **said)

    async def _shown(self) -> str:
        return await self.aio()

    def _aio(self) -> Any:
        holder = self

        class Stub:
            async def IssueTrustStatement(self, request: IssueTrustStatementRequest) -> IssueTrustStatementResponse:
                assert request.did == "did:x"
                return holder.registrar.state(holder.pace)

        return Stub()

    def _sync(self) -> Any:
        holder = self

        class Stub:
            def IssueTrustStatement(self, request: IssueTrustStatementRequest) -> IssueTrustStatementResponse:
                assert request.did == "did:x"
                return holder.registrar.state(holder.pace)

        return Stub()


@pytest.fixture(params=["asyncio", "threads"])
def holder(request: pytest.FixtureRequest) -> Holder:
    return Holder(str(request.param))


def test_one_is_asked_for_once_and_renewed_with_forty_seconds_left(holder: Holder) -> None:
    assert [holder.statement(), holder.statement()] == ["s1", "s1"]
    holder.pace.now += RENEW_EVERY - 0.1
    assert holder.statement() == "s1"
    holder.pace.now += 0.1
    assert holder.statement() == "s2"


def test_while_identity_is_away_the_last_one_serves_until_it_ends(holder: Holder) -> None:
    holder.statement()
    holder.registrar.failures = [UnavailableError("away")] * 100
    holder.pace.now += 59.9
    assert holder.statement() == "s1"
    holder.pace.now += 0.1
    assert holder.statement() == ""
    holder.registrar.failures.clear()
    assert holder.statement().startswith("s")


def test_who_is_refused_one_shows_none(holder: Holder) -> None:
    holder.registrar.failures = [PermissionDeniedError("suspended")]
    assert holder.statement() == ""


@pytest.mark.parametrize("ahead", [-30.0, 3_600.0])
def test_a_wrong_clock_never_makes_one_live_longer(holder: Holder, ahead: float) -> None:
    holder.registrar.ahead = ahead
    assert holder.statement() == "s1"
    holder.registrar.failures = [UnavailableError("away")] * 100
    holder.pace.now += 60.0
    assert holder.statement() == ""


async def test_it_is_kept_fresh_in_the_background() -> None:
    holder = Holder("asyncio")
    holder.registrar.failures = [UnavailableError("away")]
    fresh = asyncio.create_task(holder.aio.keep_fresh())
    await holder.registrar.often.wait()
    fresh.cancel()
    await asyncio.gather(fresh, return_exceptions=True)
    assert set(holder.pace.waits) == {RENEW_EVERY}


def test_and_by_a_thread_until_it_is_stopped() -> None:
    holder = Holder("threads")
    stopped = threading.Event()
    stopped.set()
    assert isinstance(holder.statement, AgentStatements)
    holder.statement.keep_fresh(stopped)
    assert holder.registrar.asked == 0


KEY = PlainKey(90)
REGISTRAR = f"did:webvh:{SCID}:prod.id.example.com"


def documents(**changes: Any) -> dict[str, dict[str, Any]]:
    method = {
        "id": "#k",
        "type": "Multikey",
        "controller": REGISTRAR,
        "publicKeyMultibase": PublicKey(KEY.public_key).multibase,
    }
    registrar = {"id": REGISTRAR, "verificationMethod": [method], "assertionMethod": ["#k"], **changes}
    return {did_of("A"): {"id": did_of("A"), "controller": REGISTRAR}, REGISTRAR: registrar}


@dataclass
class FakeIdentity:
    """Resolves what it was given."""

    known: dict[str, dict[str, Any]]

    def ResolveDid(self, request: ResolveDidRequest) -> ResolveDidResponse:
        document = self.known.get(request.did)
        return ResolveDidResponse(did_document=json.dumps(document).encode() if document else b"")


@dataclass
class AioFakeIdentity:
    sync: FakeIdentity

    async def ResolveDid(self, request: ResolveDidRequest) -> ResolveDidResponse:
        return self.sync.ResolveDid(request)


async def test_the_registrar_is_the_one_that_controls_the_agent() -> None:
    identity = FakeIdentity(documents())
    expected = TrustedRegistrar(did=REGISTRAR, keys={KEY.public.thumbprint: KEY.public})
    assert fetch_registrar(identity, did_of("A")) == expected
    assert await fetch_registrar_aio(AioFakeIdentity(identity), did_of("A")) == expected


@pytest.mark.parametrize(
    "known",
    [
        {},
        {did_of("A"): {"id": did_of("A")}},
        {did_of("A"): {"id": did_of("A"), "controller": REGISTRAR.replace("prod", "dev")}},
        {did_of("A"): {"id": did_of("A"), "controller": did_of("B")}},
        {did_of("A"): {"id": did_of("A"), "controller": ["x"]}},
        documents(id="did:key:z"),
        documents(assertionMethod=[]),
        documents(verificationMethod=[{"id": "#k"}]),
        documents(verificationMethod=None),
    ],
    ids=str,
)
def test_what_does_not_lead_to_the_registrar_of_the_same_host_is_refused(known: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(RegistrarError):
        fetch_registrar(FakeIdentity(known), did_of("A"))
