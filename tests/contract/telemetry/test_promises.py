"""Objectives from settled traces to alerts and signals, over every store, by a clock moved by hand."""

from collections.abc import AsyncIterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import HOUR, MINUTE, SECOND, Instant, Millis
from ringfence_kit.errors import NotPermitted, QuotaExceeded
from ringfence_telemetry.alerts.alert import AlertEventType
from ringfence_telemetry.evaluation.judgement import Judgement, Layer
from ringfence_telemetry.signals import Conduct, SignalKind
from ringfence_telemetry.slo.objective import Objective
from ringfence_telemetry.slo.standing import Order, Standing, State
from ringfence_telemetry.store import TelemetryTx
from support.backends import Backend
from support.telemetry.objectives import A, B, C, objective
from support.telemetry.promised import Promised, promised
from support.telemetry.settled import failed, part, settled

NAME = "slos/checkout"


@pytest.fixture
async def mesh(backend: Backend, tmp_path: Path) -> AsyncIterator[Promised]:
    async with promised(backend, tmp_path) as opened:
        yield opened


async def standing(mesh: Promised, name: str = NAME) -> Standing:
    """Return how an objective stands, which the rows and the memory agree upon."""
    now = mesh.clock.now()
    kept = (await mesh.parts.objectives.evaluate(name, now, caller=mesh.operator)).standing
    assert mesh.parts.memory.slos.standing_at(name, now // MINUTE) == kept
    return kept


async def counts(mesh: Promised, name: str = NAME) -> tuple[int, int]:
    mesh.clock.advance(MINUTE)
    tally = (await standing(mesh, name)).tally
    return tally.good, tally.bad


async def known_in(mesh: Promised, environment: str, *dids: str) -> None:
    def work(tx: TelemetryTx) -> None:
        for did in dids:
            tx.remember(Conduct(did=did, environment=environment))

    await mesh.opened.writer.write(work, mutation=mesh.by_telemetry, result=type(None))


async def minute_of(mesh: Promised, *, good: int = 0, bad: int = 0, blame: str = B, first: int) -> None:
    """Count a minute's traces, numbered from `first`, and close it."""
    now = mesh.clock.now()
    traces = [settled(first + number, at=now) for number in range(good)]
    traces += [failed(first + good + number, at=now, blame=blame) for number in range(bad)]
    await mesh.settle(*traces)
    await mesh.minutes()


# What counts


async def test_a_trace_is_counted_and_blamed(mesh: Promised) -> None:
    await mesh.define(objective())
    now = mesh.clock.now()
    await mesh.settle(settled(1, at=now), failed(2, at=now, blame=B), failed(3, at=now))
    mesh.clock.advance(MINUTE)
    found = await standing(mesh)
    assert found.tally == (1, 2, 2)
    assert [(agent, blamed.bad) for agent, blamed in found.blame] == [(A, 1), (B, 1)]
    blamed = (await mesh.parts.objectives.evaluate(NAME, None, caller=mesh.operator)).blamed
    assert {agent: each.trace_ids for agent, each in blamed.items()} == {
        A: ((3).to_bytes(16, "big").hex(),),
        B: ((2).to_bytes(16, "big").hex(),),
    }


async def test_the_same_trace_settled_twice_counts_once(mesh: Promised) -> None:
    await mesh.define(objective())
    trace = settled(1, at=mesh.clock.now())
    for _ in range(3):
        await mesh.settle(trace, previous=[trace])
    assert await counts(mesh) == (1, 0)


async def test_a_late_span_corrects_what_was_counted(mesh: Promised) -> None:
    await mesh.define(objective())
    now = mesh.clock.now()
    await mesh.settle(settled(1, at=now))
    await mesh.settle(failed(1, at=now, blame=B), previous=[settled(1, at=now)])
    assert await counts(mesh) == (0, 1)
    await mesh.settle(settled(1, at=now))
    assert await counts(mesh) == (1, 0)
    assert (await standing(mesh)).blame == ()


async def test_a_late_span_that_makes_it_no_evidence_takes_it_back(mesh: Promised) -> None:
    await mesh.define(objective())
    now = mesh.clock.now()
    await mesh.settle(failed(1, at=now, blame=B))
    await mesh.settle(replace(failed(1, at=now, blame=B), sampled=True))
    assert await counts(mesh) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"trusted": False},
        {"sampled": True},
        {"cancelled": True},
        {"parts": (part(A, caller_side=False),)},
        {"parts": ()},
        {"agent": B},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_what_is_no_evidence(mesh: Promised, change: dict[str, object]) -> None:
    await mesh.define(objective())
    trace = settled(1, at=mesh.clock.now())
    await mesh.settle(replace(trace, failed=True, **change))  # type: ignore[arg-type] # fields of a trace
    assert await counts(mesh) == (0, 0)


