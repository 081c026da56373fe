"""Gates: what they ask, and the sentences they answer with."""

import pytest
from ringfence_telemetry.durations import bucket_of
from ringfence_telemetry.evaluation.counts import Acceptance, Counted, What, acceptance
from ringfence_telemetry.evaluation.drift import Baseline, Level, Moments, drifts, worst
from ringfence_telemetry.evaluation.gate import AcceptanceGate, accepted, check
from ringfence_telemetry.evaluation.shares import Share

FULL = AcceptanceGate(
    agent="a", min_accuracy=0.9, max_escalation=0.1, min_safe_completion=0.9, max_latency_p95_micros=2_000_000
)
NOTHING = Acceptance()


def found(
    *, passed: int = 97, failed: int = 3, escalated: int = 1, safe: int = 99, micros: int = 1_500_000
) -> Acceptance:
    return acceptance(
        [
            Counted(What.PASSED, "step", passed),
            Counted(What.FAILED, "workflow", failed),
            Counted(What.WORKFLOWS, "", 100),
            Counted(What.ESCALATED, "", escalated),
            Counted(What.SAFE, "", safe),
            Counted(What.LATENCY, str(bucket_of(micros)), 100),
        ]
    )


def test_every_condition_is_answered_with_both_numbers() -> None:
    results = {each.what: each for each in check(FULL, found())}

    assert accepted(tuple(results.values()))
    assert (
        results["accuracy"].detail == "97 of 100 judgements passed, surely 91.55 % of them; at least 90 % are asked for"
    )
    assert (
        results["escalation"].detail
        == "1 of 100 pieces of work asked for a person, surely not more than 5.449 %; at most 10 % are allowed"
    )
    assert results["latency_p95"].detail == "95 % of 100 pieces of work took at most 1.499 s; 2 s are allowed"
    assert results["samples"].detail == "100 judgements and 100 pieces of work in 30 days; at least 30 are needed"


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [
        ({"passed": 93, "failed": 7}, "accuracy"),
        ({"escalated": 8}, "escalation"),
        ({"safe": 93}, "safe_completion"),
        ({"micros": 2_100_000}, "latency_p95"),
    ],
)
def test_each_condition_refuses_alone(changes: dict[str, int], lacking: str) -> None:
    assert [each.what for each in check(FULL, found(**changes)) if not each.reached] == [lacking]


def test_nothing_counted_reaches_nothing() -> None:
    assert [each.what for each in check(FULL, NOTHING) if each.reached] == []
    assert len(check(FULL, NOTHING)) == 5


def test_nothing_asked_is_reached() -> None:
    assert check(AcceptanceGate(agent="a"), NOTHING) == ()
    assert accepted(())


def test_only_the_samples_that_matter_are_needed() -> None:
    by_judgement = AcceptanceGate(agent="a", min_accuracy=0.5)
    (_, samples) = check(by_judgement, acceptance([Counted(What.PASSED, "step", 29)]))

    assert not samples.reached
    assert samples.detail == "29 judgements in 30 days; at least 30 are needed"


def test_0_of_accuracy_asks_for_judgements_nevertheless() -> None:
    assert not accepted(check(AcceptanceGate(agent="a", min_accuracy=0.0), NOTHING))


def baseline(**changes: object) -> Baseline:
    fields: dict[str, object] = {
        "agent": "a",
        "version": "1",
        "start": 0,
        "end": 1,
        "accuracy": Share(95, 100),
        "durations": ((bucket_of(1_000_000), 100),),
        "mix": {"chat": 100, "execute_tool/search": 100},
        "workflows": 100,
        "scores": {"groundedness": Moments(100, 0.9, 0.1)},
    }
    return Baseline(**(fields | changes))  # type: ignore[arg-type] # the fields of a baseline, some of them changed


def same() -> Acceptance:
    then = baseline()
    mix = {"chat": 50, "execute_tool/search": 50}
    return Acceptance(accuracy=Share(190, 200), durations=dict(then.durations), mix=mix, workflows=100)


def test_what_did_not_move_is_stable() -> None:
    found = drifts(baseline(), same(), {"groundedness": [0.9] * 100})

    assert [each.what for each in found] == ["mix", "latency_p50", "latency_p95", "pass_rate", "slow_change"]
    assert {each.level for each in found} == {Level.STABLE}
    assert worst(found) is Level.STABLE


def test_each_way_is_noticed_and_named() -> None:
    moved = Acceptance(
        accuracy=Share(70, 100),
        durations={bucket_of(1_300_000): 90, bucket_of(1_600_000): 10},
        mix={"chat": 100, "execute_tool/search": 20, "execute_tool/delete": 80},
        workflows=100,
    )
    by_name = {each.what: each for each in drifts(baseline(), moved, {"groundedness": [0.85] * 60})}

    assert by_name["mix"].level is Level.ALERT
    assert "execute_tool/delete moved most, from 0.2" in by_name["mix"].detail
    assert (by_name["latency_p50"].level, by_name["latency_p95"].level) == (Level.WATCH, Level.ALERT)
    assert by_name["pass_rate"].level is Level.ALERT
    assert by_name["slow_change"].level is Level.WATCH
    assert by_name["slow_change"].value == pytest.approx(15.0)


def test_too_little_is_unknown_and_no_reason() -> None:
    found = drifts(
        baseline(workflows=29, mix={"chat": 29}, accuracy=Share(29, 29)), same(), {"groundedness": [0.1] * 29}
    )

    assert {each.level for each in found} == {Level.UNKNOWN}
    assert worst(found) is Level.UNKNOWN
    assert worst(()) is Level.UNKNOWN


def test_equal_scores_are_measured_by_a_hundredth() -> None:
    pinned = baseline(scores={"exact": Moments(100, 1.0, 0.0)})
    *_, slow = drifts(pinned, same(), {"exact": [1.0] * 40})
    *_, fell = drifts(pinned, same(), {"exact": [1.0] * 30 + [0.8]})

    assert slow.level is Level.STABLE
    assert fell.level is Level.WATCH
