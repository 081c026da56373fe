"""A document joined from pieces is the document written as a whole, byte for byte."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Instant
from ringfence_pdp.answer import Answer
from ringfence_pdp.decision_bytes import decision_bytes
from ringfence_pdp.decision_document import decision_document
from ringfence_pdp.model import ALONE, UNKNOWN, CheckRequest, Composed, Decision, Effect, Reason, Stage, Verdict
from ringfence_pdp.rollout.rollout import Mode
from support.pdp.world import ANALYST, identity

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NUMBERS = st.integers(0, 2**40)

VERDICTS = st.builds(
    Verdict,
    stage=st.sampled_from([Stage.RULES, Stage.RULES, Stage.RING, Stage.FILTERS]),
    effect=st.sampled_from(Effect),
    reason=st.sampled_from([Reason.ALLOWED, Reason.NO_MATCH, Reason.RULE_DENIED]),
    message=TEXTS,
    rules=st.lists(TEXTS, max_size=2).map(tuple),
)
DECISIONS = st.builds(
    Decision,
    verdict=VERDICTS,
    ring=st.integers(UNKNOWN, 3),
    score=st.integers(UNKNOWN, 1_000),
    findings=st.just(()),
    composed=st.sampled_from([ALONE, ALONE, ALONE, Composed(chain=("did:web:origin",))]),
)
ANSWERS = st.builds(
    Answer,
    decision=DECISIONS,
    decision_id=st.uuids().map(str),
    bundle_digest=st.sampled_from(["", "sha256-0"]),
    identity_revision=NUMBERS,
    registry_revision=NUMBERS,
    policy_revision=NUMBERS,
    decided_at=NUMBERS.map(Instant),
    mode=st.sampled_from([Mode.NONE, Mode.NONE, Mode.CANARY]),
    would=st.none() | DECISIONS,
    judged=st.none() | DECISIONS,
    approval=st.sampled_from(["", "", "approvals/one"]),
)
QUESTIONS = st.builds(
    CheckRequest,
    action=TEXTS,
    environment=st.sampled_from(["prod", "dev"]),
    agent=st.just(ANALYST),
    tool=st.none() | TEXTS,
)
LOGGED = st.fixed_dictionaries(
    {
        "identity_age": st.none() | NUMBERS,
        "asked": st.dictionaries(st.sampled_from(["agent", "session", "arguments"]), TEXTS),
        "digest": st.just(f"sha256-{'0' * 64}"),
        "left_out": st.lists(TEXTS, max_size=2),
        "evidence": st.lists(TEXTS, max_size=3).map(tuple),
    }
)


@given(
    request=QUESTIONS,
    answer=ANSWERS,
    itself=st.booleans(),
    known=st.sampled_from([identity(), identity(environment="dev"), None]),
    logged=LOGGED,
)
def test_joined_is_written(
    request: CheckRequest, answer: Answer, itself: bool, known: Any, logged: dict[str, Any]
) -> None:
    if itself:  # as it is when nothing was counted and nobody was asked
        answer = answer._replace(judged=answer.decision, would=None)
    joined = decision_bytes(request, answer, known, **logged)
    assert joined == decision_document(request, answer, known, **logged)
