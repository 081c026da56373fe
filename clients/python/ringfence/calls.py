"""What happens around every call of a channel: token, retries, typed errors; for threads see `sync_channel`.

The rules:

- the token is asked for before each attempt, inside the retries, and is not sent over a header the caller set;
- retries are for calls with one request and one answer. A stream that breaks is resumed by `ringfence.watch`, which
  knows where it stood;
- what leaves here is a RingfenceError, or the exception of whatever is no failure of the call.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import grpc

from ringfence.credentials import Token, bearer
from ringfence.errors import from_rpc_error
from ringfence.pace import Pace
from ringfence.retry import Attempts, RetryBudget, RetryPolicy, made_repeatable

Q = TypeVar("Q")
R = TypeVar("R")

HEADER = "authorization"

# gRPC's types of calls, futures and metadata are private to its stubs; these are the names they are used under here.
AioCall: TypeAlias = "grpc.aio.UnaryUnaryCall[Q, R]"
AioStream: TypeAlias = "grpc.aio.UnaryStreamCall[Q, R]"


@dataclass(frozen=True, slots=True)
class CallRules:
    """What the interceptors of one channel share."""

    token: Token | None
    policy: RetryPolicy
    budget: RetryBudget
    pace: Pace

    def attempts(self, timeout: float | None, *, repeatable: bool) -> Attempts:
        """Begin a call."""
        timeout = self.policy.timeout if timeout is None else timeout
        deadline = None if timeout is None else self.pace.now() + timeout
        return Attempts(policy=self.policy, budget=self.budget, deadline=deadline, repeatable=repeatable)


class AioUnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """One request, one answer, asyncio."""

    def __init__(self, rules: CallRules) -> None:
        self._rules = rules

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Q], Awaitable["AioCall[Q, R]"]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Q,
    ) -> "AioCall[Q, R]":
        """Make the call, again where that is safe, until it answers or fails for good."""
        rules = self._rules
        request, repeatable = made_repeatable(request)
        attempts = rules.attempts(client_call_details.timeout, repeatable=repeatable)
        while True:
            details = await _aio_details(rules, client_call_details, attempts.time_left(rules.pace.now()))
            call = await continuation(details, request)
            try:
                await call
            except grpc.RpcError as raw:
                error = from_rpc_error(raw)
                wait = attempts.wait_after(error, rules.pace.now())
                if wait is None:
                    raise error from raw
                await rules.pace.sleep_async(wait)
            else:
                rules.budget.succeeded()
                return call


class AioStreams(grpc.aio.UnaryStreamClientInterceptor):
    """One request, many answers, asyncio."""

    def __init__(self, rules: CallRules) -> None:
        self._rules = rules

    async def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Q], Awaitable["AioStream[Q, R]"]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Q,
    ) -> AsyncIterator[R]:
        """Open the stream; what it raises is typed."""
        details = await _aio_details(self._rules, client_call_details, client_call_details.timeout)
        return _typed_answers(await continuation(details, request))


async def _typed_answers(call: "AioStream[Q, R]") -> AsyncIterator[R]:
    try:
        async for answer in call:
            yield answer
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


async def _aio_details(
    rules: CallRules, details: grpc.aio.ClientCallDetails, time_left: float | None
) -> grpc.aio.ClientCallDetails:
    headers = grpc.aio.Metadata(*(details.metadata or ()))
    if rules.token is not None and headers.get(HEADER) is None:
        token = rules.token() if callable(rules.token) else rules.token
        headers.add(HEADER, bearer(await token if inspect.isawaitable(token) else token))
    return grpc.aio.ClientCallDetails(details.method, time_left, headers, details.credentials, details.wait_for_ready)
