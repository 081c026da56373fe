"""Both ways: what the domain raises in the server is what the public client raises in the caller."""

from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.errors import DOMAIN, RingfenceError
from ringfence.retry import RetryPolicy
from ringfence_kit import status
from ringfence_kit.clock import Millis
from ringfence_kit.errors import (
    COMMON_FAILURES,
    DeadlineExceeded,
    EtagMismatch,
    Failure,
    InternalError,
    InvalidRequest,
    MalformedMessage,
    MessageTooLarge,
    MethodUnknown,
    NotPermitted,
    PageTokenInvalid,
    QuotaExceeded,
    RequestIdReused,
    RevisionCompacted,
    RevisionInFuture,
    Unauthenticated,
    Unavailable,
    Violation,
    WatcherTooSlow,
)
from support.echo import Echo, echo_service, failing
from support.serving import server_config, serving
from support.wire import text_method

pytestmark = pytest.mark.usefixtures("either_port")

ONE_OF_EACH: tuple[Failure, ...] = (
    InvalidRequest(Violation("agent.owner", "must be set"), Violation("labels[é]", "is too long")),
    RequestIdReused(request_id="123e4567-e89b-42d3-a456-426614174000"),
    PageTokenInvalid(problem="has expired"),
    EtagMismatch(name="namespaces/a/agents/b", expected='"1"', current='"2"'),
    Unauthenticated(problem="the token has expired; get a new one"),
    NotPermitted(principal="corp:ana", action="retire the agent", needed="role platform-admin"),
    QuotaExceeded(principal="corp:ana", method_class="write", retry_after=Millis(1_250)),
    RevisionCompacted(requested=3, oldest=7),
    RevisionInFuture(requested=9, newest=7),
    WatcherTooSlow(resume_revision=7),
    Unavailable(problem="the store is away", retry_after=Millis(20)),
    MalformedMessage(method="a.B/C", problem="not protobuf"),
    MessageTooLarge(size_bytes=10, limit_bytes=5),
    MethodUnknown(),
    DeadlineExceeded(method="a.B/C", limit=Millis(5)),
    InternalError(reference="r-1"),
)


def test_none_is_left_out() -> None:
    assert {type(failure) for failure in ONE_OF_EACH} == set(COMMON_FAILURES)


@pytest.mark.parametrize("failure", ONE_OF_EACH, ids=lambda failure: failure.reason)
async def test_what_is_raised_here_is_raised_there(failure: Failure, tmp_path: Path) -> None:
    echo = Echo()
    echo.failure = failing(failure)
    async with serving(echo_service(echo), config=server_config(tmp_path)) as mesh:
        # What says "ask again" is not asked again here; a connection that fails is tried again, as it is for everybody.
        options = ChannelOptions(retry=RetryPolicy(attempts=1 if failure.retry_after is not None else 4))
        async with open_aio_channel(mesh.address(), options) as channel:
            await channel.channel_ready()
            with pytest.raises(RingfenceError) as caught:
                await text_method(channel, "Fail")(StringValue())
    error = caught.value
    assert isinstance(error.code, grpc.StatusCode)
    assert (error.code.value[0], error.reason) == (failure.kind.value, failure.reason), error.message
    assert (error.message, error.metadata) == (failure.message, failure.metadata)
    assert [(v.field, v.problem) for v in error.violations] == [(v.field, v.problem) for v in failure.violations]
    waits = None if error.retry_after is None else error.retry_after.total_seconds() * 1_000
    assert waits == failure.retry_after


def test_both_ends_mean_the_same_domain() -> None:
    assert status.DOMAIN == DOMAIN
