"""Answers put together from bytes say what messages that were built say."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.ids import random_ids
from ringfence_pdp.answer import Answer
from ringfence_pdp.convert.answer_bytes import batch_bytes, response_bytes, result_bytes
from ringfence_pdp.convert.decisions import response_to_proto
from ringfence_pdp.model import Approval, Decision, Effect, Reason, Stage, Verdict

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
revisions = st.integers(0, 2**62)
approvals = st.builds(
    Approval,
    min_approvals=st.integers(1, 16),
    approver_groups=st.lists(texts, max_size=3).map(tuple),
    timeout=st.integers(1_000, 86_400_000).map(Millis),
)


@st.composite
def verdicts(draw: Any) -> Verdict:
    effect = draw(st.sampled_from(Effect))
    return Verdict(
        stage=draw(st.sampled_from(Stage)),
        effect=effect,
        reason=draw(st.sampled_from(Reason)),
        message=draw(texts),
        rules=tuple(draw(st.lists(texts, max_size=3))),
        rule_reason=draw(texts),
        approval=draw(approvals) if effect is Effect.REQUIRE_APPROVAL else None,
    )


@st.composite
def answers(draw: Any, *, verdict: Verdict | None = None) -> Answer:
    said = verdict if verdict is not None else draw(verdicts())
    known = said.effect is not Effect.DENY
    return Answer(
        decision=Decision(said, draw(st.integers(0 if known else -1, 3)), draw(st.integers(-1, 1_000))),
        decision_id=draw(st.sampled_from([random_ids(), "", "short", "x" * 300])),
        bundle_digest=draw(texts),
        identity_revision=draw(revisions),
        registry_revision=draw(revisions),
        policy_revision=draw(revisions),
        decided_at=Instant(draw(st.integers(0, 2**42))),
        epoch=draw(revisions),
    )


@given(answer=answers())
def test_the_bytes_are_those_of_the_message(answer: Answer) -> None:
    assert pb.CheckResponse.FromString(response_bytes(answer)) == response_to_proto(answer)


@given(data=st.data(), verdict=verdicts())
def test_one_verdict_in_many_answers_is_never_mixed_up_with_another(data: st.DataObject, verdict: Verdict) -> None:
    for _ in range(3):
        answer = data.draw(answers(verdict=verdict))
        assert pb.CheckResponse.FromString(response_bytes(answer)) == response_to_proto(answer)


@given(several=st.lists(answers(), max_size=5))
def test_a_batch_holds_each_in_its_place(several: list[Answer]) -> None:
    built = pb.BatchCheckResponse(
        results=[pb.BatchCheckResult(response=response_to_proto(answer)) for answer in several]
    )
    joined = batch_bytes([result_bytes(response_bytes(answer)) for answer in several])
    assert pb.BatchCheckResponse.FromString(joined) == built


def test_thousands_of_verdicts_for_one_request_each_are_all_said_right() -> None:
    for number in range(10_000):
        verdict = Verdict(stage=Stage.KILL, effect=Effect.DENY, reason=Reason.KILLED, message=f"number {number}")
        answer = Answer(Decision(verdict, -1, -1), random_ids(), "", 0, 0, 0, Instant(0))
        assert pb.CheckResponse.FromString(response_bytes(answer)).message == f"number {number}"
