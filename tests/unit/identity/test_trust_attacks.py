"""Attacks on trust, each played against the recording of signals itself, over simulated days.

Several are holes of other trust engines: a score that falls faster when it is read more often, five kind words about
oneself that reach the top, a neighbour's guilt that spreads, a ceiling that a recalculation forgets.
"""

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

import pytest
from ringfence_identity.accounts import Accounts
from ringfence_identity.config import SignalWeightsConfig
from ringfence_identity.model import AgentIdentity, Sponsor
from ringfence_identity.trust.caps import TrustLedger
from ringfence_identity.trust.evidence import Evidence, Outcome, SignalKind
from ringfence_identity.trust.ledger import apply_evidence, newborn, with_ring_zero
from ringfence_identity.trust.signals import Signal, Signals
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant, ManualClock
from ringfence_kit.store import Mutation
from ringfence_kit.trust_decay import MICRO, TrustState, ring_at, score_at
from support.backends import Backend
from support.identity.opened import OpenedIdentity, opened_identity
from support.identity.rated import T0, observed, put_agents, rated_agent, record_at

pytestmark = pytest.mark.usefixtures("at_full_speed")

SPONSORS = ("ada", "grace", "alan", "edsger", "barbara")
ACCEPTED, REJECTED = SignalKind.TASK_ACCEPTED, SignalKind.TASK_REJECTED
PASSED = SignalKind.EVALUATION_PASSED


@pytest.fixture
async def service() -> AsyncIterator[OpenedIdentity]:
    async with opened_identity(Backend(kind="memory"), clock=ManualClock()) as opened:
        yield opened


def known(service: OpenedIdentity, agent: AgentIdentity) -> AgentIdentity:
    found = service.snapshot.identity(agent.did)
    assert found is not None
    return found


def score(service: OpenedIdentity, agent: AgentIdentity, now: int) -> int:
    return score_at(known(service, agent).trust.state, Instant(now))


def ring(service: OpenedIdentity, agent: AgentIdentity, now: int) -> int:
    return ring_at(known(service, agent).trust.state, Instant(now))


def swarm(size: int, *, seeds: int = 0, sponsors: Sequence[str] = SPONSORS) -> list[AgentIdentity]:
    """Return agents of several sponsors; the first `seeds` have honestly got into ring 2, the others are new."""
    return [
        rated_agent(number, score=500 if number < seeds else 300, sponsor=sponsors[number % len(sponsors)])
        for number in range(size)
    ]


def praise(agents: Sequence[AgentIdentity], day: int, chance: random.Random) -> Iterator[Signal]:
    """Yield what the agents say of each other in a day: each lauds ten others, again and again."""
    for rater in agents:
        for rated in chance.sample(list(agents), min(10, len(agents))):
            for word in range(3):
                yield observed(f"{day}-{rater.uid}-{rated.uid}-{word}", rated, ACCEPTED, rater=rater.did)


async def play(service: OpenedIdentity, agents: Sequence[AgentIdentity], days: int) -> int:
    chance, now = random.Random(1), int(T0)
    await put_agents(service.writer, agents)
    for day in range(days):
        said = list(praise(agents, day, chance))
        for start in range(0, len(said), 500):
            await record_at(service.writer, said[start : start + 500], now)
            now += HOUR
        now = int(T0) + (day + 1) * DAY
    return now


async def test_a_swarm_of_newcomers_gains_nothing_in_thirty_days(service: OpenedIdentity) -> None:
    agents = swarm(50)
    now = await play(service, agents, 30)
    assert {score(service, agent, now) for agent in agents} == {300}


async def test_a_swarm_of_one_sponsor_gains_nothing_however_far_some_of_it_got(service: OpenedIdentity) -> None:
    agents = swarm(50, seeds=10, sponsors=("ada",))
    now = await play(service, agents, 30)
    assert all(known(service, agent).trust == agent.trust for agent in agents)
    assert max(score(service, agent, now) for agent in agents) < 400


async def test_a_swarm_with_five_good_agents_of_five_sponsors_stays_under_the_caps(service: OpenedIdentity) -> None:
    agents = swarm(50, seeds=5)
    await put_agents(service.writer, agents)
    chance, before = random.Random(1), {agent.did: agent.trust for agent in agents}
    for day in range(30):
        said = list(praise(agents, day, chance))
        now = int(T0) + day * DAY
        for start in range(0, len(said), 500):
            await record_at(service.writer, said[start : start + 500], now + start)
        for agent in agents:
            after = known(service, agent).trust
            assert score_at(after.state, Instant(now + 10_000)) <= score_at(before[agent.did].state, Instant(now)) + 60
            assert ring_at(after.state, Instant(now + 10_000)) >= 1, "ring 0 is no swarm's to give"
            for rater in {credit.rater for credit in after.gains}:
                assert sum(credit.weight for credit in after.gains if credit.rater == rater) <= 10 * MICRO
            before[agent.did] = after


