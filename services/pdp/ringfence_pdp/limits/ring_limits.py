"""What an agent of a ring is held to while its call runs.

The sandbox is promised all of it with every answer; the rate is the one part the pdp can enforce itself, where
`ring_rates` says so.

| ring | time | memory | CPU | calls a second : at once | tools in a session |
| --- | --- | --- | --- | --- | --- |
| 0 | 300 s | 4 GiB | 4 cores | 100 : 200 | 32 |
| 1 | 120 s | 2 GiB | 2 cores | 50 : 100 | 16 |
| 2 | 60 s | 1 GiB | 1 core | 20 : 40 | 8 |
| 3 | 30 s | 256 MiB | half a core | 5 : 10 | 2 |
"""

from dataclasses import dataclass

from ringfence_kit.clock import SECOND, Millis

from ringfence_pdp.limit import Limit, LimitPer, LimitUnit

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RingLimits:
    """The row of one ring."""

    ring: int
    execution_time: Millis
    memory_bytes: int
    cpu_millicores: int
    requests_per_second: int
    request_burst: int
    max_tools: int

    @property
    def id(self) -> str:
        """The rate as answers name it."""
        return f"ring/{self.ring}"

    @property
    def rate(self) -> Limit:
        """The rate as a limit: for each agent."""
        return Limit(
            name=str(self.ring),
            budget=False,
            unit=LimitUnit.REQUESTS,
            per=LimitPer.AGENT,
            maximum=self.requests_per_second,
            window=SECOND,
            burst=self.request_burst,
        )


RING_LIMITS = tuple(
    RingLimits(
        ring=ring,
        execution_time=Millis(seconds * SECOND),
        memory_bytes=mebibytes * MIB,
        cpu_millicores=millicores,
        requests_per_second=rate,
        request_burst=burst,
        max_tools=tools,
    )
    for ring, (seconds, mebibytes, millicores, rate, burst, tools) in enumerate(
        (
            (300, 4_096, 4_000, 100, 200, 32),
            (120, 2_048, 2_000, 50, 100, 16),
            (60, 1_024, 1_000, 20, 40, 8),
            (30, 256, 500, 5, 10, 2),
        )
    )
)
"""By ring."""

RING_RATES = tuple(limits.rate for limits in RING_LIMITS)
