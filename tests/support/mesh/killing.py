"""Kills a service again and again, at moments drawn from a seed, and starts it on the same data and ports."""

import random

from support.mesh.load import Pulse
from support.mesh.process import LONGEST_START_S, ServiceProcess

LONGEST_OPENING_S = 2.0
MOST_ACKNOWLEDGED = 25
LONGEST_AFTER_S = 0.05


async def kill_at_work(service: ServiceProcess, pulse: Pulse, moments: random.Random) -> None:
    """Kill a service that has acknowledged something in this life and is in the middle of more."""
    acknowledged = await pulse.beats(moments.randint(1, MOST_ACKNOWLEDGED), within=LONGEST_START_S)
    assert acknowledged, f"nothing was acknowledged any more:\n{service.last_words()}"
    # Not right after an answer: groups are on their way to the disk all the time.
    await pulse.beats(MOST_ACKNOWLEDGED, within=moments.uniform(0, LONGEST_AFTER_S))
    await service.kill()


async def kill_while_opening(service: ServiceProcess, pulse: Pulse, moments: random.Random) -> None:
    """Kill a service soon after its start: while it recovers from the kill before, or at its first answer."""
    await pulse.beats(1, within=moments.uniform(0, LONGEST_OPENING_S))
    await service.kill()


async def kill_again_and_again(
    service: ServiceProcess, pulse: Pulse, *, at_work: int, while_opening: int, seed: str
) -> None:
    """Kill a running service as often as asked, in an order drawn from `seed`; it serves when this returns."""
    moments = random.Random(seed)
    ways = [kill_at_work] * (at_work - 1) + [kill_while_opening] * while_opening
    moments.shuffle(ways)
    for way in (kill_at_work, *ways):  # the first life opens on nothing, which is no recovery
        await way(service, pulse, moments)
        await service.start()
    await service.serving()
