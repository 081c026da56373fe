"""What decisions and outcomes say about an agent, and what they do not."""

import hashlib
from collections.abc import Iterable

import pytest
from ringfence.pdp.v1 import decision_pb2
from ringfence_kit import records
from ringfence_kit.clock import MINUTE, SECOND, Instant
from ringfence_telemetry.signals import (
    AGENTS_OWN_DOING,
    CLEAN_RUN,
    Conduct,
    Denial,
    Effect,
    Observed,
    Signal,
    SignalKind,
    observe,
    outcome_signal,
)

START = Instant(1_767_225_600_000)
DID = "did:web:agents.example:a"


def decision(number: int, effect: Effect = Effect.ALLOW, reason: str = "ALLOWED", *, at: int | None = None) -> Observed:
    return Observed(
        index=number,
        leaf_hash=hashlib.sha256(b"%d" % number).digest(),
        decision_id=f"decision-{number}",
        did=DID,
        environment="prod",
        effect=effect,
        reason=reason,
        at=Instant(START + (number * SECOND if at is None else at)),
    )


def denial(number: int, *, at: int | None = None) -> Observed:
    return decision(number, Effect.DENY, "RULE_DENIED", at=at)


def said(decisions: Iterable[Observed], conduct: Conduct | None = None) -> tuple[Conduct, list[Signal]]:
    state, signals = conduct or Conduct(did=DID, environment="prod"), list[Signal]()
    for each in decisions:
        state, more = observe(state, each)
        signals += more
    return state, signals


def kinds(signals: list[Signal]) -> list[SignalKind]:
    return [signal.kind for signal in signals]


def test_a_denial_is_said_with_its_entry_as_evidence() -> None:
    _, signals = said([denial(7)])
    assert signals == [
        Signal(
            signal_id="denied-decision-7",
            did=DID,
            environment="prod",
            kind=SignalKind.ACTION_DENIED,
            evidence_hash=hashlib.sha256(b"7").digest(),
            evidence="audit/7",
            at=Instant(START + 7 * SECOND),
        )
    ]


@pytest.mark.parametrize("reason", sorted(AGENTS_OWN_DOING))
def test_denials_of_the_agents_own_doing_count(reason: str) -> None:
    assert kinds(said([decision(1, Effect.DENY, reason)])[1]) == [SignalKind.ACTION_DENIED]


def test_every_reason_of_the_pdp_was_judged() -> None:
    # A new reason in the contract must be thought about here: is it the agent's doing or not?
    reasons = {name.removeprefix("DECISION_REASON_") for name in decision_pb2.DecisionReason.DESCRIPTOR.values_by_name}
    not_its_doing = {
        "UNSPECIFIED",
        "ALLOWED",
        "APPROVAL_REQUIRED",
        "RULE_ERROR",
        "KILLED",
        "AGENT_UNKNOWN",
        "AGENT_REVOKED",
        "AGENT_RETIRED",
        "AGENT_SUSPENDED",
        "FACTS_STALE",
        "ENVIRONMENT_MISMATCH",
        "NO_BUNDLE",
        "REQUEST_INVALID",
        "LOG_UNAVAILABLE",
        # What the registry says of the tool, and of who has not begun to serve, is for their owners to mend.
        "AGENT_NOT_SERVING",
        "TOOL_UNKNOWN",
        "TOOL_DISABLED",
        "TOOL_SCHEMA_CHANGED",
        "TOOL_SCHEMA_NOT_PINNED",
        "EXTERNAL_SYSTEM_NOT_TRUSTED",
        # What stands between agents, in others' hands, or only comes too early says nothing about whom it stops.
        "MISSING_SIDE",
        "CHAIN_CYCLE",
        "CHAIN_INVALID",
        "CHAIN_TOO_LONG",
        "CAPABILITY_NOT_DELEGATED",
        "BOUNDARY_CLOSED",
        "OBLIGATION_UNSUPPORTED",
        "OBLIGATION_CONFLICT",
        "RATE_LIMITED",
        "BUDGET_EXHAUSTED",
        "APPROVAL_REFUSED",
        "APPROVALS_UNAVAILABLE",
        "ELEVATION_INVALID",
        # What a filter only doubts, could not look through, or stops for where it comes from: the agent may be used.
        "CONTENT_SUSPECT",
        "FILTER_FAILED",
        "ORIGIN_UNTRUSTED",
        # Nor does what an enforcement point could not read, or had no time for.
        "DEADLINE",
        "IDENTITY_AMBIGUOUS",
        "HEADER_BODY_MISMATCH",
        "BODY_TRUNCATED",
        "BODY_MALFORMED",
        "METHOD_UNKNOWN",
    }
    assert reasons == AGENTS_OWN_DOING | not_its_doing
    for reason in not_its_doing:
        before = Conduct(did=DID, environment="prod", clean=3)
        assert observe(before, decision(1, Effect.DENY, reason)) == (before, ())


