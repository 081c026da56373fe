"""Three replicas with the same evidence agree to the micro-point, on every store, however batched and restarted."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ringfence_identity.trust.evidence import SignalKind
from ringfence_identity.trust.signals import Signal
from ringfence_kit.clock import DAY, HOUR, MINUTE
from support.backends import EVERY_KIND, Backend, Kind
from support.identity.opened import opened_identity
from support.identity.rated import T0, observed, put_agents, rated_agent, record_at
from support.postgres import empty_database

AGENTS = (
    rated_agent(1),
    rated_agent(2, score=650, sponsor="grace"),
    rated_agent(3, score=820, sponsor="alan"),
    rated_agent(1, environment="dev", score=500),
)
RATERS = ("", "person:ada", "person:eve", AGENTS[1].did, AGENTS[2].agent)
GAPS = (0, 1, MINUTE, HOUR, 6 * HOUR, DAY, 9 * DAY)


@pytest.fixture(params=EVERY_KIND)
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Backend]]:
    """Three empty places for data of one kind."""
    kind: Kind = request.param
    with ExitStack() as opened:
        if kind == "memory":
            yield [Backend(kind=kind) for _ in range(3)]
        elif kind == "sqlite":
            yield [Backend(kind=kind, url=f"sqlite:///{tmp_path}/{number}.db") for number in range(3)]
        else:
            server = request.getfixturevalue("postgres_url")
            yield [Backend(kind=kind, url=opened.enter_context(empty_database(server))) for _ in range(3)]


def history(seed: int, moments: int = 20) -> list[tuple[int, list[Signal]]]:
    """Return signals by the instant they are recorded at."""
    chance, now, made = random.Random(seed), int(T0), []
    for moment in range(moments):
        now += chance.choice(GAPS)
        signals = [
            observed(
                f"s-{moment}-{chance.randrange(9)}",
                chance.choice(AGENTS),
                chance.choice([*SignalKind, SignalKind.TASK_ACCEPTED, SignalKind.EVALUATION_PASSED]),
                rater=chance.choice(RATERS),
            )
            for _ in range(chance.randrange(1, 8))
        ]
        made.append((now, signals))
    return made


def batches(signals: list[Signal], chance: random.Random, *, widest: int) -> Iterator[list[Signal]]:
    left = list(signals)
    while left:
        size = chance.randint(1, widest)
        yield left[:size]
        left = left[size:]


async def trusts(place: Backend, widest: int, *, restarts: bool) -> dict[str, object]:
    """Play the history on one replica and return what it stores about each agent."""
    chance, story = random.Random(widest), history(7)
    for part in (story[:9], story[9:]) if restarts else (story,):
        async with opened_identity(place) as service:
            if part[0] == story[0]:
                await put_agents(service.writer, AGENTS)
            for now, signals in part:
                for batch in batches(signals, chance, widest=widest):
                    await record_at(service.writer, batch, now)
            kept = {agent.did: service.snapshot.identity(agent.did) for agent in AGENTS}
    return {did: (known.trust, known.status) for did, known in kept.items() if known is not None}


async def test_three_replicas_agree_to_the_micro_point(places: list[Backend]) -> None:
    first = await trusts(places[0], 1, restarts=False)
    second = await trusts(places[1], 3, restarts=True)
    third = await trusts(places[2], 8, restarts=False)
    assert len(first) == len(AGENTS)
    assert first == second == third


@pytest.fixture
async def stored(backend: Backend) -> Backend:
    """Return a place where an agent has earned a little."""
    async with opened_identity(backend) as service:
        await put_agents(service.writer, AGENTS)
        await record_at(service.writer, [observed("s", AGENTS[0], SignalKind.EVALUATION_PASSED)], T0)
    return backend


async def test_a_restart_changes_no_trust(stored: Backend) -> None:
    async with opened_identity(stored) as service:
        before = service.snapshot.identity(AGENTS[0].did)
    async with opened_identity(stored) as service:
        assert service.snapshot.identity(AGENTS[0].did) == before
        outcomes = await record_at(service.writer, [observed("s", AGENTS[0], SignalKind.EVALUATION_PASSED)], T0 + DAY)
        assert [outcome.value for outcome in outcomes] == ["duplicate"]
        assert service.snapshot.identity(AGENTS[0].did) == before