async def test_somebody_untrusted_cannot_take_a_trusted_trace_back(mesh: Promised) -> None:
    await mesh.define(objective())
    now = mesh.clock.now()
    await mesh.settle(failed(1, at=now, blame=B))
    await mesh.settle(replace(settled(1, at=now), trusted=False))
    assert await counts(mesh) == (0, 1)


async def test_only_its_operation_is_measured(mesh: Promised) -> None:
    await mesh.define(objective(operation="quote"))
    now = mesh.clock.now()
    await mesh.settle(settled(1, at=now), settled(2, at=now, skill="quote"), settled(3, at=now, operation="quote"))
    assert await counts(mesh) == (2, 0)


async def test_nothing_before_it_was_defined_counts_and_nothing_ends_in_the_future(mesh: Promised) -> None:
    await mesh.define(objective())
    now = mesh.clock.now()
    await mesh.settle(settled(1, at=Instant(now - 1)), settled(2, at=Instant(now + HOUR)))
    assert await counts(mesh) == (1, 0)


async def test_late_is_bad_and_of_whoever_was_furthest_over_its_own_time(mesh: Promised) -> None:
    await mesh.define(
        objective(latency=Millis(1_000)),
        objective(name="slos/b", agent=B, latency=Millis(100)),
        objective(name="slos/c", agent=C, latency=Millis(500)),
    )
    now = mesh.clock.now()
    parts = (
        part(A, own_micros=900_000),
        part(B, own_micros=150_000),
        part(C, own_micros=600_000),
        part("namespaces/x/agents/promised-nothing", own_micros=900_000),
    )
    late = settled(1, at=now, duration_micros=1_000_001, parts=parts)
    in_time = settled(2, at=now, duration_micros=1_000_000, parts=parts)
    alone = settled(3, at=now, duration_micros=2_000_000)
    await mesh.settle(late, in_time, alone)
    mesh.clock.advance(MINUTE)
    found = await standing(mesh)
    assert (found.tally.good, found.tally.bad, found.tally.errors) == (1, 2, 0)
    assert [agent for agent, _ in found.blame] == [A, C]


async def test_what_is_asked_without_a_moment_is_the_last_minute_that_is_closed(mesh: Promised) -> None:
    await mesh.define(objective())
    await mesh.settle(settled(1, at=mesh.clock.now()))
    for seconds, total in ((60, 0), (39, 0), (1, 1)):
        mesh.clock.advance(Millis(seconds * SECOND))
        evaluated = await mesh.parts.objectives.evaluate(NAME, None, caller=mesh.operator)
        _, shown = mesh.parts.objectives.get(NAME, caller=mesh.operator)
        assert evaluated.standing == shown
        assert shown.tally.total == total


# An evaluation


def judgement(number: int, *, passed: bool, metric: str = "grounded", at: Instant) -> Judgement:
    return Judgement(
        key=f"{number}-{passed}",
        agent=A,
        layer=Layer.WORKFLOW,
        metric=metric,
        passed=passed,
        trace_id=number.to_bytes(16, "big"),
        judge="test",
        at=at,
        recorded_at=at,
    )


async def judged(mesh: Promised, *judgements: Judgement) -> None:
    def work(tx: TelemetryTx) -> None:
        tx.keep_judgements(judgements)
        mesh.parts.judge.was_evaluated(tx, {each.trace_id for each in judgements})

    await mesh.opened.writer.write(work, mutation=mesh.by_telemetry, result=type(None))


