"""What the registry knows of agents' health, how it forgets it, and how a canary that does harm ends its rollout."""

import pytest
from ringfence.telemetry.v1 import health_pb2
from ringfence.watch import Change
from ringfence_kit.clock import MINUTE, Instant, Millis
from ringfence_kit.wire import to_timestamp
from ringfence_registry.finding.views import Circuit, Health, Order, Slo
from ringfence_registry.neighbours.canaries import RETRY
from ringfence_registry.neighbours.health_feed import WINDOW
from support.registry.ears import DID, NAME, Ears, health_message, identity_message, listening


def health(ears: Ears, agent: str = NAME, *, at: Instant | None = None) -> Health | None:
    return ears.neighbours.health.health(agent, ears.clock.now() if at is None else at)


async def test_what_telemetry_says_is_known() -> None:
    async with listening() as ears:
        now = ears.clock.now()
        await ears.healths(
            health_message(at=now, circuit=health_pb2.CIRCUIT_STATE_HALF_OPEN, slo=health_pb2.SLO_STATE_AT_RISK)
        )
        assert health(ears) == Health(
            circuit=Circuit.HALF_OPEN,
            slo=Slo.AT_RISK,
            calls=20,
            error_rate=0.05,
            latency_p50_ms=12.5,
            latency_p95_ms=1_000.0,
            until=Instant(now + WINDOW),
        )
        assert ears.heard == [NAME]
        assert "telemetry feed" not in ears.readiness.impaired


async def test_what_is_not_said_is_not_known() -> None:
    async with listening() as ears:
        await ears.healths(
            health_pb2.AgentHealth(agent=NAME, window_end_time=health_message(at=ears.clock.now()).window_end_time)
        )
        found = health(ears)
        assert found is not None
        assert (found.circuit, found.slo, found.error_rate, found.latency_p50_ms) == (None, None, None, None)


async def test_figures_age_out_though_telemetry_is_silent() -> None:
    async with listening() as ears:
        now = ears.clock.now()
        await ears.healths(health_message(at=now))
        assert health(ears, at=Instant(now + WINDOW - 1)) is not None
        assert health(ears, at=Instant(now + WINDOW)) is None


async def test_a_clock_ahead_of_ours_makes_nothing_last_longer() -> None:
    async with listening() as ears:
        now = ears.clock.now()
        await ears.healths(health_message(at=Instant(now + 60 * MINUTE)))
        assert health(ears, at=Instant(now + WINDOW)) is None


async def test_a_silent_agent_is_forgotten_when_telemetry_says_so() -> None:
    async with listening() as ears:
        await ears.healths(health_message(at=ears.clock.now()))
        await ears.health(health_message(at=ears.clock.now()), Change.DELETED)
        assert health(ears) is None
        assert ears.heard == [NAME, NAME]


async def test_a_did_in_spans_means_the_agent_identity_says() -> None:
    async with listening() as ears:
        await ears.identities(identity_message())
        ears.heard.clear()
        now = ears.clock.now()
        await ears.healths(health_message(DID, at=now, calls=30))
        found = health(ears)
        assert found is not None
        assert found.calls == 30
        assert ears.heard == [DID, NAME]


async def test_of_two_names_that_counts_which_is_about_more_calls_until_either_ages_out() -> None:
    async with listening() as ears:
        await ears.identities(identity_message())
        now = ears.clock.now()
        await ears.healths(health_message(at=Instant(now - MINUTE), calls=10), health_message(DID, at=now, calls=30))
        found = health(ears)
        assert found is not None
        assert (found.calls, found.until) == (30, now - MINUTE + WINDOW)


async def test_after_a_break_only_what_differs_is_told() -> None:
    async with listening() as ears:
        now, other, third = ears.clock.now(), NAME + "-2", NAME + "-3"
        await ears.healths(*(health_message(name, at=now) for name in (NAME, other, third)))
        ears.heard.clear()
        await ears.healths(health_message(at=now), health_message(other, at=now, calls=99), revision=9)
        assert sorted(ears.heard) == sorted([other, third])


