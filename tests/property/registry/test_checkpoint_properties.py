"""A start from a checkpoint is a start from nothing, whatever happened before it was written, since, and instead."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit import records
from ringfence_kit.clock import HOUR, Instant
from ringfence_kit.events import Change, Event, Revision
from ringfence_registry.checkpoint.held_agents import frames_of, held_in
from ringfence_registry.finding.catalog import AgentCatalog, HeldAgents
from ringfence_registry.model import AGENT, LEASE, Agent, Lease
from ringfence_registry.store import StoredAgents
from support.registry.catalogs import known, started, stored
from support.registry.random_filters import random_mesh

NOW = Instant(1_767_225_600_000)
PLACES = tuple((namespace, name) for namespace in ("fin", "hr") for name in "vwxyz")
MOST = 12


@dataclass(frozen=True)
class Step:
    """An agent is put, renews its lease, or is forgotten."""

    agent: Agent
    what: str
    until: Instant


def _history(seed: int) -> list[Step]:
    dice = random.Random(seed)
    return [_step(dice, agent) for agent in random_mesh(dice, dice.randint(0, MOST)).agents]


def _step(dice: random.Random, agent: Agent) -> Step:
    namespace, name = dice.choice(PLACES)
    return Step(
        agent=replace(
            agent,
            name=replace(agent.name, namespace=namespace, agent=name),
            lease_expires_at=None,
            deleted_at=dice.choice((None, None, None, NOW)),
        ),
        what=dice.choice(("put", "put", "put", "renew", "forget")),
        until=Instant(NOW + dice.choice((-1, 0, 1)) * HOUR),
    )


histories = st.integers(0, 2**32).map(_history)
"""What happens to a few agents, one thing after the other; drawn from a seed, for there is much to draw."""


class Store:
    """Rows, and a catalog that follows them as the events of each step say."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.leases: dict[str, Instant] = {}
        self.catalog = AgentCatalog()
        self.catalog.fill((), now=NOW)

    @property
    def rows(self) -> StoredAgents:
        """What the next start finds."""
        return stored(list(self.agents.values()), self.leases)

    def live(self, steps: Sequence[Step]) -> None:
        """Have all of it happen."""
        for step in steps:
            name = str(step.agent.name)
            before = self.agents.get(name)
            match step.what:
                case "put":
                    self.agents[name] = step.agent
                    self.leases.pop(name, None)
                    self._tell(AGENT, Change.ADDED if before is None else Change.MODIFIED, name, step.agent)
                case "renew" if before is not None:
                    self.leases[name] = step.until
                    lease = Lease(agent=name, uid=before.uid, expires_at=step.until)
                    self._tell(LEASE, Change.MODIFIED, name, lease)
                case "forget" if before is not None:
                    del self.agents[name]
                    self.leases.pop(name, None)
                    self._tell(AGENT, Change.DELETED, name, before)

    def _tell(self, kind: str, change: Change, name: str, what: object) -> None:
        record = records.encode(what)
        self.catalog.apply(
            Event(revision=Revision(1), change=change, kind=kind, name=name, record=record, at=NOW, actor="ops")
        )


def read_again(held: HeldAgents) -> HeldAgents:
    """What was written comes back."""
    return held_in(frames_of(held))


@settings(max_examples=40)
@given(histories, histories, histories)
def test_a_start_from_a_checkpoint_is_a_start_from_nothing(
    before: list[Step], since: list[Step], afterwards: list[Step]
) -> None:
    store = Store()
    store.live(before)
    held = store.catalog.held()
    store.live(since)
    here = known(store.catalog, NOW)
    assert known(started(None, store.rows, NOW), NOW) == here
    store.catalog = started(read_again(held), store.rows, NOW)
    assert known(store.catalog, NOW) == here
    # And it goes on as if nothing had been.
    store.live(afterwards)
    assert known(store.catalog, NOW) == known(started(None, store.rows, NOW), NOW)


@settings(max_examples=40)
@given(histories, histories)
def test_a_checkpoint_of_another_history_does_no_harm(here: list[Step], there: list[Step]) -> None:
    # A backup that was restored and lived on has the same key and the same revisions, and other agents.
    this, other = Store(), Store()
    this.live(here)
    other.live(there)
    misled = started(read_again(other.catalog.held()), this.rows, NOW)
    assert known(misled, NOW) == known(started(None, this.rows, NOW), NOW)


@settings(max_examples=30)
@given(histories, histories)
def test_what_is_held_stays_what_it_was(before: list[Step], meanwhile: list[Step]) -> None:
    # It is written in a thread, while the catalog goes on changing.
    store = Store()
    store.live(before)
    held = store.catalog.held()
    as_it_stood = list(frames_of(held))
    store.live(meanwhile)
    assert list(frames_of(held)) == as_it_stood


@settings(max_examples=30)
@given(histories, histories, histories)
def test_a_checkpoint_of_a_checkpoint_is_as_good(first: list[Step], second: list[Step], third: list[Step]) -> None:
    store = Store()
    for steps in (first, second, third):
        store.live(steps)
        store.catalog = started(read_again(store.catalog.held()), store.rows, NOW)
    assert known(store.catalog, NOW) == known(started(None, store.rows, NOW), NOW)
