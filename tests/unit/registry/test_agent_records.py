"""What is stored of agents: read back as it was put in, with the lease of now, and told apart by a version."""

from ringfence_kit import records
from ringfence_kit.clock import HOUR, Instant
from ringfence_registry.finding.agent_records import AgentRecords
from ringfence_registry.model import Agent, Lease
from ringfence_registry.store import agent_row
from support.registry.agents import an_agent

LATER = Instant(1_767_225_600_000)
LEDGER, BOOKS, AGAIN = an_agent("ledger"), an_agent("books"), an_agent("ledger", revision=2)


def a_lease(agent: Agent, expires_at: Instant = LATER) -> Lease:
    return Lease(agent=str(agent.name), uid=agent.uid, expires_at=expires_at)


def stored(*agents: Agent) -> AgentRecords:
    kept = AgentRecords()
    for slot, agent in enumerate(agents):
        kept.put(slot, agent, records.encode(agent))
    return kept


def test_agents_are_read_as_they_were_put_in() -> None:
    kept = stored(LEDGER, BOOKS)
    assert [kept.agent(0), kept.agent(1)] == [LEDGER, BOOKS]
    assert [kept.read(kept.stored(slot)) for slot in (0, 1)] == [LEDGER, BOOKS]
    assert kept.size(0) == len(records.encode(LEDGER))


def test_loaded_at_once_or_put_one_by_one_is_the_same() -> None:
    loaded = AgentRecords()
    loaded.load([agent_row(str(agent.name), records.encode(agent), None) for agent in (LEDGER, BOOKS)])
    put = stored(LEDGER, BOOKS)
    assert [loaded.digest(slot) for slot in (0, 1)] == [put.digest(slot) for slot in (0, 1)]
    assert [loaded.agent(slot) for slot in (0, 1)] == [LEDGER, BOOKS]


def test_whatever_is_stored_of_an_agent_changes_its_version() -> None:
    kept = stored(LEDGER)
    versions = [kept.version(0)]
    kept.put(0, AGAIN, records.encode(AGAIN))
    versions.append(kept.version(0))
    kept.renew(0, a_lease(LEDGER))
    versions.append(kept.version(0))
    kept.forget(0)
    versions.append(kept.version(0))
    assert len(set(versions)) == len(versions)


def test_an_agent_is_read_with_the_lease_it_has_now() -> None:
    kept = stored(LEDGER)
    before = kept.stored(0)
    kept.renew(0, a_lease(LEDGER))
    assert kept.agent(0).lease_expires_at == LATER
    kept.renew(0, a_lease(LEDGER, Instant(LATER + HOUR)))
    assert kept.agent(0).lease_expires_at == LATER + HOUR
    assert kept.as_recorded(0) == LEDGER
    assert kept.read(before) == LEDGER, "what was taken before stays what it was"


def test_a_new_record_ends_a_lease() -> None:
    kept = stored(LEDGER)
    kept.load_lease(0, a_lease(LEDGER))
    kept.put(0, LEDGER, records.encode(LEDGER))
    assert kept.stored(0)[1] is None


def test_another_one_reads_what_was_held() -> None:
    kept, other = stored(LEDGER, BOOKS), AgentRecords()
    other.restore(*kept.held())
    kept.put(0, BOOKS, records.encode(BOOKS))
    assert [other.agent(slot) for slot in (0, 1)] == [LEDGER, BOOKS]
    assert other.size(1) == kept.size(1)
