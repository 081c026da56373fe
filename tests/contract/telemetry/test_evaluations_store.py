"""The contract of evaluation's store, over memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from ringfence_kit.clock import DAY, Instant
from ringfence_telemetry.evaluation.counts import Counted, CountKey, What
from ringfence_telemetry.evaluation.drift import Baseline, Moments
from ringfence_telemetry.evaluation.gate import AcceptanceGate
from ringfence_telemetry.evaluation.judgement import Judgement, Layer
from ringfence_telemetry.evaluation.shares import Share
from ringfence_telemetry.evaluation.work import TraceWork, Work
from ringfence_telemetry.store import TelemetryTx
from support.backends import Backend
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import NOW

TRACE = b"t" * 16
FAR = Instant(2**62)


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


async def write(opened: OpenedStore, work: Callable[[TelemetryTx], object]) -> None:
    def run(tx: TelemetryTx) -> None:
        work(tx)

    await opened.writer.write(run, mutation=BY_TELEMETRY, result=type(None))


def judgement(key: str = "k", **changes: Any) -> Judgement:
    fields: dict[str, Any] = {
        "agent": "did:web:ü",
        "version": "1",
        "layer": Layer.STEP,
        "metric": "accuracy",
        "passed": True,
        "score": 0.5,
        "label": "good",
        "trace_id": TRACE,
        "span_id": b"s" * 8,
        "evaluator": "suite",
        "judge": "j",
        "at": NOW,
        "recorded_at": NOW,
    }
    return Judgement(key=key, **(fields | changes))


async def kept(opened: OpenedStore, *judgements: Judgement) -> list[str]:
    def work(tx: TelemetryTx) -> list[str]:
        return [each.key for each in tx.keep_judgements(judgements)]

    return await opened.writer.write(work, mutation=BY_TELEMETRY, result=list[str])


class TestJudgements:
    async def test_one_counts_once(self, opened: OpenedStore) -> None:
        assert await kept(opened, judgement("a"), judgement("b"), judgement("a", score=9.0)) == ["a", "b"]
        assert await kept(opened, judgement("c"), judgement("b", passed=False)) == ["c"]
        found = await opened.store.scores(["did:web:ü"], start=NOW, end=FAR, limit=9)
        assert found == {"accuracy": [0.5, 0.5, 0.5]}

    async def test_more_than_one_statement_takes(self, opened: OpenedStore) -> None:
        many = [judgement(f"k{number:04}") for number in range(1_200)]
        assert await kept(opened, *many) == [each.key for each in many]
        assert await kept(opened, *many) == []

    async def test_what_a_trace_says(self, opened: OpenedStore) -> None:
        said: list[object] = []

        def look(tx: TelemetryTx) -> None:
            said.append(sorted(tx.judged_bad([TRACE]).get(TRACE, ())))

        await write(opened, look)
        said_so: list[tuple[bool | None, str]] = [(None, "a"), (True, "a"), (False, ""), (False, "b")]
        for number, (passed, agent) in enumerate(said_so):
            await kept(opened, judgement(f"k{number}", passed=passed, agent=agent))
            await kept(opened, judgement(f"elsewhere{number}", trace_id=b"o" * 16, passed=False))
            await write(opened, look)
        assert said == [[], [], [], [], ["b"]]

    async def test_without_a_trace_it_is_of_none(self, opened: OpenedStore) -> None:
        await kept(opened, judgement("a", trace_id=b"", agent=""))
        await write(opened, lambda tx: _equals(list(tx.nobodys_judgements([TRACE], limit=5)), []))

    async def test_whose_it_is_may_be_said_later(self, opened: OpenedStore) -> None:
        nobodys = [judgement("b", agent=""), judgement("a", agent=""), judgement("c")]
        await kept(opened, *nobodys)

        def work(tx: TelemetryTx) -> None:
            first, *_ = found = tx.nobodys_judgements([TRACE], limit=5)
            _equals([each.key for each in found], ["a", "b"])
            _equals(len(tx.nobodys_judgements([TRACE], limit=1)), 1)
            tx.say_whose(replace(first, agent="x", version="7"))
            _equals([each.key for each in tx.nobodys_judgements([TRACE], limit=5)], ["b"])

        await write(opened, work)
        assert await opened.store.scores(["x"], version="7", start=NOW, end=FAR, limit=9) == {"accuracy": [0.5]}

    async def test_scores_are_the_last_ones_in_order(self, opened: OpenedStore) -> None:
        await kept(
            opened,
            judgement("d", at=Instant(NOW + 3), score=3.0),
            judgement("a", at=Instant(NOW + 1), score=1.0),
            judgement("b", at=Instant(NOW + 2), score=2.0, metric="tone"),
            judgement("e", at=Instant(NOW + 3), score=4.0),
            judgement("f", at=Instant(NOW + 4), score=None),
            judgement("g", at=Instant(NOW + 4), score=9.0, agent="other"),
            judgement("h", at=Instant(NOW + 4), score=9.0, version="2"),
        )
        asked: dict[str, Any] = {"version": "1", "start": NOW}

        assert await opened.store.scores(["did:web:ü"], **asked, end=FAR, limit=9) == {
            "accuracy": [1.0, 3.0, 4.0],
            "tone": [2.0],
        }
        assert await opened.store.scores(["did:web:ü"], **asked, end=FAR, limit=3) == {
            "tone": [2.0],
            "accuracy": [3.0, 4.0],
        }
        assert await opened.store.scores(["did:web:ü"], **asked, end=Instant(NOW + 2), limit=3) == {"accuracy": [1.0]}
        assert await opened.store.scores(["nobody"], **asked, end=FAR, limit=3) == {}


class TestCounts:
    async def test_they_add_up(self, opened: OpenedStore) -> None:
        one, other = CountKey("a", "1", 10, What.PASSED, "step"), CountKey("a", "2", 11, What.MIX, "chat")
        await write(opened, lambda tx: tx.add_evaluation_counts({one: 2, other: 5}))
        await write(opened, lambda tx: tx.add_evaluation_counts({one: 3, other: -5, one._replace(agent="b"): 1}))
        await write(opened, lambda tx: tx.add_evaluation_counts({}))

        assert await counted(opened, "a") == [Counted("passed", "step", 5)]
        await write(opened, lambda tx: _equals([tx.evaluation_number(key) for key in (one, other)], [5, 0]))
        await write(opened, lambda tx: _equals(tx.evaluation_number(one._replace(name="x")), 0))
        assert await counted(opened, "a", "b") == [Counted("passed", "step", 6)]
        assert await counted(opened, "nobody") == []

    async def test_by_version_and_day(self, opened: OpenedStore) -> None:
        change = {
            CountKey("a", version, day, What.LATENCY, "32"): 1 for version in ("1", "2") for day in (9, 10, 20, 21)
        }
        await write(opened, lambda tx: tx.add_evaluation_counts(change))

        assert await counted(opened, "a") == [Counted("latency", "32", 4)]
        assert await counted(opened, "a", version="2") == [Counted("latency", "32", 2)]
        await write(opened, lambda tx: tx.forget_evaluation_counts(before_day=20))
        assert await counted(opened, "a") == [Counted("latency", "32", 2)]


async def counted(opened: OpenedStore, *agents: str, version: str = "") -> list[Counted]:
    return [*await opened.store.evaluation_counts(agents, version=version, first_day=10, last_day=20)]


async def test_the_work_of_a_trace(opened: OpenedStore) -> None:
    done = Work(agent="a", version="1", spans=(1, 2**64 - 1), bucket=-1, completed=True, uses=(("chat", 3),))
    work = TraceWork(trace_id=TRACE, at=NOW, works=(done,))
    await write(opened, lambda tx: _equals(tx.trace_works([TRACE]), {}))
    await write(opened, lambda tx: tx.keep_trace_works([work]))
    await write(opened, lambda tx: tx.keep_trace_works([replace(work, works=())]))
    await write(opened, lambda tx: tx.keep_trace_works([work]))
    await write(opened, lambda tx: _equals(tx.trace_works([TRACE, b"u" * 16]), {TRACE: work}))


async def test_one_gate_for_each_agent(opened: OpenedStore) -> None:
    gate = AcceptanceGate(agent="namespaces/n/agents/a", min_accuracy=0.25, max_latency_p95_micros=7, revision=3)
    await write(opened, lambda tx: _equals(tx.acceptance_gate(gate.agent), None))
    await write(opened, lambda tx: tx.keep_acceptance_gate(gate))
    await write(opened, lambda tx: tx.keep_acceptance_gate(replace(gate, days=9)))
    await write(opened, lambda tx: _equals(tx.acceptance_gate(gate.agent), replace(gate, days=9)))
    assert await opened.store.gate_of(gate.agent) == replace(gate, days=9)
    assert await opened.store.gate_of("other") is None


async def test_a_baseline_for_each_version(opened: OpenedStore) -> None:
    pinned = Baseline(
        agent="a",
        version="1",
        start=1,
        end=2,
        accuracy=Share(3, 4),
        durations=((-1, 2), (640, 5)),
        mix={"chat": 5},
        workflows=7,
        scores={"tone": Moments(9, 0.5, 0.25)},
    )
    others = [replace(pinned, version=""), replace(pinned, agent="b", version="0")]
    for each in (pinned, *others):
        await write(opened, partial(_keep_baseline, each))
    await write(opened, lambda tx: tx.keep_baseline(replace(pinned, workflows=8)))

    now = replace(pinned, workflows=8)
    assert await opened.store.baseline("a", "1") == now
    assert await opened.store.baseline("a", "2") is None
    assert [*await opened.store.baselines(after=("", ""), limit=9)] == [others[0], now, others[1]]
    assert [*await opened.store.baselines(after=("a", ""), limit=1)] == [now]
    assert [*await opened.store.baselines(after=("b", "0"), limit=9)] == []


async def test_what_is_old_is_forgotten_a_little_at_a_time(opened: OpenedStore) -> None:
    await kept(opened, *(judgement(f"k{number}", recorded_at=Instant(NOW + number)) for number in range(5)))
    old = TraceWork(trace_id=TRACE, at=NOW, works=())
    await write(opened, lambda tx: tx.keep_trace_works([old]))
    await write(opened, lambda tx: tx.keep_trace_works([replace(old, trace_id=b"u" * 16)]))
    forgotten: list[int] = []

    def work(tx: TelemetryTx) -> None:
        forgotten.append(tx.forget_judgements(recorded_before=Instant(NOW + 3), limit=2))

    for _ in range(3):
        await write(opened, work)
    assert forgotten == [2, 1, 0]
    left = await opened.store.scores(["did:web:ü"], start=NOW, end=Instant(NOW + DAY), limit=9)
    assert left == {"accuracy": [0.5, 0.5]}
    await write(opened, lambda tx: _equals(tx.trace_works([TRACE]), {}))


def _keep_baseline(baseline: Baseline, tx: TelemetryTx) -> None:
    tx.keep_baseline(baseline)


def _equals(found: object, expected: object) -> None:
    assert found == expected
