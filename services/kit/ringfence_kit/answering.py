"""Reads the request, asks the servicer, writes the response: what is left once a call has been admitted.

The rules:

- requests arrive as bytes and leave as bytes, so what is wrong with them is said in our words, with a reason;
- of a method that takes one message the first is read, and the rest is nobody's business;
- an async generator is closed by whoever iterates it, here, in the task that began it;
- a stream that is ended while it writes is told why: its head is sent before its first message, and is never given up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, TypeAlias, cast

import grpc.aio
from google.protobuf.message import DecodeError

from ringfence_kit.errors import MalformedMessage, MessageTooLarge
from ringfence_kit.methods import Method, Requests

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


async def answer(method: Method, requests: Requests, context: Context) -> bytes | None:
    """Return the response of a method that gives one; write those of a method that gives a stream, and return None."""
    request: Any
    if method.request_streaming:
        request = _decoded(method, requests)
    else:
        # Read from the context: an iterator left after its first message costs a task to close.
        raw = await context.read()
        request = decode(method, None if raw is grpc.aio.EOF else raw)
    if not method.response_streaming:
        response = await method.behavior(request, context)
        if response is None and cast("int | None", context.code()):
            # Channelz, which is not ours, sets a code and returns nothing.
            await context.abort(context.code(), context.details())
        return encode(method, response)
    async with aclosing(method.behavior(request, context)) as responses:
        is_first = True
        async for response in responses:
            if is_first:
                await _send_head(context)
                is_first = False
            await context.write(encode(method, response))
    return None


async def _send_head(context: Context) -> None:
    """Send the initial metadata of a stream, and return or be cancelled once that is known to have been done.

    A write that is cancelled leaves grpcio (1.85.1) believing that no head was sent: it sends another with the status,
    which core refuses, and the caller hears nothing until its connection is cut.
    """
    sending = asyncio.ensure_future(context.send_initial_metadata(()))
    try:
        await asyncio.shield(sending)
    except asyncio.CancelledError:
        await asyncio.wait((sending,))
        if not sending.cancelled():
            sending.exception()  # of a caller who has gone: looked at, or it would be told as lost
        raise


async def _decoded(method: Method, requests: Requests) -> AsyncIterator[Any]:
    async for raw in requests:
        yield decode(method, raw)


def decode(method: Method, raw: bytes | None) -> Any:
    """Return the request message, or raise what is wrong with its bytes."""
    if raw is None:
        raise MalformedMessage(method=method.name, problem="the call ended without a request message")
    if len(raw) > method.max_request_bytes:
        raise MessageTooLarge(size_bytes=len(raw), limit_bytes=method.max_request_bytes)
    if method.decode is None:
        return raw
    try:
        return method.decode(raw)
    except (DecodeError, RecursionError):
        problem = "it is not the protobuf message the method takes, or a text in it is not UTF-8"
        raise MalformedMessage(method=method.name, problem=problem) from None


def encode(method: Method, response: Any) -> bytes:
    """Return the bytes of a response; what a method gives as bytes was made for many callers, and is passed on."""
    if isinstance(response, bytes):
        return response
    encoded: bytes = method.encode(response) if method.encode is not None else response
    return encoded
