"""A service that is killed again and again in the middle of its work, for the kill -9 test.

Run as a program with a database URL, a number of kills and a seed, it forks a child per life: the child opens the
switches service, writes with many callers at once and follows a watch. On a pipe it says `open` when it starts to,
`ack NAME REVISION` after a write was answered, and `saw REVISION` for each event. The parent kills it at some moment,
while it is opening, soon after it has opened, or soon after its first answer, and starts the next one, which resumes
the watch where the last one was heard of. At the end it prints as JSON what all lives were promised.
"""

import asyncio
import json
import os
import random
import select
import signal
import sys
import time
from contextlib import aclosing
from dataclasses import asdict, dataclass, field

from ringfence_kit.events import Revision

from support.backends import Backend
from support.switches.flip_switch import flip_switch
from support.switches.mutations import once
from support.switches.opened import Switches, opened_switches
from support.watching import only_events

CALLERS = 16
LONGEST_OPENING_S = 0.15
LONGEST_WORK_S = 0.06
LONGEST_WAIT_S = 20.0


@dataclass(slots=True)
class Promises:
    """What the lives so far were told."""

    kills: int = 0
    opened: int = 0
    acknowledged: dict[str, int] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        match line.split():
            case ["ack", name, revision]:
                self.acknowledged[name] = int(revision)
            case ["open"]:
                self.opened += 1
            case ["saw", revision]:
                self.seen.append(int(revision))
            case _:
                self.broken.append(line)


class Life:
    """One child's work, told line by line. A line is one write(2), so a kill leaves whole lines."""

    def __init__(self, number: int, before: Promises, pipe: int) -> None:
        self._number = number
        self._before = before
        self._pipe = pipe

    def _say(self, line: str) -> None:
        os.write(self._pipe, f"{line}\n".encode())

    async def live(self, backend: Backend) -> None:
        async with opened_switches(backend) as service:
            for name in self._before.acknowledged:
                if service.snapshot.switch(name) is None:
                    self._say(f"lost {name}")
            self._say("open")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(service))
                for caller in range(CALLERS):
                    tasks.create_task(self._call(service, caller))

    async def _call(self, service: Switches, caller: int) -> None:
        turn = 0
        while True:
            name = f"s{self._number}-{caller}-{turn}"
            await flip_switch(service.writer, name=name, on=True, reason="", mutation=once(name))
            self._say(f"ack {name} {service.hub.newest}")
            turn += 1

    async def _follow(self, service: Switches) -> None:
        start = Revision(self._before.seen[-1] if self._before.seen else 0)
        async with aclosing(service.hub.watch(start)) as stream:
            async for event in only_events(stream):
                self._say(f"saw {event.revision}")


def live_and_be_killed(number: int, url: str, promises: Promises, moments: random.Random) -> None:
    """Start one life, end it at some moment, and take down what it was told."""
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        asyncio.run(Life(number, promises, told).live(Backend(kind="sqlite", url=url)))
        os._exit(1)
    os.close(told)
    kind = moments.random()
    if kind < 0.25:
        text = listen(heard, moments.uniform(0, LONGEST_OPENING_S))
    else:
        # Every other life is waited for until it was promised something, however slow the machine is.
        text = listen(heard, LONGEST_WAIT_S, sign=b"open\n" if kind < 0.5 else b"\nack ")
        text += listen(heard, moments.uniform(0, LONGEST_WORK_S))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    text += listen(heard, LONGEST_WAIT_S)
    os.close(heard)
    promises.kills += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    for line in text.decode().splitlines():
        promises.hear(line)


def listen(pipe: int, seconds: float, *, sign: bytes | None = None) -> bytes:
    """Return what comes out of `pipe` within `seconds`, up to `sign` if one is given, or to its end."""
    until = time.monotonic() + seconds
    text = b""
    while sign is None or sign not in text:
        if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
            break
        if not (piece := os.read(pipe, 65_536)):
            break
        text += piece
    return text


def main() -> None:
    url, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    moments = random.Random(seed)
    promises = Promises()
    for number in range(kills):
        live_and_be_killed(number, url, promises, moments)
    json.dump(asdict(promises), sys.stdout)


if __name__ == "__main__":
    main()
