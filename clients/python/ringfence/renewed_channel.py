"""A channel for asyncio whose certificates may be replaced while it is open.

gRPC reads a client's certificate when a channel is opened and never again. So there is one channel of gRPC's for each
set of files:

- a call begins on the newest, and ends where it began, retries and streams included: no watch is cut by a rotation;
- an older one is closed when the last of its calls is over;
- a method is looked up once for each, so stubs are made once as ever.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import grpc
import grpc.aio

from ringfence.tls_files import TlsFiles


class _Opened:
    """One channel of gRPC's, and how many of its calls are not over."""

    __slots__ = ("calls", "channel")

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.calls = 0


class RenewedChannel(grpc.aio.Channel):
    """Stands around gRPC's channels; make it on the event loop that uses it."""

    def __init__(self, files: TlsFiles, open_with: Callable[[grpc.ChannelCredentials], grpc.aio.Channel]) -> None:
        """`open_with` opens a channel with credentials."""
        self._files = files
        self._open_with = open_with
        self._newest = _Opened(open_with(files.credentials))
        self._older: set[_Opened] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def newest(self) -> _Opened:
        """Return where a call begins now."""
        if not self._closed and self._files.are_new():
            before, self._newest = self._newest, _Opened(self._open_with(self._files.credentials))
            self._older.add(before)
            self._close_if_over(before)
        return self._newest

    def begun(self, call: Any, opened: _Opened) -> None:
        """Count a call until it is over."""
        opened.calls += 1
        call.add_done_callback(partial(self._ended, opened))

    def _ended(self, opened: _Opened, _call: object) -> None:
        opened.calls -= 1
        self._close_if_over(opened)

    def _close_if_over(self, opened: _Opened) -> None:
        if opened.calls == 0 and opened in self._older:
            self._older.discard(opened)
            closing = asyncio.get_running_loop().create_task(opened.channel.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the method, whose calls begin on the newest channel."""
        return _Method(self, lambda channel: channel.unary_unary(method, *args, **kwargs))

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the method, as `unary_unary` does."""
        return _Method(self, lambda channel: channel.unary_stream(method, *args, **kwargs))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the method, as `unary_unary` does."""
        return _Method(self, lambda channel: channel.stream_unary(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the method, as `unary_unary` does."""
        return _Method(self, lambda channel: channel.stream_stream(method, *args, **kwargs))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return the state of the newest channel."""
        return self.newest().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait for another state of the newest channel."""
        await self.newest().channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the newest channel is connected."""
        await self.newest().channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Close every channel; calls are given `grace` seconds to end."""
        self._closed = True
        still_open = [self._newest, *self._older]
        self._older.clear()
        await asyncio.gather(*(opened.channel.close(grace) for opened in still_open), *self._closing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Method:
    """One method of a service."""

    def __init__(self, channel: RenewedChannel, look_up: Callable[[grpc.aio.Channel], Any]) -> None:
        self._channel = channel
        self._look_up = look_up
        self._of = channel.newest()
        self._inner = look_up(self._of.channel)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        newest = self._channel.newest()
        if newest is not self._of:
            self._of, self._inner = newest, self._look_up(newest.channel)
        call = self._inner(*args, **kwargs)
        self._channel.begun(call, newest)
        return call