async def test_a_swarm_in_ring_3_cannot_talk_an_agent_down(service: OpenedIdentity) -> None:
    victim = rated_agent(99, score=950, sponsor="victor")
    liars = swarm(50)
    await put_agents(service.writer, [victim, *liars])
    for day in range(5):
        blame = [observed(f"{day}-{liar.uid}", victim, REJECTED, rater=liar.did) for liar in liars]
        assert set(await record_at(service.writer, blame, T0 + day * HOUR)) == {Outcome.CAPPED}
    assert known(service, victim).trust == victim.trust


async def test_a_swarm_in_ring_2_costs_an_agent_60_points_a_day_and_no_grant_by_one_of_them(
    service: OpenedIdentity,
) -> None:
    victim = rated_agent(99, score=980, sponsor="victor")
    granted = replace(victim, trust=with_ring_zero(victim.trust, until=Instant(T0 + 30 * DAY), now=T0))
    liars = swarm(50, seeds=50)
    await put_agents(service.writer, [granted, *liars])
    one = [observed(f"one-{word}", granted, REJECTED, rater=liars[0].did) for word in range(100)]
    await record_at(service.writer, one, T0)
    assert score(service, granted, T0) == 960
    assert ring(service, granted, T0) == 0
    every = [
        observed(f"all-{liar.uid}-{word}", granted, REJECTED, rater=liar.did) for liar in liars for word in range(9)
    ]
    await record_at(service.writer, every, T0 + MINUTE)
    assert score(service, granted, T0 + MINUTE) == 920


async def test_good_words_about_oneself_reach_nothing_under_any_name(service: OpenedIdentity) -> None:
    """Elsewhere five of them reach 1000."""
    agent = rated_agent(1, score=820)
    await put_agents(service.writer, [agent])
    names = [agent.did, agent.agent, agent.did.upper(), f"{agent.did}#key-1", "sponsors/ada", "sponsors/backup"]
    praised = [observed(f"s-{number}", agent, ACCEPTED, rater=name) for number, name in enumerate(names * 5)]
    assert set(await record_at(service.writer, praised, T0)) == {Outcome.CAPPED}
    assert known(service, agent).trust == agent.trust


async def test_a_gateway_does_not_judge_the_agents_it_speaks_for(service: OpenedIdentity) -> None:
    agent = rated_agent(1)
    await put_agents(service.writer, [agent])
    for number, name in enumerate((agent.did, agent.agent)):
        bound = Caller(principal="edge", roles=frozenset({Role.GATEWAY}), agents=frozenset({name}))
        for rater in ("", "edge", name):
            word = observed(f"s-{number}-{rater}", agent, ACCEPTED, rater=rater)
            assert await record_at(service.writer, [word], T0, caller=bound) == [Outcome.CAPPED]
    other = Caller(principal="other", roles=frozenset({Role.GATEWAY}))
    word = observed("t", agent, ACCEPTED)
    assert await record_at(service.writer, [word], T0, caller=other) == [Outcome.APPLIED]


async def test_a_gateway_cannot_use_up_the_ids_of_what_will_be_observed(service: OpenedIdentity) -> None:
    agent = rated_agent(1, score=800)
    await put_agents(service.writer, [agent])
    gateway = Caller(principal="edge", roles=frozenset({Role.GATEWAY}))
    squatting = observed("audit/43", agent, ACCEPTED)
    assert await record_at(service.writer, [squatting, squatting], T0, caller=gateway) == [
        Outcome.APPLIED,
        Outcome.DUPLICATE,
    ]
    observation = observed("audit/43", agent, SignalKind.FORGED_SIGNATURE)
    assert await record_at(service.writer, [observation], T0) == [Outcome.APPLIED]
    assert score(service, agent, T0) < 610


async def test_a_sponsor_who_comes_with_their_own_account_is_known(service: OpenedIdentity) -> None:
    agent = rated_agent(1)
    ada = Sponsor(
        name="sponsors/ada",
        display_name="Ada",
        contact="ada@example.com",
        oidc_issuer="https://idp.example.com",
        oidc_subject="00u1",
        verified_by="test",
        created_at=T0,
        revision=1,
    )
    await put_agents(service.writer, [agent])
    mutation = Mutation(principal="dev:service", at=T0)
    await service.writer.write(lambda tx: tx.add_sponsor(ada), mutation=mutation, result=type(None))
    recorder = Signals(
        weights=SignalWeightsConfig().points(),
        accounts=Accounts({"corp": "https://idp.example.com"}),
        writer=service.writer,
    )
    said = [observed("a", agent, ACCEPTED, rater="corp:00u1"), observed("b", agent, ACCEPTED, rater="corp:00u2")]
    telemetry = Caller(principal="dev:service", roles=frozenset({Role.SERVICE}))
    results = await recorder.record(said, caller=telemetry, mutation=mutation)
    assert [result.outcome for result in results] == [Outcome.CAPPED, Outcome.APPLIED]


