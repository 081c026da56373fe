import asyncio
import base64
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.agent_key import AgentKey
from ringfence.agent_tokens import AgentCredential, AgentTokens, AioAgentTokens, held
from ringfence.errors import Details, RingfenceError, UnauthenticatedError, UnavailableError
from ringfence.identity.v1.identity_pb2 import IssueTokenRequest, IssueTokenResponse

WALL = 1_767_225_600.0
LIFE = 300


@dataclass
class FakeIssuer:
    """Issues tokens that live 300 s, or fails as `failures` say; its wall clock may differ from the agent's."""

    failures: list[RingfenceError | None] = field(default_factory=list)
    requests: list[IssueTokenRequest] = field(default_factory=list)
    wall_clock_ahead: float = 0.0
    during: Callable[[], None] = lambda: None

    def answer(self, request: IssueTokenRequest) -> IssueTokenResponse:
        self.requests.append(request)
        self.during()
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return issued(len(self.requests), WALL + self.wall_clock_ahead)


@dataclass
class AioFakeIssuer(FakeIssuer):
    async def IssueToken(self, request: IssueTokenRequest) -> IssueTokenResponse:
        await asyncio.sleep(0)
        return self.answer(request)


class SyncFakeIssuer(FakeIssuer):
    def IssueToken(self, request: IssueTokenRequest) -> IssueTokenResponse:
        return self.answer(request)


@dataclass
class Steady:
    now: float = 50.0

    def __call__(self) -> float:
        return self.now


def issued(number: int, wall: float) -> IssueTokenResponse:
    claims = {"iat": int(wall), "exp": int(wall) + LIFE, "jti": f"token-{number}"}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return IssueTokenResponse(access_token=f"h.{payload}.s", expire_time=Timestamp(seconds=int(wall) + LIFE))


def number_of(token: str) -> str:
    payload = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"])


@pytest.fixture
def credential() -> AgentCredential:
    ids = iter(f"id-{n}" for n in range(1_000))
    key = AgentKey(private_key=AgentKey.generate().private_key, did="did:webvh:x")
    return AgentCredential(
        key=key,
        issuer="https://issuer",
        audience="https://pdp",
        scopes=("a:b",),
        wall_clock=lambda: WALL,
        new_id=lambda: next(ids),
    )


class Holder:
    """Asks for tokens through the source for asyncio or, in a thread, through the other one."""

    def __init__(self, kind: str, credential: AgentCredential, failures: Sequence[RingfenceError | None] = ()) -> None:
        self.clock = Steady()
        self.issuer: FakeIssuer
        if kind == "asyncio":
            aio = AioFakeIssuer(list(failures))
            self.issuer, source = aio, AioAgentTokens(aio, credential, steady_clock=self.clock)
            self.token = source.__call__
        else:
            sync = SyncFakeIssuer(list(failures))
            blocking = AgentTokens(sync, credential, steady_clock=self.clock)
            self.issuer = sync

            async def in_thread() -> str:
                return await asyncio.to_thread(blocking)

            self.token = in_thread

    async def number(self) -> str:
        return number_of(await self.token())


