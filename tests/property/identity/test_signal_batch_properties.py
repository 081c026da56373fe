"""Signals as they are recorded: however they are batched, repeated and mixed, replicas agree to the micro-point."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_identity.model import AgentIdentity, IdentityStatus
from ringfence_identity.trust.caps import TrustLedger
from ringfence_identity.trust.evidence import SignalKind
from ringfence_identity.trust.signals import Signal
from ringfence_kit.clock import DAY, HOUR, MINUTE, ManualClock
from ringfence_kit.trust_decay import ring_at, score_at
from support.backends import Backend
from support.identity.opened import opened_identity
from support.identity.rated import T0, observed, put_agents, rated_agent, record_at

PROD = (rated_agent(1), rated_agent(2, score=650, sponsor="grace"), rated_agent(3, score=820, sponsor="alan"))
DEV = (rated_agent(1, environment="dev"), rated_agent(2, environment="dev", score=650, sponsor="grace"))
EVERY = (*PROD, *DEV)
RATERS = ("", "person:ada", "person:eve", *(agent.did for agent in EVERY), PROD[1].agent)


@dataclass(frozen=True)
class Moment:
    """Signals of one instant, and how one replica happens to split them into requests."""

    gap: int
    signals: tuple[Signal, ...]
    cuts: tuple[int, ...]


Batching = Callable[[Moment], Sequence[Sequence[Signal]]]


@st.composite
def moments(draw: st.DrawFn) -> list[Moment]:
    drawn, number = [], 0
    for _ in range(draw(st.integers(1, 6))):
        signals = []
        for _ in range(draw(st.integers(1, 8))):
            number += draw(st.integers(0, 1))  # now and then an id comes again
            kind = draw(st.sampled_from(SignalKind))
            agent = draw(st.sampled_from(EVERY))
            signals.append(observed(f"s-{number}", agent, kind, rater=draw(st.sampled_from(RATERS))))
        gap = draw(st.sampled_from([0, 1, 10 * MINUTE, HOUR, DAY, 3 * DAY, 30 * DAY]))
        cuts = draw(st.lists(st.integers(1, len(signals)), max_size=3).map(sorted))
        drawn.append(Moment(gap, tuple(signals), tuple(cuts)))
    return drawn


def whole(moment: Moment) -> Sequence[Sequence[Signal]]:
    return (moment.signals,)


def one_by_one(moment: Moment) -> Sequence[Sequence[Signal]]:
    return [(signal,) for signal in moment.signals]


def as_cut(moment: Moment) -> Sequence[Sequence[Signal]]:
    edges = [0, *moment.cuts, len(moment.signals)]
    return [moment.signals[start:end] for start, end in itertools.pairwise(edges) if start < end]


def repeated(moment: Moment) -> Sequence[Sequence[Signal]]:
    return [batch for batch in as_cut(moment) for _ in range(2)]


async def ledgers_after(
    history: Sequence[Moment], batched: Batching, agents: Sequence[AgentIdentity]
) -> dict[str, object]:
    """Return trust and standing by DID after a history, on a store in memory."""
    backend, now = Backend(kind="memory"), int(T0)
    async with opened_identity(backend, clock=ManualClock()) as service:
        await put_agents(service.writer, agents)
        for moment in history:
            now += moment.gap
            for batch in batched(moment):
                await record_at(service.writer, batch, now)
        return {
            agent.did: (known.trust, known.status)
            for agent in agents
            if (known := service.snapshot.identity(agent.did)) is not None
        }


@given(moments())
@settings(max_examples=40)
def test_replicas_agree_to_the_micro_point_however_signals_are_batched(history: list[Moment]) -> None:
    async def play() -> list[dict[str, object]]:
        return [await ledgers_after(history, batched, EVERY) for batched in (whole, one_by_one, as_cut)]

    first, second, third = asyncio.run(play())
    assert first == second == third


@given(moments())
@settings(max_examples=30)
def test_a_request_sent_again_changes_nothing(history: list[Moment]) -> None:
    async def play() -> list[dict[str, object]]:
        return [await ledgers_after(history, batched, EVERY) for batched in (as_cut, repeated)]

    once, twice = asyncio.run(play())
    assert once == twice


@given(moments())
@settings(max_examples=30)
def test_environments_never_touch(history: list[Moment]) -> None:
    """What happens in dev is nothing to prod: without dev's signals and agents, prod stands exactly the same."""

    async def play() -> list[dict[str, object]]:
        alone = [
            Moment(moment.gap, tuple(one for one in moment.signals if one.environment == "prod"), ())
            for moment in history
        ]
        return [await ledgers_after(history, whole, EVERY), await ledgers_after(alone, one_by_one, PROD)]

    mixed, alone = asyncio.run(play())
    assert {did: mixed[did] for did in alone} == alone


@given(moments())
@settings(max_examples=30)
def test_a_score_recorded_stays_within_its_bounds_and_a_suspended_agent_gains_nothing(history: list[Moment]) -> None:
    async def play() -> None:
        backend, now = Backend(kind="memory"), int(T0)
        async with opened_identity(backend, clock=ManualClock()) as service:
            await put_agents(service.writer, EVERY)
            for moment in history:
                now += moment.gap
                before = {agent.did: service.snapshot.identity(agent.did) for agent in EVERY}
                await record_at(service.writer, moment.signals, now)
                for did, earlier in before.items():
                    later = service.snapshot.identity(did)
                    assert earlier is not None
                    assert later is not None
                    _check(earlier.trust, later.trust, now, suspended=earlier.status is IdentityStatus.SUSPENDED)

    asyncio.run(play())


def _check(before: TrustLedger, after: TrustLedger, now: int, *, suspended: bool) -> None:
    at = type(T0)(now)
    assert 0 <= score_at(after.state, at) <= after.state.ceiling
    assert score_at(after.state, at) - score_at(before.state, at) <= 60
    assert ring_at(after.state, at) >= 1
    if suspended:
        assert score_at(after.state, at) <= score_at(before.state, at)
        assert ring_at(after.state, at) >= ring_at(before.state, at)
