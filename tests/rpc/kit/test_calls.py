"""Every kind of method over real gRPC: what comes back, and how each refusal says why."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import ManualClock, Millis
from ringfence_kit.errors import InvalidRequest, Violation, WatcherTooSlow
from ringfence_kit.server_config import DeadlinesConfig, LimitsConfig, QuotasConfig
from support.echo import NAME, Echo, echo_service, failing
from support.serving import OPERATOR, SERVICE, Mesh, server_config, serving
from support.wire import TEXT, messages, raw_method, refusal, text_method

pytestmark = pytest.mark.usefixtures("either_port")


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def mesh(echo: Echo, tmp_path: Path) -> AsyncIterator[Mesh]:
    async with serving(echo_service(echo), config=server_config(tmp_path)) as running:
        yield running


def hello(text: str = "hello") -> StringValue:
    return StringValue(value=text)


def counting(channel: grpc.aio.Channel, number: int) -> Any:
    method = channel.unary_stream(
        f"/{NAME}/Count", request_serializer=Int64Value.SerializeToString, response_deserializer=Int64Value.FromString
    )
    return method(Int64Value(value=number))


async def test_one_request_one_response(mesh: Mesh) -> None:
    assert await text_method(mesh.channel(), "Say")(hello("ünïcode")) == hello("ünïcode")


async def test_a_stream_of_responses(mesh: Mesh) -> None:
    assert [answer.value async for answer in counting(mesh.channel(), 3)] == [0, 1, 2]


async def test_a_stream_of_requests(mesh: Mesh) -> None:
    collect = mesh.channel().stream_unary(f"/{NAME}/Collect", **TEXT)
    assert await collect(messages([hello("a"), hello("b")])) == hello("a b")


async def test_a_stream_both_ways(mesh: Mesh) -> None:
    chat = mesh.channel().stream_stream(f"/{NAME}/Chat", **TEXT)()
    for text in ("a", "b"):
        await chat.write(hello(text))
        assert await chat.read() == hello(text)
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF


async def test_a_failure_of_the_domain_arrives_with_all_it_says(mesh: Mesh, echo: Echo) -> None:
    echo.failure = failing(InvalidRequest(Violation("agent.owner", "must be set"), Violation("labels", "too many")))
    refused = await refusal(text_method(mesh.channel(), "Fail")(hello()))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert refused.violations == {"agent.owner": "must be set", "labels": "too many"}
    echo.failure = failing(WatcherTooSlow(resume_revision=7))
    refused = await refusal(text_method(mesh.channel(), "Fail")(hello()))
    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "WATCHER_TOO_SLOW")
    assert (refused.metadata, refused.retry_after) == ({"resume_revision": "7"}, 100)


async def test_a_failure_in_the_middle_of_a_stream(mesh: Mesh, echo: Echo) -> None:
    echo.failure = failing(WatcherTooSlow(resume_revision=7))
    refused = await refusal(counting(mesh.channel(), -1).read())
    assert refused.reason == "WATCHER_TOO_SLOW"


async def test_a_defect_gives_a_reference_and_nothing_else(mesh: Mesh) -> None:
    for call in (text_method(mesh.channel(), "Fail")(hello()), counting(mesh.channel(), -1).read()):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("INTERNAL", "INTERNAL")
        assert refused.metadata["reference"] in refused.message
        assert "boom" not in str(refused)
        assert "s3cret" not in str(refused)


async def test_the_largest_failure_still_arrives(mesh: Mesh, echo: Echo) -> None:
    echo.failure = failing(InvalidRequest(*(Violation(f"items[{n}].\u00e9", "é" * 500) for n in range(10_000))))
    refused = await refusal(text_method(mesh.channel(), "Fail")(hello()))
    assert refused.reason == "INVALID_REQUEST"
    assert len(refused.violations) > 2


@pytest.mark.parametrize("path", [f"/{NAME}/Nope", "/no.such.Service/Say", "/", "/a/b/c", "/x/é", "/" + "x" * 3_000])
async def test_an_unknown_method(mesh: Mesh, path: str) -> None:
    refused = await refusal(raw_method(mesh.channel(), path)(messages([b""])))
    assert (refused.code, refused.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")


async def test_a_path_that_no_header_may_hold(mesh: Mesh) -> None:
    """Some call it an unknown method, others no HTTP/2 at all (RFC 9113, 8.2.1); the connection goes on."""
    channel = mesh.channel()
    refused = await refusal(raw_method(channel, "/x/\n")(messages([b""])))
    assert refused.code in ("UNIMPLEMENTED", "INTERNAL")
    assert await text_method(channel, "Say")(hello()) == hello()


async def test_unknown_methods_do_not_become_labels(mesh: Mesh) -> None:
    for n in range(3):
        await refusal(raw_method(mesh.channel(), f"/invented/Method{n}")(messages()))
    text = mesh.metrics.render()[0].decode()
    assert "invented" not in text
    assert 'ringfence_calls_total{code="UNIMPLEMENTED",method="unknown",service="echo"} 3.0' in text


class TestRequestsThatCannotBeRead:
    async def test_malformed(self, mesh: Mesh) -> None:
        refused = await refusal(raw_method(mesh.channel(), "Say")(messages([b"\x0a\xff"])))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE")
        assert refused.metadata["method"] == f"{NAME}/Say"

    async def test_not_utf8(self, mesh: Mesh) -> None:
        refused = await refusal(raw_method(mesh.channel(), "Say")(messages([b"\x0a\x02\xff\xfe"])))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE")

    async def test_no_message_at_all(self, mesh: Mesh) -> None:
        refused = await refusal(raw_method(mesh.channel(), "Say")(messages()))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "MALFORMED_MESSAGE")
        assert "without a request message" in refused.message

    async def test_the_first_of_several_counts(self, mesh: Mesh) -> None:
        first, second = hello("a").SerializeToString(), hello("b").SerializeToString()
        answer = await raw_method(mesh.channel(), "Say")(messages([first, second]))
        assert StringValue.FromString(answer) == hello("a")

    async def test_malformed_in_the_middle_of_a_stream(self, mesh: Mesh) -> None:
        refused = await refusal(raw_method(mesh.channel(), "Collect")(messages([b"", b"\x0a\xff"])))
        assert refused.reason == "MALFORMED_MESSAGE"

    async def test_malformed_for_a_stream_of_responses(self, mesh: Mesh) -> None:
        watch: Any = mesh.channel().unary_stream(f"/{NAME}/Watch")
        refused = await refusal(watch(b"\x0a\xff").read())
        assert refused.reason == "MALFORMED_MESSAGE"

    async def test_malformed_in_a_conversation(self, mesh: Mesh) -> None:
        chat: Any = mesh.channel().stream_stream(f"/{NAME}/Chat")(messages([b"", b"\x0a\xff"]))
        assert await chat.read() == b""
        assert (await refusal(chat.read())).reason == "MALFORMED_MESSAGE"


class TestSize:
    @pytest.fixture
    async def mesh(self, echo: Echo, tmp_path: Path) -> AsyncIterator[Mesh]:
        config = server_config(tmp_path, limits=LimitsConfig(max_request_bytes=10_000))
        async with serving(echo_service(echo), config=config) as running:
            yield running

    async def test_at_the_limit(self, mesh: Mesh) -> None:
        text = "x" * (10_000 - 3)
        assert hello(text).ByteSize() == 10_000
        assert await text_method(mesh.channel(), "Say")(hello(text)) == hello(text)

    @pytest.mark.parametrize("size", [10_001, 39_000])
    async def test_over_the_limit(self, mesh: Mesh, size: int) -> None:
        refused = await refusal(raw_method(mesh.channel(), "Say")(messages([b"x" * size])))
        assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
        assert refused.metadata == {"size_bytes": str(size), "limit_bytes": "10000"}

    async def test_over_the_limit_in_a_stream(self, mesh: Mesh) -> None:
        refused = await refusal(raw_method(mesh.channel(), "Collect")(messages([b"", b"x" * 10_001])))
        assert refused.reason == "MESSAGE_TOO_LARGE"

    async def test_compressed_beyond_gRPCs_own_limit(self, mesh: Mesh) -> None:
        call = raw_method(mesh.channel(), "Say")(messages([bytes(50_000_000)]), compression=grpc.Compression.Gzip)
        assert (await refusal(call)).code == "RESOURCE_EXHAUSTED"

    async def test_a_listener_may_have_its_own_limit(self, echo: Echo, tmp_path: Path) -> None:
        service = echo_service(echo, port={"max_request_bytes": 20_000})
        async with serving(service, config=server_config(tmp_path)) as mesh:
            refused = await refusal(raw_method(mesh.channel(), "Say")(messages([b"x" * 20_001])))
            assert refused.metadata["limit_bytes"] == "20000"


class TestCallers:
    async def test_development_tokens(self, mesh: Mesh) -> None:
        for caller, answer in ((OPERATOR, "dev:operator|platform-admin"), (SERVICE, "dev:service|service")):
            assert await text_method(mesh.channel(caller), "WhoAmI")(hello()) == hello(answer)

    async def test_callers_of_a_real_issuer(self, mesh: Mesh) -> None:
        ana = Caller(principal="ana", roles=frozenset({Role.APPROVER, Role.AUDITOR}))
        assert await text_method(mesh.channel(ana), "WhoAmI")(hello()) == hello("test:ana|approver,auditor")
        agent = Caller(principal="did:web:a", environment="prod")
        assert await text_method(mesh.channel(agent), "WhoAmI")(hello()) == hello("did:web:a|agent")

    async def test_nobody_may_call_what_is_open_only(self, mesh: Mesh) -> None:
        channel = mesh.channel(ANONYMOUS)
        assert await text_method(channel, "WhoAmI")(hello()) == hello("anonymous|")
        refused = await refusal(text_method(channel, "Write")(hello()))
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        assert "needs a credential" in refused.message

    async def test_the_wrong_role(self, mesh: Mesh) -> None:
        refused = await refusal(text_method(mesh.channel(SERVICE), "Write")(hello()))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        assert refused.metadata == {
            "principal": "dev:service",
            "action": f"call {NAME}/Write",
            "needed": "role platform-admin",
        }

    async def test_the_right_role(self, mesh: Mesh) -> None:
        assert await text_method(mesh.channel(), "Write")(hello()) == hello()

    @pytest.mark.parametrize(
        ("headers", "problem"),
        [
            (["Bearer nonsense"], "not a signed JWT"),
            (["Basic YTpi"], "must be: Bearer TOKEN"),
            (["Bearer"], "must be: Bearer TOKEN"),
            ([""], "must be: Bearer TOKEN"),
            (["Bearer a", "Bearer a"], "more than one authorization header"),
            (["Bearer rfdev_" + "A" * 43], "not a signed JWT"),
        ],
    )
    async def test_a_bad_credential_is_refused_even_where_none_is_needed(
        self, mesh: Mesh, headers: list[str], problem: str
    ) -> None:
        metadata = tuple(("authorization", header) for header in headers)
        call = text_method(mesh.channel(ANONYMOUS), "Say")(hello(), metadata=metadata)
        refused = await refusal(call)
        assert refused.reason == "UNAUTHENTICATED"
        assert problem in refused.metadata["problem"]

    async def test_a_request_that_may_not_be_made_is_not_read(self, mesh: Mesh) -> None:
        refused = await refusal(raw_method(mesh.channel(SERVICE), "Write")(messages([b"\x0a\xff"])))
        assert refused.reason == "NOT_PERMITTED"


class TestRequestIds:
    async def test_one_is_given_back(self, mesh: Mesh) -> None:
        call = text_method(mesh.channel(), "Say")(hello(), metadata=(("x-request-id", "abc-1"),))
        await call
        assert dict(await call.trailing_metadata())["x-request-id"] == "abc-1"

    @pytest.mark.parametrize("sent", [None, "", "with space", "x" * 129])
    async def test_one_is_made_where_none_can_be_used(self, mesh: Mesh, sent: str | None) -> None:
        metadata = () if sent is None else (("x-request-id", sent),)
        call = text_method(mesh.channel(), "Say")(hello(), metadata=metadata)
        await call
        first = dict(await call.trailing_metadata())["x-request-id"]
        again = text_method(mesh.channel(), "Say")(hello(), metadata=metadata)
        await again
        assert len(first) > 18
        assert dict(await again.trailing_metadata())["x-request-id"] != first

    async def test_a_refusal_has_it_too(self, mesh: Mesh) -> None:
        call = text_method(mesh.channel(), "Fail")(hello(), metadata=(("x-request-id", "abc-1"),))
        assert (await refusal(call)).trailers["x-request-id"] == "abc-1"

    async def test_a_stream_has_it_at_its_end(self, mesh: Mesh) -> None:
        call = counting(mesh.channel(), 1)
        assert [answer.value async for answer in call] == [0]
        assert "x-request-id" in dict(await call.trailing_metadata())


class TestDeadlines:
    async def test_ours_when_the_caller_sets_none(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, deadlines=DeadlinesConfig(write=Millis(20)))
        async with serving(echo_service(echo), config=config) as mesh:
            refused = await refusal(text_method(mesh.channel(), "Hang")(hello()))
            assert (refused.code, refused.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
            assert refused.metadata == {"method": f"{NAME}/Hang", "limit_ms": "20"}
            await echo.cancelled.wait()

    async def test_a_long_one_is_cut(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, deadlines=DeadlinesConfig(maximum=Millis(20)))
        async with serving(echo_service(echo), config=config) as mesh:
            refused = await refusal(text_method(mesh.channel(), "Hang")(hello(), timeout=60))
            assert refused.metadata["limit_ms"] == "20"

    async def test_a_stream_has_none(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, deadlines=DeadlinesConfig(maximum=Millis(1)))
        async with serving(echo_service(echo), config=config) as mesh:
            watch = mesh.channel().unary_stream(f"/{NAME}/Watch", **TEXT)(hello())
            assert await watch.read() == hello()
            await echo.watching.wait()
            echo.released.set()
            assert await watch.read() is grpc.aio.EOF

    async def test_a_caller_that_leaves_ends_the_work(self, mesh: Mesh, echo: Echo) -> None:
        call = text_method(mesh.channel(), "Hang")(hello())
        await echo.hanging.wait()
        call.cancel()
        await echo.cancelled.wait()

    async def test_a_stream_ends_with_the_token_it_was_opened_with(self, mesh: Mesh, echo: Echo) -> None:
        ana = Caller(principal="ana")
        token = mesh.issuer.token_for(ana, mesh.clock.now(), seconds=1)
        metadata = (("authorization", f"Bearer {token}"),)
        watch = mesh.channel(ANONYMOUS).unary_stream(f"/{NAME}/Watch", **TEXT)(hello(), metadata=metadata)
        assert await watch.read() == hello()
        refused = await refusal(watch.read())
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        assert "expired while the stream was open" in refused.message


class TestQuotasAndRoom:
    async def test_a_quota_that_is_used_up(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, quotas=QuotasConfig(write_per_second=1, write_burst=2))
        async with serving(echo_service(echo), config=config) as mesh:
            write = text_method(mesh.channel(), "Write")
            await write(hello())
            await write(hello())
            refused = await refusal(write(hello()))
            assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
            assert refused.retry_after is not None
            assert 0 < refused.retry_after <= 1_000
            assert await text_method(mesh.channel(), "Say")(hello()) == hello()

    async def test_an_address_that_floods_an_open_method(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, quotas=QuotasConfig(open_per_second=1, open_burst=2))
        clock = ManualClock()
        async with serving(echo_service(echo), config=config, clock=clock) as mesh:
            say = text_method(mesh.channel(ANONYMOUS), "Say")
            assert [await say(hello()), await say(hello())] == [hello(), hello()]
            # Another connection is no other address.
            refused = await refusal(text_method(mesh.channel(ANONYMOUS), "Say")(hello()))
            assert (refused.code, refused.reason, refused.retry_after) == (
                "RESOURCE_EXHAUSTED",
                "QUOTA_EXCEEDED",
                1_000,
            )
            assert await text_method(mesh.channel(), "Say")(hello()) == hello()
            clock.advance(Millis(1_000))
            assert await say(hello()) == hello()

    async def test_an_address_that_guesses_credentials(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, quotas=QuotasConfig(refused_per_second=1, refused_burst=2))
        clock = ManualClock()
        async with serving(echo_service(echo), config=config, clock=clock) as mesh:
            say = text_method(mesh.channel(ANONYMOUS), "Say")
            guess = (("authorization", "Bearer guess"),)
            for _ in range(2):
                assert (await refusal(say(hello(), metadata=guess))).reason == "UNAUTHENTICATED"
            refused = await refusal(say(hello(), metadata=guess))
            assert (refused.code, refused.reason, refused.retry_after) == (
                "RESOURCE_EXHAUSTED",
                "QUOTA_EXCEEDED",
                1_000,
            )
            assert (await refusal(text_method(mesh.channel(), "Say")(hello()))).reason == "QUOTA_EXCEEDED"
            clock.advance(Millis(1_000))
            assert await text_method(mesh.channel(), "Say")(hello()) == hello()
            metrics = mesh.metrics.render()[0].decode()
            assert 'ringfence_refusals_total{reason="QUOTA_EXCEEDED",service="echo"} 2.0' in metrics

    async def test_refused_callers_spend_nobodys_quota(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, quotas=QuotasConfig(write_per_second=1, write_burst=1))
        async with serving(echo_service(echo), config=config) as mesh:
            for _ in range(3):
                assert (await refusal(text_method(mesh.channel(SERVICE), "Write")(hello()))).reason == "NOT_PERMITTED"

    async def test_too_many_calls_in_progress(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, limits=LimitsConfig(max_calls=1))
        async with serving(echo_service(echo), config=config) as mesh:
            hanging = text_method(mesh.channel(), "Hang")(hello("first"))
            await echo.hanging.wait()
            refused = await refusal(text_method(mesh.channel(), "Say")(hello()))
            assert (refused.code, refused.reason) == ("UNAVAILABLE", "UNAVAILABLE")
            assert refused.retry_after == 500
            echo.released.set()
            assert await hanging == hello("first")
            assert await text_method(mesh.channel(), "Say")(hello()) == hello()
