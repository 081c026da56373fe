"""An explanation is true: for any history it gives the score, and its caps are what the next signal gets."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from ringfence_identity.model import AgentIdentity, IdentityStatus
from ringfence_identity.trust.caps import TrustLedger
from ringfence_identity.trust.evidence import Evidence, Outcome
from ringfence_identity.trust.explanation import Explanation, explain, points
from ringfence_identity.trust.ledger import apply_evidence, newborn
from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant
from ringfence_kit.trust_decay import MICRO, ring_at, score_at
from support.identity.births import COMPLETE

T0 = Instant(1_767_225_600_000)
RATERS = ("", "person:ada", "did:a", "did:b")

evidence = st.builds(
    Evidence,
    points=st.sampled_from([1, 2, 15, 60, -2, -5, -50, -400]),
    rater=st.sampled_from(RATERS),
    rater_weight=st.sampled_from([1_000, 817, 433]),
    complaint=st.booleans(),
)
gaps = st.sampled_from([0, 1, MINUTE, 20 * MINUTE, HOUR, 6 * HOUR, DAY - 1, DAY, 9 * DAY, 60 * DAY])
histories = st.lists(st.tuples(gaps, evidence), max_size=30)


def identity_with(ledger: TrustLedger) -> AgentIdentity:
    return AgentIdentity(
        uid="u",
        agent="namespaces/billing/agents/a",
        environment="prod",
        did="did:webvh:Qm1:prod.example:agents:Qm1",
        key="z6Mk",
        did_version_id="1-Qm",
        content=COMPLETE,
        certificate_serial=1,
        certificate_hash="h",
        trust=ledger,
        created_at=T0,
        updated_at=T0,
        revision=1,
    )


def after(history: list[tuple[int, Evidence]], *, debt: int = 0) -> tuple[TrustLedger, Instant]:
    ledger, now = newborn(ring_ceiling=1, debt=debt, now=T0), T0
    for gap, one in history:
        now = Instant(now + gap)
        ledger = apply_evidence(ledger, one, now=now).ledger
    return ledger, now


def explained(ledger: TrustLedger, now: Instant) -> Explanation:
    return explain(identity_with(ledger), now=now)


@given(histories, st.integers(0, 400 * MICRO), st.integers(-DAY, 100 * DAY))
def test_the_terms_give_the_score(history: list[tuple[int, Evidence]], debt: int, later: int) -> None:
    ledger, now = after(history, debt=debt)
    at = Instant(now + later)
    terms = {term.name: term.micro_points for term in explained(ledger, at).terms}
    total = terms["baseline"] + terms["earned"] + terms["debt"]
    assert min(terms["ceiling"], max(0, min(1_000 * MICRO, total))) // MICRO == score_at(ledger.state, at)


@given(histories, gaps, st.sampled_from(RATERS), st.integers(1, 1_000))
def test_no_cap_disagrees_with_what_the_next_good_signal_gets(
    history: list[tuple[int, Evidence]], gap: int, rater: str, worth: int
) -> None:
    ledger, now = after(history)
    at = Instant(now + gap)
    caps = [cap for cap in explained(ledger, at).caps if cap.rater in ("", rater) and "complaint" not in cap.rule]
    listed = min(cap.left for cap in caps)
    if rater and not any(cap.rater == rater for cap in caps):
        listed = min(listed, 10 * MICRO)  # who is not listed has all of the cap on a rater
    applied = apply_evidence(ledger, Evidence(points=worth, rater=rater), now=at)
    counted = applied.ledger.gains[-1].weight if applied.outcome is Outcome.APPLIED else 0
    assert counted == min(worth * MICRO, listed)


@given(histories, gaps, st.sampled_from(RATERS[1:]), st.integers(1, 1_000))
def test_no_cap_disagrees_with_what_the_next_complaint_costs(
    history: list[tuple[int, Evidence]], gap: int, rater: str, worth: int
) -> None:
    ledger, now = after(history)
    at = Instant(now + gap)
    caps = [cap for cap in explained(ledger, at).caps if cap.rater in ("", rater) and "complaint" in cap.rule]
    listed = min(cap.left for cap in caps)
    if not any(cap.rater == rater for cap in caps):
        listed = min(listed, 20 * MICRO)
    applied = apply_evidence(ledger, Evidence(points=-worth, rater=rater, complaint=True), now=at)
    counted = applied.ledger.complaints[-1].weight if applied.outcome is Outcome.APPLIED else 0
    assert counted == min(worth * MICRO, listed)


@given(histories, gaps)
def test_a_cap_is_free_at_the_instant_it_says_and_not_before(history: list[tuple[int, Evidence]], gap: int) -> None:
    ledger, now = after(history)
    at = Instant(now + gap)
    for cap in explained(ledger, at).caps:
        if cap.free_at is None:
            assert cap.left == cap.limit
            continue
        then = {(one.rule, one.rater): one for one in explained(ledger, cap.free_at).caps}
        same = then.get((cap.rule, cap.rater))
        assert same is None or (same.left == same.limit and same.free_at is None)
        before = {(one.rule, one.rater): one for one in explained(ledger, Instant(cap.free_at - 1)).caps}
        assert before[cap.rule, cap.rater].left < cap.limit


@given(histories, gaps)
def test_the_next_good_signal_promotes_exactly_when_all_is_met(history: list[tuple[int, Evidence]], gap: int) -> None:
    """A weight of one micro-point cannot lift a score over a threshold: it only asks whether promotion is due."""
    ledger, now = after(history)
    at = Instant(now + gap)
    explanation = explained(ledger, at)
    ring = ring_at(ledger.state, at)
    nudged = apply_evidence(ledger, Evidence(points=1, rater_weight=1), now=at)
    if nudged.outcome is Outcome.APPLIED and nudged.ledger.gains[-1].rise <= 1_000 and ring > 1:
        due = all(condition.met for condition in explanation.promotion)
        lifted = score_at(nudged.ledger.state, at) > score_at(ledger.state, at)
        assert lifted or (ring_at(nudged.ledger.state, at) < ring) == due
    if ring <= 1:
        assert ring_at(nudged.ledger.state, at) >= ring


@given(histories, gaps)
def test_waiting_meets_what_has_a_time_and_nothing_else(history: list[tuple[int, Evidence]], gap: int) -> None:
    ledger, now = after(history)
    at = Instant(now + gap)
    for condition in explained(ledger, at).promotion:
        if condition.met_at is not None:
            assert not condition.met
            assert condition.met_at > at
            later = {one.text: one.met for one in explained(ledger, condition.met_at).promotion}
            assert later.get(condition.text, True)


@given(histories, gaps, st.sampled_from([IdentityStatus.SUSPENDED, IdentityStatus.REVOKED]))
def test_an_agent_that_may_not_act_has_a_cap_of_nothing(
    history: list[tuple[int, Evidence]], gap: int, status: IdentityStatus
) -> None:
    ledger, now = after(history)
    explanation = explain(replace(identity_with(ledger), status=status), now=Instant(now + gap))
    assert min(cap.left for cap in explanation.caps) == 0
    assert status.value in explanation.summary


@given(histories, gaps)
def test_the_summary_says_score_ring_and_the_moment_of_loss(history: list[tuple[int, Evidence]], gap: int) -> None:
    ledger, now = after(history)
    at = Instant(now + gap)
    explanation = explained(ledger, at)
    assert f"The score is {score_at(ledger.state, at)} of 1000" in explanation.summary
    assert ("is lost at" in explanation.summary) == (explanation.demotion_at is not None)


@given(st.integers(-(10**10), 10**10))
def test_points_are_written_to_the_last_micro_point(micro_points: int) -> None:
    whole, _, rest = points(micro_points).lstrip("-").partition(".")
    read = int(whole) * MICRO + int(rest.ljust(6, "0") or "0")
    assert (-read if points(micro_points).startswith("-") else read) == micro_points
