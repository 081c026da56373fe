"""Deciding with what is remembered is deciding anew: over changing facts, moments, switches and questions."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st
from ringfence_kit.clock import DAY, HOUR, SECOND, Instant, Millis
from ringfence_kit.trust_decay import MICRO, TrustState
from ringfence_pdp.case import Basis, Case
from ringfence_pdp.clearance import KEPT
from ringfence_pdp.decide import decide, decide_case
from ringfence_pdp.facts import AgentIdentity, IdentityStatus, RegisteredAgent, RegisteredTool, standing_at
from ringfence_pdp.facts import standing_until as until
from ringfence_pdp.kill_switch import KillTarget, TargetKind
from ringfence_pdp.model import CheckRequest, Resource, SideEffects
from ringfence_pdp.routine import Routine
from support.pdp.world import ANALYST, HASH, NOW, basis, bundle, facts_of, identity, policy, registered, tool

RULES = bundle(
    policy(
        "{name: read, match: {actions: ['read_*']}, effect: ALLOW, when: 'agent.ring <= 2 && agent.trust >= 420'}",
        "{name: write, match: {actions: ['write_*'], tools: ['warehouse.export']}, effect: ALLOW}",
        "{name: pii, match: {actions: ['*']}, effect: DENY, when: \"resource.data_class == 'pii'\"}",
        "{name: ask, match: {actions: ['read_all']}, effect: REQUIRE_APPROVAL, approval: {min_approvals: 1, "
        "approvers: ['group:data'], timeout: 30m}}",
        name="first",
    ),
    policy("{name: late, match: {actions: ['write_*']}, effect: DENY, when: 'agent.trust < 410'}", name="second"),
)

LIFE = 40 * DAY

TRUST = st.builds(
    TrustState,
    earned=st.integers(0, 700 * MICRO),
    debt=st.sampled_from([0, 0, 150 * MICRO]),
    last_positive_at=st.integers(NOW - LIFE, NOW).map(Instant),
    last_event_at=st.integers(NOW - DAY, NOW + DAY).map(Instant),
    stored_ring=st.integers(0, 3),
    ceiling=st.sampled_from([1_000, 899, 500]),
    ring_zero_until=st.integers(NOW - HOUR, NOW + LIFE).map(Instant),
)


AGENT = identity(tools={"warehouse.export": ""})
FADING = replace(AGENT.trust, last_positive_at=Instant(NOW - 3 * DAY), last_event_at=Instant(NOW - 3 * DAY))
SOON = Instant(NOW + HOUR)

FACTS = st.sampled_from(
    [
        AGENT,
        replace(AGENT, revocation_epoch=2),
        replace(AGENT, trust=FADING),
        replace(AGENT, trust=replace(AGENT.trust, earned=700 * MICRO, stored_ring=0, ring_zero_until=SOON)),
        replace(AGENT, expires_at=SOON),
        replace(AGENT, ring_ceiling=3),
        replace(AGENT, status=IdentityStatus.SUSPENDED),
        replace(AGENT, approved_tools={"warehouse.export": HASH}),
        replace(AGENT, approved_tools={}),
        registered(),
        registered(retired=True),
        registered(environments=("dev",)),
        registered(tools={"warehouse.export": HASH}),
        registered(tools={}),
        tool("warehouse.export"),
        tool("warehouse.export", enabled=False),
        tool("warehouse.export", trusted=False),
        tool("warehouse.export", until=SOON),
        tool("warehouse.export", schema_hash=f"sha256-{'b' * 64}"),
    ]
)
INTERNAL = Resource(data_class="internal")
QUESTIONS = st.builds(
    CheckRequest,
    action=st.sampled_from(["read_table", "read_all", "write_table", "policy_push"]),
    environment=st.sampled_from(["prod", "prod", "dev"]),
    did=st.sampled_from([None, None, AGENT.did]),
    agent=st.just(ANALYST),
    tool=st.sampled_from([None, "warehouse.export"]),
    tool_schema_hash=st.sampled_from([None, None, HASH]),
    side_effects=st.sampled_from([SideEffects.UNKNOWN, *SideEffects]),
    resource=st.sampled_from([INTERNAL, INTERNAL, Resource(data_class="pii"), Resource(environment="dev")]),
)
USUAL = (
    CheckRequest(action="read_table", environment="prod", agent=ANALYST, resource=INTERNAL),
    CheckRequest(action="read_table", environment="prod", agent=ANALYST, tool="warehouse.export", resource=INTERNAL),
    CheckRequest(action="read_table", environment="prod", agent=ANALYST, resource=Resource(environment="dev")),
    CheckRequest(
        action="read_table", environment="prod", agent=ANALYST, side_effects=SideEffects.IRREVERSIBLE, resource=INTERNAL
    ),
    CheckRequest(
        action="read_table",
        environment="prod",
        agent=ANALYST,
        tool="warehouse.export",
        tool_schema_hash=HASH,
        resource=INTERNAL,
    ),
    CheckRequest(action="write_table", environment="prod", agent=ANALYST, tool="warehouse.export", resource=INTERNAL),
    CheckRequest(action="read_all", environment="prod", did=AGENT.did, resource=INTERNAL),
)
"""What is asked again and again, whatever happens in between."""
ROUTINES = [(question, Routine()) for question in USUAL]
ROUTINES += [
    (question._replace(resource=other), routine)
    for question, routine in ROUTINES
    for other in (Resource(data_class="pii"), Resource(environment="dev"))
]

MOMENTS = st.sampled_from([NOW - 1, NOW, NOW + 1, SOON - 1, SOON, NOW + 2 * DAY]) | st.integers(NOW, NOW + LIFE)
CHANGES = st.one_of(
    FACTS,
    FACTS,
    st.tuples(st.just("now"), MOMENTS),
    st.tuples(st.just("age"), st.sampled_from([200, 15_000, 15_001, 300_000, None])),
    st.tuples(
        st.just("switches"),
        st.sampled_from([(), (KillTarget(TargetKind.AGENT, str(ANALYST)),), (KillTarget(TargetKind.EVERYTHING),)]),
    ),
)


@given(steps=st.lists(st.tuples(CHANGES, st.lists(QUESTIONS, max_size=2)), min_size=1, max_size=4))
def test_what_is_remembered_decides_nothing_differently(steps: list[tuple[object, list[CheckRequest]]]) -> None:
    at = basis(replace(RULES), facts=facts_of(AGENT, registered(), tools=(tool("warehouse.export"),)))
    for change, questions in ((None, list[CheckRequest]()), *steps):
        at = _changed(at, change)
        for question, routine in (*((question, None) for question in questions), *ROUTINES):
            for asked in (question, question._replace(agent=None) if question.did else question):
                anew = decide(_forgetting(at), asked)
                assert decide(at, asked) == anew
                if asked is question:
                    assert decide_case(Case(at, question, routine)) == anew


def _changed(at: Basis, change: object) -> Basis:
    match change:
        case AgentIdentity():
            at.facts.put_identity(change)
        case RegisteredAgent():
            at.facts.registered[str(change.name)] = change
        case RegisteredTool():
            at.facts.tools[change.name] = change
        case ("switches", tuple() as targets):
            return at._replace(kill_switches=basis(switches=targets).kill_switches)
        case ("age", int() | None as age):
            return at._replace(identity_age=None if age is None else Millis(age))
        case ("now", int() as now):
            return at._replace(now=Instant(now))
    return at


def _forgetting(at: Basis) -> Basis:
    """The same, with a bundle that remembers nothing."""
    return at._replace(bundle=replace(RULES))


@given(trust=TRUST, now=MOMENTS.map(Instant), share=st.floats(0, 1))
@example(trust=TrustState(), now=NOW, share=1.0)
def test_a_standing_is_the_same_until_it_may_not_be(trust: TrustState, now: Instant, share: float) -> None:
    agent = replace(identity(), trust=trust)
    end = until(agent, now)
    last = Instant(end - 1) if end is not None else Instant(now + 1_000 * DAY)
    assert last >= now
    between = Instant(now + round((last - now) * share))
    assert standing_at(agent, now, Millis(0)) == standing_at(agent, between, Millis(0))


def test_what_was_cleared_is_not_looked_at_again_and_what_is_told_anew_is() -> None:
    at = basis(replace(RULES))
    asked = CheckRequest(action="read_table", environment="prod", agent=ANALYST)
    assert Case(at, asked).cleared is None
    decide(at, asked)
    assert Case(at, asked).cleared is not None
    assert Case(at._replace(now=Instant(NOW - SECOND)), asked).cleared is None
    at.facts.put_identity(replace(identity(), revocation_epoch=2))
    assert Case(at, asked).cleared is None


def test_only_so_much_is_remembered() -> None:
    remembering = replace(RULES)
    at = basis(remembering)
    for place in range(KEPT + 10):
        decide(at, CheckRequest(action=f"read_{place}", environment="prod", agent=ANALYST))
    assert 0 < len(remembering.clearances) <= KEPT
