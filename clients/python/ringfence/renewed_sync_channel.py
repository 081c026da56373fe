"""The same for threads as `ringfence.renewed_channel`: calls begin with the newest files and end where they began.

Two things differ, for what grpcio (1.85) does:

- looking a method up on a channel that another thread has closed crashes the interpreter. So a method is looked up, and
  its call counted, under one lock, and never once all are closed;
- a channel that is closed by a callback of its own call waits for itself for ever. So an older one whose calls are over
  is closed by whoever calls next.
"""

import threading
from collections.abc import Callable
from typing import Any, Self

import grpc

from ringfence.credentials import ChannelError
from ringfence.tls_files import TlsFiles


class _Opened:
    """One channel of gRPC's, and how many of its calls are not over."""

    __slots__ = ("calls", "channel")

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.calls = 0


class RenewedSyncChannel(grpc.Channel):
    """Stands around gRPC's channels."""

    def __init__(self, files: TlsFiles, open_with: Callable[[grpc.ChannelCredentials], grpc.Channel]) -> None:
        """`open_with` opens a channel with credentials."""
        self._files = files
        self._open_with = open_with
        self._lock = threading.RLock()
        self._newest = _Opened(open_with(files.credentials))
        self._older: set[_Opened] = set()
        self._listeners: list[tuple[Any, bool]] = []
        self._closed = False

    def begin(self, method: "_Method") -> tuple[_Opened, Any]:
        """Return where a call begins now, which is counted, and the method there."""
        with self._lock:
            newest = self._renewed()
            inner = method.at(newest)
            newest.calls += 1
        self.close_what_is_over()
        return newest, inner

    def end(self, opened: _Opened) -> None:
        """Hear that a call is over."""
        with self._lock:
            opened.calls -= 1

    def close_what_is_over(self) -> None:
        """Close older channels without calls; not for a callback of one of their calls."""
        with self._lock:
            over = [opened for opened in self._older if opened.calls == 0]
            self._older.difference_update(over)
        for opened in over:
            opened.channel.close()

    def look_up(self, method: "_Method") -> None:
        """Look a method up where calls begin now."""
        with self._lock:
            method.at(self._renewed())

    def require_open(self) -> None:
        """Raise ChannelError once `close` was called."""
        if self._closed:
            raise ChannelError("the channel is closed; open another one")

    def _renewed(self) -> _Opened:
        if not self._closed and self._files.are_new():
            before, self._newest = self._newest, _Opened(self._open_with(self._files.credentials))
            for callback, try_to_connect in self._listeners:
                self._newest.channel.subscribe(callback, try_to_connect)
            self._older.add(before)
        return self._newest

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

    def subscribe(self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool = False) -> None:
        """Hear of changes of the newest channel's connection."""
        with self._lock:
            self._listeners.append((callback, try_to_connect))
            self._newest.channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        """Hear of them no more."""
        with self._lock:
            self._listeners = [each for each in self._listeners if each[0] is not callback]
            self._newest.channel.unsubscribe(callback)

    def close(self) -> None:
        """Close every channel, and cancel the calls in progress."""
        with self._lock:
            self._closed = True
            still_open = [self._newest, *self._older]
            self._older.clear()
        for opened in still_open:
            opened.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Method:
    """One method of a service."""

    def __init__(self, channel: RenewedSyncChannel, look_up: Callable[[grpc.Channel], Any]) -> None:
        self._channel = channel
        self._look_up = look_up
        self._of: _Opened | None = None
        self._inner: Any = None
        channel.look_up(self)

    def at(self, opened: _Opened) -> Any:
        """Return the method on a channel, looked up there once. Called under the channels' lock."""
        if opened is not self._of:
            self._channel.require_open()
            self._of, self._inner = opened, self._look_up(opened.channel)
        return self._inner

    def with_call(self, *args: Any, **kwargs: Any) -> Any:
        """Make a call of a method that gives one answer, and wait for it."""
        opened, inner = self._channel.begin(self)
        try:
            return inner.with_call(*args, **kwargs)
        finally:
            self._channel.end(opened)
            self._channel.close_what_is_over()

    def future(self, *args: Any, **kwargs: Any) -> Any:
        """Begin a call of a method that gives one answer."""
        return self._begun("future", args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the answer, or the call where there are many."""
        return self._begun("__call__", args, kwargs)

    def _begun(self, way: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        opened, inner = self._channel.begin(self)
        try:
            answered = getattr(inner, way)(*args, **kwargs)
        except BaseException:
            self._channel.end(opened)
            raise
        if not isinstance(answered, grpc.RpcContext) or not answered.add_callback(lambda: self._channel.end(opened)):
            # It is the answer itself, or was over before it could be listened to.
            self._channel.end(opened)
        return answered