async def test_good_is_what_passed_its_evaluation(mesh: Promised) -> None:
    await mesh.define(objective(evaluation="grounded"))
    now = mesh.clock.now()
    await judged(mesh, judgement(1, passed=True, at=now), judgement(2, passed=False, at=now))
    await judged(mesh, judgement(3, passed=False, metric="polite", at=now))
    await mesh.settle(*(settled(number, at=now) for number in (1, 2, 3)), failed(4, at=now, blame=B))
    # The third was not evaluated by that name yet, and the fourth failed whatever it is evaluated to.
    assert await counts(mesh) == (1, 2)
    await judged(mesh, judgement(3, passed=True, at=now), judgement(4, passed=True, at=now))
    assert await counts(mesh) == (2, 2)
    await judged(mesh, judgement(1, passed=False, at=now))
    assert await counts(mesh) == (1, 3)


# Alerts and signals


async def test_a_budget_burns_is_exhausted_and_recovers(mesh: Promised) -> None:
    await mesh.define(objective())
    await known_in(mesh, "prod", A, B)
    for number in range(2):
        await minute_of(mesh, good=30, first=1_000 * number)
    assert await mesh.alerts() == []
    await minute_of(mesh, good=10, bad=20, first=5_000)
    fires = {alert.key: alert for alert in await mesh.alerts()}
    assert set(fires) == {
        "slo-burn/checkout/1h",
        "slo-burn/checkout/6h",
        "slo-burn/checkout/1d",
        "slo-burn/checkout/3d",
        "slo-exhausted/checkout",
    }
    page = fires["slo-burn/checkout/1h"]
    assert (page.page, page.agent, page.subject) == (True, B, NAME)
    assert page.evidence["burn_1h"] == "200/9"
    assert page.evidence["threshold"] == "14.4"
    assert len(page.trace_ids) == 5
    assert not fires["slo-burn/checkout/1d"].page
    assert page.message.startswith("slos/checkout uses its error budget 22.22 times as fast as it may over 1h")
    found = await standing(mesh)
    assert (found.state, found.order) == (State.EXHAUSTED, Order.ESCALATE_HUMAN)
    assert found.used == Fraction(200, 9)
    await mesh.minutes(6)
    assert "slo-burn/checkout/1h" not in {alert.key for alert in await mesh.alerts()}
    resolved = [event.alert.key for event in await mesh.alert_events() if event.type is AlertEventType.RESOLVED]
    assert resolved == ["slo-burn/checkout/1h"]


async def test_identity_hears_once_and_only_of_who_is_to_blame(mesh: Promised) -> None:
    await mesh.define(objective())
    await known_in(mesh, "prod", A, B, C)
    await minute_of(mesh, good=10, bad=20, blame=B, first=0)
    await minute_of(mesh, bad=5, blame=C, first=500)
    for number in range(3):
        await minute_of(mesh, bad=20, blame=B, first=1_000 * (number + 1))
    (signal,) = await mesh.signals()
    assert (signal.did, signal.environment, signal.kind) == (B, "prod", SignalKind.SLO_BUDGET_EXHAUSTED)
    assert len(mesh.signalled) == 1
    index = int(signal.evidence.removeprefix("audit/"))
    entry = await mesh.opened.store.entry(index)
    assert entry is not None
    assert entry.leaf_hash == signal.evidence_hash
    assert b"slo-budget-exhausted" in entry.body
    assert b"slos/checkout" in entry.body


async def test_a_restart_says_nothing_twice(backend: Backend, tmp_path: Path) -> None:
    async with promised(backend, tmp_path) as mesh:
        await mesh.define(objective())
        await known_in(mesh, "prod", B)
        await minute_of(mesh, good=10, bad=20, first=0)
        before = await standing(mesh)
        events, clock = await mesh.alert_events(), mesh.clock
    async with promised(backend, tmp_path, clock=clock) as again:
        assert await standing(again) == before
        await again.minutes()
        assert len(await again.alert_events()) == len(events)
        assert len(await again.signals()) == 1
        await again.minutes(10)
        over = [event for event in await again.alert_events() if event.type is AlertEventType.RESOLVED]
        assert "slo-burn/checkout/1h" in {event.alert.key for event in over}