@pytest.fixture(params=["asyncio", "threads"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def holder(kind: str, credential: AgentCredential) -> Holder:
    return Holder(kind, credential)


AWAY = UnavailableError("away")
REPLAYED = UnauthenticatedError("seen", details=Details(reason="ASSERTION_REPLAYED", domain="ringfence.dev"))


class TestRenewal:
    async def test_a_token_is_kept_until_the_last_third_of_its_life(self, holder: Holder) -> None:
        seen = []
        for passed in (0, 100, 199, 200, 399, 400):
            holder.clock.now = 50 + passed
            seen.append(await holder.number())
        assert seen == ["token-1", "token-1", "token-1", "token-2", "token-2", "token-3"]

    async def test_a_token_that_ended_is_not_used_again(self, holder: Holder) -> None:
        await holder.token()
        holder.clock.now += 10_000
        assert await holder.number() == "token-2"

    async def test_a_renewal_that_fails_leaves_the_old_token_in_use(self, holder: Holder) -> None:
        await holder.token()
        holder.clock.now += 250
        holder.issuer.failures = [AWAY]
        assert await holder.number() == "token-1"
        assert await holder.number() == "token-1", "and is not tried again at once"
        assert len(holder.issuer.requests) == 2
        holder.clock.now += 1
        assert await holder.number() == "token-3"

    async def test_without_a_good_token_the_failure_is_the_callers(
        self, kind: str, credential: AgentCredential
    ) -> None:
        holder = Holder(kind, credential, [AWAY])
        with pytest.raises(UnavailableError):
            await holder.token()
        assert await holder.number() == "token-2"

    async def test_a_token_that_ends_while_it_is_being_renewed_is_not_used(self, holder: Holder) -> None:
        await holder.token()
        holder.clock.now += 299
        holder.issuer.failures = [AWAY]
        holder.issuer.during = lambda: setattr(holder.clock, "now", holder.clock.now + 5)
        with pytest.raises(UnavailableError):
            await holder.token()

    async def test_an_assertion_a_retry_sent_twice_is_replaced_by_a_fresh_one(
        self, kind: str, credential: AgentCredential
    ) -> None:
        holder = Holder(kind, credential, [REPLAYED])
        assert await holder.number() == "token-2"
        first, second = (request.assertion for request in holder.issuer.requests)
        assert first != second

    async def test_an_assertion_refused_for_another_reason_is_not_repeated(
        self, kind: str, credential: AgentCredential
    ) -> None:
        holder = Holder(kind, credential, [UnauthenticatedError("no"), None])
        with pytest.raises(UnauthenticatedError):
            await holder.token()
        assert len(holder.issuer.requests) == 1

    @pytest.mark.parametrize("ahead", [-3_600.0, 3_600.0])
    async def test_a_wall_clock_that_is_wrong_changes_nothing(self, holder: Holder, ahead: float) -> None:
        holder.issuer.wall_clock_ahead = ahead
        await holder.token()
        holder.clock.now += 199
        assert await holder.number() == "token-1"
        holder.clock.now += 1
        assert await holder.number() == "token-2"


class TestOneAtATime:
    async def test_many_tasks_ask_once(self, credential: AgentCredential) -> None:
        holder = Holder("asyncio", credential)
        tokens = await asyncio.gather(*(holder.token() for _ in range(20)))
        assert len(set(tokens)) == len(holder.issuer.requests) == 1

    async def test_the_others_use_the_old_token_while_one_renews(self, credential: AgentCredential) -> None:
        holder = Holder("asyncio", credential)
        await holder.token()
        holder.clock.now += 250
        numbers = [number_of(token) for token in await asyncio.gather(*(holder.token() for _ in range(5)))]
        assert numbers == ["token-2"] + ["token-1"] * 4

    def test_many_threads_ask_once(self, credential: AgentCredential) -> None:
        issuer = SyncFakeIssuer()
        source = AgentTokens(issuer, credential, steady_clock=Steady())
        threads = [threading.Thread(target=source) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(issuer.requests) == 1


class TestRequests:
    def test_says_who_and_what_for(self, credential: AgentCredential) -> None:
        request = credential.request()
        assert (request.audience, list(request.scopes)) == ("https://pdp", ["a:b"])

    def test_every_assertion_is_a_new_one(self, credential: AgentCredential) -> None:
        assert credential.request().assertion != credential.request().assertion

    def test_an_agent_without_a_did_is_told_to_enrol(self) -> None:
        with pytest.raises(ValueError, match="enrol it first"):
            AgentCredential(key=AgentKey.generate(), issuer="i", audience="a")


@pytest.mark.parametrize(
    "token", ["", "opaque", "a.b.c", "a.e30.c", "a.W10.c", "a.bnVsbA.c", "a." + "W1tb" * 50_000 + ".c"]
)
def test_a_token_that_says_nothing_of_its_life_ends_when_the_issuer_said(token: str) -> None:
    response = IssueTokenResponse(access_token=token, expire_time=Timestamp(seconds=int(WALL) + 90))
    kept = held(response, asked_at=10.0, wall_now=WALL)
    assert (kept.renew_at, kept.ends_at) == (70.0, 100.0)


def test_a_token_with_a_life_that_is_none_is_used_up_at_once() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"iat": 100, "exp": 50}).encode()).decode().rstrip("=")
    kept = held(IssueTokenResponse(access_token=f"h.{claims}.s"), asked_at=10.0, wall_now=WALL)
    assert kept.renew_at == kept.ends_at == 10.0
