"""One service as a real process: started, waited for, killed, started again on the same data and ports."""

import asyncio
import atexit
import functools
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

T = TypeVar("T")

LONGEST_START_S = 60.0
LONGEST_DRAIN_S = 15.0
LINES_SHOWN = 15

QUICK_TO_RECONNECT: tuple[tuple[str, str | int], ...] = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
)
"""Channel options for whoever waits for a service to come up."""


class EndedByItself(AssertionError):  # noqa: N818 - named for what happened, like the failures of the kit
    """A service ended that nobody ended."""


class ServiceProcess:
    """A service's process, of which there is one at a time, and what all of them wrote."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        address: str,
        log: Path,
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        measured: bool = True,
    ) -> None:
        """`address` is asked for its health, with `credentials` if it serves TLS. `log` collects what it writes.

        It runs in `folder`, with `variables` in its environment. A process that is to be killed is better not
        `measured` for coverage: it is slower, and has nothing to show.
        """
        self.name = name
        self._command = command
        self._address = address
        self._log = log
        self._folder = folder
        self._credentials = credentials
        self._environment = environment(measured=measured) | dict(variables or {})
        self._process: Process | None = None
        self.lives = 0

    @property
    def pid(self) -> int:
        """The id of the process that runs now."""
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process, and wait for nothing."""
        assert not self.is_running, f"{self.name} runs already"
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.lives += 1

    async def serving(self) -> None:
        """Wait until its health says SERVING."""
        await self._unless_it_ends(self._healthy(wanted=HealthCheckResponse.SERVING))

    async def answering(self) -> None:
        """Wait until it answers at all, whatever its health."""
        await self._unless_it_ends(self._healthy(wanted=None))

    async def unwell(self) -> None:
        """Wait until its health says NOT_SERVING."""
        await self._unless_it_ends(self._healthy(wanted=HealthCheckResponse.NOT_SERVING))

    async def kill(self) -> None:
        """End it as kill -9 does."""
        process = self._running()
        process.kill()
        code = await process.wait()
        if code != -signal.SIGKILL:
            raise EndedByItself(f"{self.name} had ended by itself with {code}:\n{self.last_words()}")

    async def stop(self) -> int:
        """Ask it to end, and return the exit code."""
        process = self._running()
        process.terminate()
        return await asyncio.wait_for(process.wait(), LONGEST_DRAIN_S)

    async def ended(self) -> int:
        """Wait until it ends by itself, and return the exit code."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), LONGEST_DRAIN_S)

    async def end(self) -> None:
        """End it, one way or the other, if it runs."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), LONGEST_DRAIN_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def last_words(self) -> str:
        """Return the end of what it wrote."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join([f"--- {self.name}, {self.lives} lives, last lines of its log ---", *lines[-LINES_SHOWN:]])

    def _running(self) -> Process:
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    async def _unless_it_ends(self, reached: Awaitable[T]) -> T:
        """Return what `reached` gives, or raise as soon as the process ends."""
        process = self._running()
        waiting = asyncio.ensure_future(reached)
        ended = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait({waiting, ended}, timeout=LONGEST_START_S, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            how = f"ended with {process.returncode}" if ended.done() else f"took over {LONGEST_START_S} s"
            raise EndedByItself(f"{self.name} {how}:\n{self.last_words()}")
        finally:
            waiting.cancel()
            ended.cancel()
            await asyncio.gather(waiting, ended, return_exceptions=True)

    async def _healthy(self, *, wanted: int | None) -> None:
        async with self._channel() as channel:
            while True:
                watch = HealthStub(channel).Watch(HealthCheckRequest(), wait_for_ready=True)
                try:
                    async for answer in watch:
                        if wanted is None or answer.status == wanted:
                            return
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise

    def _channel(self) -> grpc.aio.Channel:
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._address, options=QUICK_TO_RECONNECT)
        return grpc.aio.secure_channel(self._address, self._credentials, options=QUICK_TO_RECONNECT)


def environment(*, measured: bool = True) -> dict[str, str]:
    """Return the environment of a service's process: this one's, without settings somebody has for meshes of their own.

    Where the tests are told to leave no bytecode beside the sources, it is kept aside: a process that compiles
    everything it imports takes three times as long to start.
    """
    unwanted = ("RINGFENCE_",) if measured else ("RINGFENCE_", "COVERAGE_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
    if kept.pop("PYTHONDONTWRITEBYTECODE", None):
        kept["PYTHONPYCACHEPREFIX"] = _bytecode_aside()
    return kept


@functools.cache
def _bytecode_aside() -> str:
    folder = tempfile.mkdtemp(prefix="ringfence-bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def service_command(name: str, config: Path) -> tuple[str, ...]:
    """Return how a service is started on its own."""
    return (sys.executable, "-m", f"ringfence_{name}", "--config", str(config))
