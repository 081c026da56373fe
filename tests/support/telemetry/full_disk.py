"""Ingest on a disk that takes no more: `python -m support.telemetry.full_disk FOLDER HOW` says what senders were told.

The disk of FOLDER is full after a few requests, and later is not: it is a small file system, most of which another file
fills (`ballast`), or no file on it may grow beyond 64 KiB (`limit`, which is RLIMIT_FSIZE). Nothing is played: the
kernel refuses, in the middle of a write when it comes to that. With `bound` ingest itself stops before, at 64 KiB.

Where nobody may mount a file system, `on_a_full_disk` takes a `SmallDisk` instead, and everything else is the same.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ringfence_kit.errors import Unavailable
from ringfence_telemetry.errors import IngestOverloaded
from ringfence_telemetry.segment_disk import LOCAL_DISK, Disk

from support.backends import Backend
from support.telemetry.ingesting import Ingesting, ingesting
from support.telemetry.opened import opened_store
from support.telemetry.spans import SpanSpec, request_of

BALLAST = 384 * 1024
FILE_BYTES = 64 * 1024
SPANS = 50
"""In one request: about 4 KiB."""
REFUSALS = 3
LEAST = 64 * 1024
NO_BOUND = -(2**40)


@dataclass
class Told:
    """What all senders together were told, in spans."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    problems: set[str] = field(default_factory=set)

    async def send(self, at_work: Ingesting) -> bool:
        """Send a request; say whether it was accepted."""
        spans = [SpanSpec(self.sent + each, trace=self.sent + 1) for each in range(1, SPANS + 1)]
        self.sent += SPANS
        try:
            await at_work.export(request_of(spans).SerializeToString())
        except (IngestOverloaded, Unavailable) as problem:
            self.refused += SPANS
            self.problems.add(problem.message)
            return False
        self.acknowledged += SPANS
        return True


async def on_a_full_disk(
    log: Path, make_room: Callable[[], None], *, least: int, disk: Disk = LOCAL_DISK
) -> dict[str, object]:
    """Send until the disk is full and beyond, make room, send on, and start again; return what was told and counted."""
    told, backend = Told(), Backend(kind="memory")
    async with opened_store(backend) as opened:
        async with ingesting(opened, log, free_bytes_least=least, disk=disk) as at_work:
            while told.refused < REFUSALS * SPANS:
                await told.send(at_work)
            make_room()
            taken_again = [await told.send(at_work) for _ in range(5)]
            await at_work.ingest.caught_up()
            at_work.assert_conserved()
            counts = at_work.counts
            counted = {"received": counts.received, "acknowledged": counts.acknowledged, "refused": counts.refused}
            room = {"items": at_work.admission.items, "bytes": at_work.admission.bytes}
        async with ingesting(opened, log) as again:
            again.assert_conserved()
            after = {"rolled_up": again.counts.rolled_up, "pending": again.counts.pending}
            spans = sum(each.spans for each in (await again.totals()).values())
    empty = Backend(kind="memory")
    async with opened_store(empty) as opened, ingesting(opened, log) as from_the_log:
        replayed = sum(each.spans for each in (await from_the_log.totals()).values())
    return {
        "told": {"sent": told.sent, "acknowledged": told.acknowledged, "refused": told.refused},
        "problems": sorted(told.problems),
        "taken_again": taken_again,
        "counted": counted,
        "room": room,
        "after": after,
        "totals": spans,
        "replayed": replayed,
    }


def _make_room(ballast: Path) -> None:
    ballast.unlink(missing_ok=True)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def main() -> None:
    """Fill the disk as told, and see what comes of it."""
    folder, how = Path(sys.argv[1]), sys.argv[2]
    ballast = folder / "ballast"
    if how != "limit":
        ballast.write_bytes(bytes(BALLAST))
    else:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, most))
    least = LEAST if how == "bound" else NO_BOUND
    print(json.dumps(asyncio.run(on_a_full_disk(folder / "log", partial(_make_room, ballast), least=least))))


if __name__ == "__main__":
    main()
