"""How long a sender waits for telemetry: durable acknowledgements, with eight requests in flight.

One telemetry process on SQLite and one client, requests of 1, 64 and 512 spans. Each size is sent twice: as fast as
eight senders get answers, which says what the service can do, and then at half of that rate, which is how somebody runs
it. At full speed a sender waits for the spans of all others to be counted: that is back-pressure. What a request costs
anyway, without any span, is measured in the same run, as the unit. So is how much of the time the server waited for a
core that somebody else had: where that is more than a little, waits say more of the machine than of telemetry. Every
answer is checked, and the totals in the end. Each series ends by itself: after so many requests, or after ten seconds.

    python bench/telemetry_load.py             prints p50 and p99, and both in units
    python bench/telemetry_load.py --check     ends with 1 when p99 at half the rate is over 100 ms with 512 spans
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import token_file
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub
from ringfence_kit.dev_tokens import open_dev_tokens, token_path
from telemetry_ingest import request, telemetry

if TYPE_CHECKING:
    from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceAsyncStub  # only its types exist

IN_FLIGHT = 8
SIZES = (1, 64, 512)
REQUESTS = {0: 600, 1: 600, 64: 300, 512: 160}
LONGEST_S = 10.0
"""No series is measured for longer."""
PROMISED_MS = 100.0

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_OK = ExportTraceServiceResponse().SerializeToString()


@dataclass(slots=True)
class Series:
    """What one series of requests came to."""

    spans: int
    """In one request."""
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    """Seconds, one for each request."""
    without_core: float = 0.0
    """Seconds for which threads of the server were ready to run and had no core."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.waits) / self.seconds

    def quantile(self, share: float) -> float:
        """Return the milliseconds within which that share of requests was answered."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000


def payloads(spans: int, count: int, dice: random.Random) -> list[bytes]:
    """Return requests of so many spans, all different, encoded: the client is to cost as little as it can."""
    found: list[bytes] = []
    while len(found) < count:
        whole = request(dice)
        (scope,) = whole.resource_spans[0].scope_spans
        rest: Sequence[Span] = list(scope.spans)
        for at in range(0, len(rest), spans) if spans else [0]:
            del scope.spans[:]
            scope.spans.extend(rest[at : at + spans])
            found.append(whole.SerializeToString())
    return found[:count]


async def send(
    channel: grpc.aio.Channel, spans: int, bodies: Sequence[bytes], *, pid: int, rate: float = 0.0
) -> Series:
    """Send requests from several senders at once, so many a second when a `rate` is given."""
    export: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_EXPORT)
    before = without_core(pid)
    series, rest, begun = Series(spans), iter(enumerate(bodies)), time.perf_counter()

    async def sender() -> None:
        for number, body in rest:
            if rate:
                await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            started = time.perf_counter()
            if started - begun > LONGEST_S:
                return
            assert await export(body) == _OK
            series.waits.append(time.perf_counter() - started)

    await asyncio.gather(*[sender() for _ in range(IN_FLIGHT)])
    series.seconds = time.perf_counter() - begun
    series.without_core = without_core(pid) - before
    return series


def without_core(pid: int) -> float:
    """Return for how many seconds threads of a process have waited for a core (Linux: sched-stats.rst, schedstat)."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[1]) for each in threads) / 1e9


async def measure() -> list[tuple[Series, Series]]:
    """Return, for requests of each size, full speed and half of it; without spans first."""
    dice, found = random.Random(11), list[tuple[Series, Series]]()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        open_dev_tokens(data)
        async with telemetry(data) as (pid, address):
            options = ChannelOptions(token=token_file(token_path(data, "service")))
            async with open_aio_channel(address, options) as channel:
                usage: UsageServiceAsyncStub = UsageServiceStub(channel)
                await usage.GetUsage(pb.GetUsageRequest(), wait_for_ready=True)
                for spans in (0, *SIZES):
                    bodies = payloads(spans, 2 * REQUESTS[spans], dice)
                    full = await send(channel, spans, bodies[: REQUESTS[spans]], pid=pid)
                    await everything_counted(usage)
                    half = await send(channel, spans, bodies[REQUESTS[spans] :], pid=pid, rate=full.rate / 2)
                    await everything_counted(usage)
                    found.append((full, half))
                rows = (await usage.GetUsage(pb.GetUsageRequest())).rows
                sent = sum(series.spans * len(series.waits) for pair in found for series in pair)
                assert sum(row.span_count for row in rows) == sent
    return found


async def everything_counted(usage: "UsageServiceAsyncStub") -> None:
    """Wait until what was sent is in the totals."""
    while (await usage.GetUsage(pb.GetUsageRequest())).pending_spans:
        continue


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help=f"fail when p99 is over {PROMISED_MS:g} ms")
    asked = parser.parse_args()
    found = asyncio.run(measure())
    unit = statistics.median(found[0][1].waits) * 1_000
    print(f"{IN_FLIGHT} in flight; unit: {unit:.2f} ms, the median of a request without spans at half the rate")
    for full, half in found:
        for name, series in (("full speed", full), ("half of it", half)):
            p50, p99 = series.quantile(0.5), series.quantile(0.99)
            rate = f"{series.rate:7.0f} requests/s, {series.rate * series.spans:8.0f} spans/s"
            said = f"{series.spans:4} spans, {name}: {rate}"
            waits = f"p50 {p50:6.1f} ms ({p50 / unit:5.1f} units), p99 {p99:6.1f} ms ({p99 / unit:5.1f} units)"
            print(f"{said}, {waits}, without a core {series.without_core / series.seconds:4.0%}")
    worst = found[-1][1].quantile(0.99)
    return int(asked.check and worst > PROMISED_MS)


if __name__ == "__main__":
    sys.exit(main())
