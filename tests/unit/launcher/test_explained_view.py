"""A score explained: the sum on paper adds up, and what holds it back is named."""

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from ringfence.identity.v1 import trust_pb2 as pb
from ringfence_launcher.views.explained import explanation

LATER = Timestamp(seconds=1_767_225_600)


def lines(answer: pb.ExplainTrustResponse) -> list[str]:
    console = Console(width=200, color_system=None, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(explanation(answer))
    return [" ".join(line.split()) for line in captured.get().splitlines()]


def explained(*terms: tuple[str, int, str], score: int, ring: int = 2, next_ring: int = 1) -> pb.ExplainTrustResponse:
    return pb.ExplainTrustResponse(
        trust=pb.Trust(score=score, ring=ring),
        terms=[pb.TrustTerm(name=name, micro_points=points, detail=detail) for name, points, detail in terms],
        next_ring=next_ring,
    )


BASELINE, EARNED = ("baseline", 300_000_000, "to begin with"), ("earned", 412_300_000, "fading")
DEBT, CEILING = ("debt", -25_500_000, "owed"), ("ceiling", 1_000_000_000, "by its certificate")


def test_the_terms_stand_in_a_column_and_add_up() -> None:
    said = lines(explained(BASELINE, EARNED, DEBT, CEILING, score=686))
    begin = said.index("The sum")
    assert said[begin + 1 : begin + 7] == [
        "+300.00 baseline to begin with",
        "+412.30 earned fading",
        "-25.50 debt owed",
        "─────────",
        "686.80 together from 0 to 1000, then cut to whole points",
        "≤ 1000 ceiling by its certificate",
    ]
    assert said[begin + 7] == "686 score"


def test_a_ceiling_that_bites_says_so() -> None:
    low = ("ceiling", 399_000_000, "by its certificate")
    assert "≤ 399 ceiling by its certificate and cuts it" in lines(explained(BASELINE, EARNED, low, score=399))


def test_a_sum_below_zero_is_shown_as_it_is() -> None:
    said = lines(explained(BASELINE, ("debt", -900_000_000, "owed"), score=0))
    assert "-600.00 together from 0 to 1000, then cut to whole points" in said
    assert "0 score" in said


def test_what_the_next_ring_needs_is_ticked_off() -> None:
    answer = explained(BASELINE, score=300, ring=3, next_ring=2)
    answer.promotion.add(condition="a score of 425 or more")
    answer.promotion.add(condition="24 hours since the last promotion", met=True)
    answer.promotion.add(condition="7 days since the last penalty", met_time=LATER)
    said = lines(answer)
    assert "What ring 2 still needs" in said
    assert "✘ a score of 425 or more" in said
    assert "✔ 24 hours since the last promotion" in said
    assert "✘ 7 days since the last penalty 2026-01-01T00:00:00Z" in said


def test_the_best_ring_needs_nothing() -> None:
    assert "Ring 0 is the best there is for it" in lines(explained(BASELINE, score=950, ring=0, next_ring=0))


def test_when_it_gets_worse_by_itself_is_told() -> None:
    answer = explained(BASELINE, score=450)
    assert not any("Without new evidence" in line for line in lines(answer))
    answer.demotion_time.CopyFrom(LATER)
    assert "Without new evidence it leaves ring 2 at 2026-01-01T00:00:00Z" in lines(answer)


def test_caps_and_evidence_are_listed_with_what_they_weigh() -> None:
    answer = explained(BASELINE, score=300)
    answer.caps.add(name="20 points an hour", limit_micro_points=20_000_000, left_micro_points=12_500_000)
    answer.weights.add(kind=pb.SIGNAL_KIND_ACTION_DENIED, points=-5)
    answer.weights.add(kind=pb.SIGNAL_KIND_TASK_ACCEPTED, points=2)
    for kind, outcome in (
        (pb.SIGNAL_KIND_ACTION_DENIED, pb.SIGNAL_OUTCOME_APPLIED),
        (pb.SIGNAL_KIND_TASK_ACCEPTED, pb.SIGNAL_OUTCOME_DUPLICATE),
    ):
        answer.signals.add(kind=kind, outcome=outcome, source="telemetry", evidence="audit/1", record_time=LATER)
    said = lines(answer)
    assert "20 points an hour 12.5 20" in said
    assert "2026-01-01T00:00:00Z action denied -5 applied telemetry audit/1" in said
    assert "2026-01-01T00:00:00Z task accepted +2 duplicate telemetry audit/1" in said