def test_an_approval_asked_for_says_nothing() -> None:
    before = Conduct(did=DID, environment="prod", clean=3)
    assert observe(before, decision(1, Effect.REQUIRE_APPROVAL, "APPROVAL_REQUIRED")) == (before, ())


def test_fifty_clean_decisions_are_one_signal_and_counting_starts_anew() -> None:
    state, signals = said(decision(number) for number in range(2 * CLEAN_RUN + 7))
    assert [signal.signal_id for signal in signals] == ["clean-decision-49", "clean-decision-99"]
    assert state.clean == 7


def test_a_denial_breaks_a_clean_run() -> None:
    decisions = [*(decision(number) for number in range(49)), denial(49), *(decision(n) for n in range(50, 99))]
    assert kinds(said(decisions)[1]) == [SignalKind.ACTION_DENIED]


def test_a_clean_runs_evidence_covers_every_decision_of_it() -> None:
    honest = [decision(number) for number in range(CLEAN_RUN)]
    hashes = {said(honest)[1][0].evidence_hash}
    for left_out in range(CLEAN_RUN):
        other = [decision(1_000 if number == left_out else number) for number in range(CLEAN_RUN)]
        hashes.add(said(other)[1][0].evidence_hash)
    assert len(hashes) == CLEAN_RUN + 1


def test_five_denials_in_ten_minutes_are_probing_once() -> None:
    _, signals = said(denial(number, at=number * MINUTE) for number in range(9))
    assert kinds(signals).count(SignalKind.PROBING) == 1
    assert [signal.signal_id for signal in signals if signal.kind is SignalKind.PROBING] == ["probing-decision-4"]
    assert kinds(signals).count(SignalKind.ACTION_DENIED) == 9


def test_exactly_ten_minutes_is_probing_and_a_moment_more_is_not() -> None:
    for last, count in ((10 * MINUTE, 1), (10 * MINUTE + 1, 0)):
        _, signals = said([*(denial(number, at=0) for number in range(4)), denial(4, at=last)])
        assert kinds(signals).count(SignalKind.PROBING) == count


def test_probing_that_goes_on_is_said_again_after_the_window() -> None:
    _, signals = said(denial(number, at=number * MINUTE) for number in range(30))
    probing = [signal.at - START for signal in signals if signal.kind is SignalKind.PROBING]
    assert probing == [4 * MINUTE, 15 * MINUTE, 26 * MINUTE]


def test_slow_denials_are_not_probing() -> None:
    _, signals = said(denial(number, at=number * 3 * MINUTE) for number in range(30))
    assert SignalKind.PROBING not in kinds(signals)


def test_denials_delivered_late_count_by_their_own_time() -> None:
    order = [0, 4, 2, 3, 1]
    _, signals = said(denial(number, at=number * MINUTE) for number in order)
    assert kinds(signals).count(SignalKind.PROBING) == 1
    _, spread = said(denial(number, at=-number * 20 * MINUTE) for number in range(30))
    assert SignalKind.PROBING not in kinds(spread)


def test_memory_of_denials_is_bounded() -> None:
    state, _ = said(denial(number) for number in range(100))
    assert [each.at for each in state.denials] == [START + number * SECOND for number in range(95, 100)]


def test_the_same_decisions_say_the_same_in_the_same_words() -> None:
    decisions = [denial(number) if number % 7 == 0 else decision(number) for number in range(300)]
    assert said(decisions) == said(decisions)


def test_conduct_survives_being_stored() -> None:
    state = Conduct(
        did=DID,
        environment="prod",
        clean=3,
        clean_digest=b"\x00\xff",
        denials=(Denial(START, b"\x01"),),
        probing_at=START,
    )
    assert records.decode(records.encode(state), Conduct) == state


def outcome(rater: str = "did:web:agents.example:b", work_id: str = "w", *, accepted: bool = True) -> Signal:
    return outcome_signal(
        did=DID,
        environment="prod",
        rater=rater,
        work_id=work_id,
        accepted=accepted,
        index=3,
        leaf_hash=b"h",
        at=START,
    )


def test_an_outcome_is_said_with_its_rater() -> None:
    signal = outcome()
    assert (signal.kind, signal.rater, signal.evidence) == (
        SignalKind.TASK_ACCEPTED,
        "did:web:agents.example:b",
        "audit/3",
    )
    assert outcome(accepted=False).kind is SignalKind.TASK_REJECTED


def test_one_piece_of_work_is_one_signal_for_each_rater() -> None:
    ids = {outcome(rater, work).signal_id for rater in ("a", "b") for work in ("x", "y")}
    assert len(ids) == 4
    assert outcome(accepted=True).signal_id == outcome(accepted=False).signal_id


def test_ids_cannot_be_shifted_into_each_other() -> None:
    assert outcome("ab", "c").signal_id != outcome("a", "bc").signal_id


def test_ids_fit_what_identity_takes() -> None:
    assert len(outcome().signal_id.encode()) <= 128
