"""However traces are settled, in any order and over restarts: what is counted is what they came to last."""

import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import MINUTE, Instant, ManualClock, Millis
from ringfence_telemetry.workflows.settled import Settled
from support.backends import Backend
from support.telemetry.objectives import A, B, C, objective
from support.telemetry.promised import promised
from support.telemetry.settled import failed, part, settled

KINDS = ("good", "failed", "of b", "of c", "sampled", "cancelled", "alone", "untrusted")
TRACES = 6


class Step(NamedTuple):
    """A trace is settled as something, some minutes later."""

    number: int
    kind: str
    minutes: int


steps = st.lists(
    st.one_of(
        st.builds(Step, st.integers(1, TRACES), st.sampled_from(KINDS), st.integers(0, 3)),
        st.just("restart"),
        st.just("again"),
    ),
    max_size=30,
)


def trace(number: int, kind: str, at: Instant) -> Settled:
    match kind:
        case "failed":
            return failed(number, at=at)
        case "of b" | "of c":
            return failed(number, at=at, blame=B if kind == "of b" else C)
        case "sampled" | "cancelled":
            return failed(number, at=at, sampled=kind == "sampled", cancelled=kind == "cancelled")
        case "untrusted":
            return failed(number, at=at, trusted=False)
        case "alone":
            return settled(number, at=at, parts=(part(A, caller_side=False),))
        case _:
            return settled(number, at=at)


def oracle(last: dict[int, str]) -> tuple[int, dict[str, int]]:
    """Count what each trace came to last, as far as it is evidence."""
    blame: dict[str, int] = {}
    for kind in last.values():
        agent = {"failed": A, "of b": B, "of c": C}.get(kind)
        if agent is not None:
            blame[agent] = blame.get(agent, 0) + 1
    return sum(kind == "good" for kind in last.values()), blame


async def play(found: list[Step | str], directory: Path) -> None:
    clock, backend = ManualClock(), Backend(kind="memory")
    last: dict[int, str] = {}
    sent: list[Settled] = []
    rest = list(found)
    first = True
    while rest or first:
        async with promised(backend, directory, clock=clock) as mesh:
            if first:
                await mesh.define(objective())
                first = False
            while rest:
                step = rest.pop(0)
                if step == "restart":
                    break
                if not isinstance(step, Step):
                    await mesh.settle(*sent[-1:])
                    continue
                clock.advance(Millis(step.minutes * MINUTE))
                now = trace(step.number, step.kind, clock.now())
                await mesh.settle(now)
                sent.append(now)
                if step.kind != "untrusted":  # it takes nothing back from those who are believed
                    last[step.number] = step.kind
            clock.advance(MINUTE)
            at = clock.now()
            kept = (await mesh.parts.objectives.evaluate("slos/checkout", at, caller=mesh.operator)).standing
            assert mesh.parts.memory.slos.standing_at("slos/checkout", at // MINUTE) == kept
            good, blame = oracle(last)
            assert (kept.tally.good, kept.tally.bad) == (good, sum(blame.values()))
            assert {agent: blamed.bad for agent, blamed in kept.blame} == blame


@given(steps)
@settings(max_examples=60, deadline=None)
def test_what_is_counted_is_what_traces_came_to_last(found: list[Step | str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(play(found, Path(directory)))
