"""Approvals in a process that is killed again and again: opened, voted on and used by many callers at once.

Run as a program with a database URL, a number of kills and a seed. Each life says on a pipe what it was answered:
`open`, `voted NAME`, `used NAME DECISION`. At the end the program prints as JSON what all lives were told.
"""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from ringfence_kit.errors import Failure
from ringfence_kit.ids import random_ids
from ringfence_pdp.approvals.settling import Bounds

from support.backends import Backend
from support.killed_writer import LONGEST_WAIT_S, listen
from support.pdp.people import ADA, BOB, People, asked, people, question

CALLERS = 8
QUESTIONS = 3
LONGEST_WORK_S = 0.3


@dataclass(slots=True)
class Told:
    """What the lives so far were answered."""

    kills: int = 0
    opened: int = 0
    voted: list[str] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)

    def hear(self, line: str) -> None:
        match line.split():
            case ["open"]:
                self.opened += 1
            case ["voted", name]:
                self.voted.append(name)
            case ["used", name, decision]:
                self.used.append((name, decision))
            case _:
                raise ValueError(line)


async def live(url: str, pipe: int) -> None:
    def say(line: str) -> None:
        os.write(pipe, f"{line}\n".encode())

    async with people(
        Backend(kind="sqlite", url=url), bounds=Bounds(open_of_one=9, open_of_namespace=9, open_in_all=9, kept=999)
    ) as at:
        say("open")
        async with asyncio.TaskGroup() as tasks:
            for caller in range(CALLERS):
                tasks.create_task(_call(at, caller, say))


async def _call(at: People, caller: int, say: Callable[[str], None]) -> None:
    what = question(action=f"drop_{caller % QUESTIONS}")
    while True:
        decision = random_ids()
        said = await at.put(what, by=asked(decision))
        assert said.approval is not None
        if said.yes:
            say(f"used {said.approval.name} {decision}")
            continue
        with suppress(Failure):  # somebody else was faster
            await at.vote(ADA if caller % 2 else BOB, said.approval.name)
            say(f"voted {said.approval.name}")


def live_and_be_killed(url: str, told: Told, moments: random.Random) -> None:
    heard, tells = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        asyncio.run(live(url, tells))
        os._exit(1)
    os.close(tells)
    text = listen(heard, LONGEST_WAIT_S, sign=b"open\n")
    text += listen(heard, moments.uniform(0, LONGEST_WORK_S))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    text += listen(heard, LONGEST_WAIT_S)
    os.close(heard)
    told.kills += 1
    for line in text.decode().splitlines():
        told.hear(line)


def main() -> None:
    url, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    moments, told = random.Random(seed), Told()
    for _ in range(kills):
        live_and_be_killed(url, told, moments)
    json.dump(asdict(told), sys.stdout)


if __name__ == "__main__":
    main()