async def test_guilt_does_not_spread(service: OpenedIdentity) -> None:
    """Elsewhere an agent that lets itself be caught drags its neighbours down with it."""
    attacker, *others = swarm(10, seeds=10)
    await put_agents(service.writer, [attacker, *others])
    await record_at(service.writer, [observed(f"w-{one.uid}", one, ACCEPTED, rater=attacker.did) for one in others], T0)
    before = [known(service, one).trust for one in others]
    await record_at(service.writer, [observed("caught", attacker, SignalKind.INCIDENT_CONFIRMED)], T0 + HOUR)
    assert [known(service, one).trust for one in others] == before


async def test_a_suspended_rater_has_nothing_more_to_say(service: OpenedIdentity) -> None:
    rater, rated = swarm(2, seeds=2)
    await put_agents(service.writer, [rater, rated])
    await record_at(service.writer, [observed("caught", rater, SignalKind.INCIDENT_CONFIRMED)], T0)
    for kind in (ACCEPTED, REJECTED):
        word = observed(kind.value, rated, kind, rater=rater.did)
        assert await record_at(service.writer, [word], T0) == [Outcome.CAPPED]


async def test_good_evidence_does_not_launder_a_suspended_agent(service: OpenedIdentity) -> None:
    agent = rated_agent(1, score=800)
    await put_agents(service.writer, [agent])
    await record_at(service.writer, [observed("caught", agent, SignalKind.INCIDENT_CONFIRMED)], T0)
    debt = known(service, agent).trust.state.debt
    for day in range(30):
        outcomes = await record_at(service.writer, [observed(f"good-{day}", agent, PASSED)], T0 + day * DAY)
        assert outcomes == [Outcome.CAPPED]
    assert known(service, agent).trust.state.debt == debt
    assert await record_at(service.writer, [observed("bad", agent, SignalKind.PROBING)], T0) == [Outcome.APPLIED]


async def test_a_clock_set_back_reopens_no_cap(service: OpenedIdentity) -> None:
    agent = rated_agent(1)
    await put_agents(service.writer, [agent])
    for number in range(40):
        now = T0 + 2 * DAY - number * HOUR
        await record_at(service.writer, [observed(f"s-{number}", agent, PASSED)], now)
    assert score(service, agent, T0 + 2 * DAY) <= 320


def idle(points: int, *, since: Instant = T0) -> TrustState:
    return TrustState(earned=(points - 300) * MICRO, last_positive_at=since, last_event_at=since, stored_ring=1)


@pytest.mark.parametrize("every", [MINUTE, 10 * MINUTE, HOUR, 10 * HOUR])
def test_a_score_fades_with_time_and_not_with_the_number_of_questions(every: int) -> None:
    """Elsewhere ten idle hours cost 20 points, or 800, by how often somebody looked."""
    state, now = idle(900), T0
    while now < T0 + 10 * DAY:
        score_at(state, now)
        now = Instant(now + every)
    assert score_at(state, Instant(T0 + 10 * HOUR)) == 900
    assert score_at(state, Instant(T0 + 7 * DAY)) == 745


def test_a_penalty_does_not_count_the_decay_twice() -> None:
    """Elsewhere 900 points, ten idle hours and a penalty of 50 leave 650."""
    now = Instant(T0 + 10 * HOUR)
    fined = apply_evidence(TrustLedger(state=idle(900)), Evidence(points=-50), now=now).ledger
    assert score_at(fined.state, now) == 850
    later = Instant(T0 + 7 * DAY)
    assert abs(score_at(fined.state, later) - (745 - 50)) <= 1


def test_who_never_showed_anything_good_has_nothing_that_lasts() -> None:
    """Elsewhere a score without a positive signal never decays: 900 after a year."""
    state = TrustState(earned=600 * MICRO, stored_ring=1)
    assert score_at(state, T0) == 300
    assert score_at(newborn(ring_ceiling=1, debt=0, now=T0).state, Instant(T0 + 365 * DAY)) == 300


def test_a_good_ring_needs_the_score_at_every_moment() -> None:
    """Elsewhere an agent in ring 1 with a score of 0 is let through."""
    state = replace(idle(900), debt=900 * MICRO)
    assert (state.stored_ring, score_at(state, T0), ring_at(state, T0)) == (1, 0, 3)


def test_no_evidence_whatever_its_weight_reaches_ring_0() -> None:
    ledger = newborn(ring_ceiling=1, debt=0, now=T0)
    for hour in range(60 * 24):
        now = Instant(T0 + hour * HOUR)
        ledger = apply_evidence(ledger, Evidence(points=10**9), now=now).ledger
        assert ring_at(ledger.state, now) >= 1
    assert score_at(ledger.state, Instant(T0 + 60 * DAY)) > 950