async def test_nobody_hears_of_what_only_the_agent_itself_saw(mesh: Promised) -> None:
    await mesh.define(objective())
    await known_in(mesh, "prod", A, B)
    now = mesh.clock.now()
    alone = (part(A), part(B, failed=True, caller_side=False))
    await mesh.settle(*(replace(failed(number, at=now, blame=B), parts=alone) for number in range(30)))
    await mesh.minutes()
    assert (await standing(mesh)).state is State.EXHAUSTED
    assert await mesh.signals() == []


async def test_an_agent_nobody_decided_about_is_not_known_to_identity(mesh: Promised) -> None:
    await mesh.define(objective())
    await minute_of(mesh, bad=30, blame=B, first=0)
    assert await mesh.signals() == []


async def test_one_bad_event_of_a_hundred_thousand_raises_nothing(mesh: Promised) -> None:
    await mesh.define(objective("0.999"))
    await known_in(mesh, "prod", A)
    # As many as 1,000 stand for the rest: the shares are what counts.
    await minute_of(mesh, good=1_999, bad=1, blame=A, first=0)
    assert (await mesh.alerts(), await mesh.signals()) == ([], [])
    assert (await standing(mesh)).left == Fraction(1, 2)


# What people change


async def test_what_is_measured_otherwise_begins_anew(mesh: Promised) -> None:
    await mesh.define(objective())
    await minute_of(mesh, good=10, bad=20, first=0)
    assert await mesh.alerts()
    await change(mesh, latency=Millis(500))
    assert await mesh.alerts() == []
    assert await counts(mesh) == (0, 0)
    await mesh.settle(failed(1, at=Instant(mesh.clock.now() - 10 * MINUTE), blame=B))
    assert await counts(mesh) == (0, 0)


async def test_another_target_keeps_what_was_counted(mesh: Promised) -> None:
    await mesh.define(objective())
    await minute_of(mesh, good=10, bad=20, first=0)
    await change(mesh, target=objective("0.1").target, window=Millis(60 * 24 * HOUR))
    assert await counts(mesh) == (10, 20)
    assert await mesh.alerts() == []
    await mesh.minutes()
    assert await mesh.alerts() == []


async def change(mesh: Promised, **fields: object) -> Objective:
    return await mesh.parts.objectives.update(
        NAME,
        lambda before: replace(before, **fields),  # type: ignore[arg-type] # its own fields
        etag="",
        caller=mesh.operator,
        mutation=mesh.by_telemetry,
    )


async def test_a_deleted_objective_leaves_nothing(mesh: Promised) -> None:
    await mesh.define(objective())
    await minute_of(mesh, good=10, bad=20, first=0)
    await mesh.parts.objectives.delete(NAME, etag="", caller=mesh.operator, mutation=mesh.by_telemetry)
    assert await mesh.alerts() == []
    await mesh.minutes()
    assert await mesh.alerts() == []
    await mesh.define(objective())
    assert await counts(mesh) == (0, 0)


async def test_objectives_of_one_agent_are_bounded(mesh: Promised) -> None:
    await mesh.define(*(objective(name=f"slos/s{number}") for number in range(50)))
    with pytest.raises(QuotaExceeded, match="50 objectives of an agent"):
        await mesh.define(objective(name="slos/one-more"))
    await mesh.define(objective(name="slos/of-another", agent=B))


async def test_owners_define_what_is_theirs(mesh: Promised) -> None:
    owner = Caller(principal="test:olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"billing"}))
    theirs = objective(name="slos/theirs", agent="namespaces/billing/agents/clerk")
    await mesh.parts.objectives.create([theirs], caller=owner, mutation=mesh.by_telemetry)
    for agent in ("namespaces/sales/agents/clerk", A):
        with pytest.raises(NotPermitted):
            await mesh.parts.objectives.create(
                [objective(name="slos/other", agent=agent)], caller=owner, mutation=mesh.by_telemetry
            )
    await mesh.define(objective())
    for name in (NAME, "slos/nowhere"):
        with pytest.raises(NotPermitted):
            await mesh.parts.objectives.delete(name, etag="", caller=owner, mutation=mesh.by_telemetry)