async def test_a_revision_does_not_speak_for_the_agent() -> None:
    async with listening() as ears:
        await ears.healths(health_message(at=ears.clock.now(), revision="3"))
        assert health(ears) is None
        assert ears.heard == []


async def test_errors_beyond_the_calls_are_no_more_than_all() -> None:
    async with listening() as ears:
        await ears.healths(health_message(at=ears.clock.now(), calls=2, errors=9))
        found = health(ears)
        assert found is not None
        assert found.error_rate == 1.0


def breach(ears: Ears, agent: str = NAME, *, revision: str = "4") -> health_pb2.AgentHealth:
    return health_message(agent, at=ears.clock.now(), revision=revision, slo=health_pb2.SLO_STATE_BREACHED)


@pytest.mark.parametrize("revision", ["4", f"{NAME}/revisions/4"])
async def test_a_canary_that_breaches_its_objective_ends_its_rollout(revision: str) -> None:
    async with listening() as ears:
        ears.canary = 4
        await ears.healths(breach(ears, revision=revision))
        await ears.settle()
        assert ears.ended == [(NAME, 4)]


async def test_a_canary_named_by_its_did_is_known_too() -> None:
    async with listening() as ears:
        ears.canary = 4
        await ears.identities(identity_message())
        await ears.healths(breach(ears, DID))
        await ears.settle()
        assert ears.ended == [(NAME, 4)]


@pytest.mark.parametrize("revision", ["3", "04", "-4", "4.0", "canary", "٤", "9" * 64])
async def test_what_is_no_canary_ends_nothing(revision: str) -> None:
    async with listening() as ears:
        ears.canary = 4
        await ears.healths(breach(ears, revision=revision))
        await ears.settle()
        assert ears.ended == []


async def test_a_breach_of_all_revisions_together_is_not_the_canarys() -> None:
    async with listening() as ears:
        ears.canary = 4
        await ears.healths(breach(ears, revision=""), breach(ears, "researcher"))
        await ears.settle()
        assert ears.ended == []


async def test_what_could_not_be_written_is_tried_again() -> None:
    async with listening() as ears:
        ears.canary, ears.store_is_away = 4, True
        await ears.healths(breach(ears))
        await ears.settle()
        assert ears.ended == []
        ears.store_is_away = False
        ears.clock.advance(Millis(RETRY))
        await ears.settle()
        assert ears.ended == [(NAME, 4)]


async def test_a_breach_told_again_ends_a_rollout_once() -> None:
    async with listening() as ears:
        ears.canary = 4
        await ears.healths(breach(ears))
        await ears.settle()
        ears.canary = None
        await ears.health(breach(ears))
        await ears.settle()
        assert ears.ended == [(NAME, 4)]


async def test_what_is_judged_holds_for_as_long_as_telemetry_says() -> None:
    async with listening() as ears:
        now = ears.clock.now()
        await ears.healths(
            health_message(
                at=now,
                circuit=health_pb2.CIRCUIT_STATE_OPEN,
                slo=health_pb2.SLO_STATE_BURNING,
                order=5,
                expire_time=to_timestamp(Instant(now + MINUTE)),
            )
        )
        found = health(ears)
        assert found is not None
        assert (found.circuit, found.slo, found.order, found.until) == (
            Circuit.OPEN,
            Slo.AT_RISK,
            Order.SHED,
            now + MINUTE,
        )
        later = health(ears, at=Instant(now + MINUTE))
        assert later is not None
        assert (later.circuit, later.slo, later.order, later.calls) == (None, None, None, 20)
        assert later.until == now + WINDOW


async def test_the_circuit_of_a_skill_is_told_apart() -> None:
    async with listening() as ears:
        now = ears.clock.now()
        quote = health_message(at=now, skill="quote", circuit=health_pb2.CIRCUIT_STATE_OPEN)
        await ears.healths(health_message(at=now, circuit=health_pb2.CIRCUIT_STATE_CLOSED), quote)
        found = health(ears)
        assert found is not None
        assert (found.circuit, found.circuits) == (Circuit.CLOSED, (("quote", Circuit.OPEN),))
        await ears.health(quote, Change.DELETED)
        found = health(ears)
        assert found is not None
        assert found.circuits == ()
