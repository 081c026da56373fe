"""The same spans in any order, any batching and any repetition give the same totals, asked of the running service.

One service takes all examples. Each way of sending has sessions of its own, and its root names one, so that the totals
of two ways can be held against each other.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from support.serving import SERVICE
from support.telemetry.mesh import TelemetryMesh, telemetry_mesh
from support.telemetry.spans import NOW, SpanSpec, request_of

T = TypeVar("T")

GROUPS = [
    pb.USAGE_GROUP_AGENT,
    pb.USAGE_GROUP_SESSION,
    pb.USAGE_GROUP_MODEL,
    pb.USAGE_GROUP_OPERATION,
    pb.USAGE_GROUP_TOOL,
    pb.USAGE_GROUP_TEAM,
    pb.USAGE_GROUP_OUTCOME,
]

Attributes = dict[str, str | int | float | bool | bytes | None]


@dataclass(frozen=True, slots=True)
class Way:
    """How spans are sent: their order with repetitions, and where one request ends and the next begins."""

    order: Sequence[int]
    cuts: frozenset[int]


@dataclass(slots=True)
class Service:
    """A telemetry on an event loop of its own, which runs whenever somebody waits for an answer."""

    runner: asyncio.Runner
    telemetry: TelemetryMesh
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def totals(self, specs: Sequence[SpanSpec], way: Way) -> list[pb.UsageRow]:
        """Return what the spans come to, sent that way."""
        return self.runner.run(self._totals(specs, way))

    async def _totals(self, specs: Sequence[SpanSpec], way: Way) -> list[pb.UsageRow]:
        number = next(self._numbers)
        mark = f"way {number}: "
        sent = [_marked(specs[at], mark, number) for at in way.order]
        edges = [0, *sorted(cut for cut in way.cuts if 0 < cut < len(sent)), len(sent)]
        for start, end in itertools.pairwise(edges):
            await self.telemetry.traces(SERVICE).Export(request_of(sent[start:end]))
        await self.telemetry.everything_counted()
        answer = await self.telemetry.usage().GetUsage(pb.GetUsageRequest(group_by=GROUPS))
        return _unmarked([row for row in answer.rows if row.session.startswith(mark)], mark)


def _marked(spec: SpanSpec, mark: str, number: int) -> SpanSpec:
    attributes: Attributes = dict(spec.attributes)
    if "session.id" in attributes:
        attributes["session.id"] = mark + str(spec.attributes["session.id"])
    return spec._replace(attributes=attributes, trace=number * 10 + spec.trace)


def _unmarked(rows: list[pb.UsageRow], mark: str) -> list[pb.UsageRow]:
    for row in rows:
        row.session = row.session.removeprefix(mark)
    return sorted(rows, key=lambda row: row.SerializeToString(deterministic=True))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with asyncio.Runner() as runner:
        ready: asyncio.Future[TelemetryMesh] = runner.run(_created(asyncio.Future))
        over = runner.run(_created(asyncio.Event))

        async def live() -> None:
            async with telemetry_mesh(tmp_path_factory.mktemp("telemetry")) as telemetry:
                ready.set_result(telemetry)
                await over.wait()

        life = runner.run(_created(lambda: asyncio.ensure_future(live())))
        runner.run(_first_of(ready, life))
        yield Service(runner, ready.result())
        over.set()
        runner.run(_awaited(life))


async def _created(make: Callable[[], T]) -> T:
    return make()


async def _first_of(ready: "asyncio.Future[TelemetryMesh]", life: "asyncio.Future[None]") -> None:
    both: set[asyncio.Future[Any]] = {ready, life}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        life.result()  # it did not start


async def _awaited(something: Awaitable[T]) -> T:
    return await something


@st.composite
def spans_of(draw: st.DrawFn, name: int, trace: int, count: int) -> SpanSpec:
    attributes: Attributes = {
        "gen_ai.operation.name": draw(st.sampled_from(["chat", "invoke_agent", "execute_tool", "unheard-of"])),
        "gen_ai.usage.input_tokens": draw(st.integers(0, 50)),
        "gen_ai.usage.output_tokens": draw(st.integers(0, 50)),
    }
    optional = {
        "gen_ai.agent.name": ["planner", "writer", ""],
        "session.id": ["s-1", "s-2", ""],
        "gen_ai.request.model": ["large", "small", ""],
        "gen_ai.tool.name": ["search", ""],
        "ringfence.team": ["sales", ""],
    }
    for key, values in optional.items():
        value = draw(st.sampled_from(values))
        if value:
            attributes[key] = value
    if name == 1:
        attributes["session.id"] = "the root's"
    # Any parent, itself, one that never comes (count + 1), and cycles among them.
    parent = 0 if name == 1 else draw(st.integers(1, count + 1))
    start = NOW + draw(st.integers(0, 5))
    error = draw(st.booleans())
    return SpanSpec(name, parent, attributes, trace, start, draw(st.integers(0, 3)), error=error)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[SpanSpec], Way]:
    specs = []
    for trace in range(1, draw(st.integers(1, 2)) + 1):
        count = draw(st.integers(1, 9))
        specs += [draw(spans_of(name, trace, count)) for name in range(1, count + 1)]
    repeated = draw(st.lists(st.integers(0, len(specs) - 1), max_size=6))
    order = draw(st.permutations([*range(len(specs)), *repeated]))
    return specs, Way(order, frozenset(draw(st.sets(st.integers(1, len(order)), max_size=len(order)))))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_any_order_and_any_batching_give_the_same_totals(service: Service, history: tuple[list[SpanSpec], Way]) -> None:
    specs, way = history
    straight = service.totals(specs, Way(range(len(specs)), frozenset()))
    assert sum(row.span_count for row in straight) == len(specs)
    assert service.totals(specs, way) == straight
