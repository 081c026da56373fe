"""What every store owes to the history of agents: revisions, leases, names, and forgetting."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName
from ringfence_registry.cards.reading import read_card
from ringfence_registry.model import Agent, AgentRevision
from ringfence_registry.store import AgentTx
from support.backends import Backend
from support.registry.agents import CARD, SPEC, an_agent
from support.registry.catalogs import whole
from support.registry.opened import Registry, opened_registry

T = TypeVar("T")

LEDGER = AgentName("finance", "ledger")
OLD, NEW = read_card(CARD), read_card(CARD.replace(b"1.0.0", b"2.0.0"))


def revision(number: int, *, agent: AgentName = LEDGER, digest: str = OLD.facts.sha256) -> AgentRevision:
    spec = replace(SPEC, purpose=f"Revision {number}. \U0001f9ed")
    return AgentRevision(
        agent=agent, number=number, spec=spec, card_sha256=digest, created_at=Instant(number), actor="ada"
    )


async def wrote(registry: Registry, work: Callable[[AgentTx], T], result: type[T]) -> T:
    return await registry.writer.write(work, mutation=registry.asked(), result=result)


async def test_a_revision_is_read_in_the_same_transaction_and_after_a_restart(backend: Backend) -> None:
    def work(tx: AgentTx) -> bool:
        tx.add_revision(revision(1))
        assert tx.revision(LEDGER, 1) == revision(1)
        assert tx.revision(LEDGER, 2) is None
        assert tx.had_card(LEDGER, OLD.facts.sha256)
        assert not tx.had_card(LEDGER, NEW.facts.sha256)
        return tx.had_card(AgentName("finance", "other"), OLD.facts.sha256)

    async with opened_registry(backend) as registry:
        assert await wrote(registry, work, bool) is False
    async with opened_registry(backend) as registry:
        assert await registry.store.agent_revision(LEDGER, 1) == revision(1)
        assert await registry.store.agent_revision(LEDGER, 2) is None
        assert await registry.store.agent_revision(AgentName("finance", "ledge"), 1) is None


async def test_revisions_come_newest_first_and_in_pages(backend: Backend) -> None:
    def work(tx: AgentTx) -> None:
        for number in (1, 2, 3, 10, 9):
            tx.add_revision(revision(number))
        tx.add_revision(revision(4, agent=AgentName("finance", "ledger2")))

    async with opened_registry(backend) as registry:
        await wrote(registry, work, type(None))
        found = await registry.store.agent_revisions(LEDGER, before=None, limit=3)
        assert [each.number for each in found] == [10, 9, 3]
        found = await registry.store.agent_revisions(LEDGER, before=3, limit=3)
        assert [each.number for each in found] == [2, 1]
        assert list(await registry.store.agent_revisions(LEDGER, before=1, limit=3)) == []


async def test_a_revision_is_written_once(backend: Backend) -> None:
    def work(tx: AgentTx) -> None:
        tx.add_revision(revision(1))
        tx.add_revision(revision(1, digest=NEW.facts.sha256))

    async with opened_registry(backend) as registry:
        with pytest.raises(Exception):  # noqa: B017, PT011 - each store has its own; that it is refused is what counts
            await wrote(registry, work, type(None))
        assert await registry.store.agent_revision(LEDGER, 1) is None


async def test_a_renewal_changes_the_end_of_the_lease_and_nothing_else(backend: Backend) -> None:
    agent = an_agent()

    def work(tx: AgentTx) -> list[Agent]:
        tx.put_card(OLD)
        tx.put(agent)
        tx.put_lease(LEDGER, Instant(50))
        first = tx.agent(LEDGER)
        tx.put_lease(LEDGER, Instant(40))
        second = tx.agent(LEDGER)
        assert first is not None
        assert second is not None
        return [first, second]

    async with opened_registry(backend) as registry:
        seen = await wrote(registry, work, list[Agent])
        assert seen == [replace(agent, lease_expires_at=Instant(50)), replace(agent, lease_expires_at=Instant(40))]
    async with opened_registry(backend) as registry:
        _, found = await registry.store.load(whole)
        assert found.agents == (replace(agent, lease_expires_at=Instant(40)),)


async def test_what_is_put_has_the_lease_it_says(backend: Backend) -> None:
    agent = replace(an_agent(), lease_expires_at=Instant(70))

    def work(tx: AgentTx) -> list[Agent]:
        tx.put(agent)
        tx.put_lease(LEDGER, Instant(90))
        tx.put(replace(agent, lease_expires_at=None))
        found = tx.agent(LEDGER)
        assert found is not None
        return [found]

    async with opened_registry(backend) as registry:
        assert await wrote(registry, work, list[Agent]) == [replace(agent, lease_expires_at=None)]


async def test_look_alikes_are_found_within_the_namespace_and_not_the_agent_itself(backend: Backend) -> None:
    def called(shown: str, *, agent: str = "ledger", namespace: str = "finance") -> Agent:
        return an_agent(agent, namespace=namespace, spec=replace(SPEC, display_name=shown))

    def work(tx: AgentTx) -> list[str]:
        tx.put(called("Ledger"))
        tx.put(called("Ledger", agent="elsewhere", namespace="travel"))
        tx.put(called("Payroll", agent="payroll"))
        candidates = [
            called("LEDGER", agent="b"),
            called("Lеdgеr", agent="b"),  # noqa: RUF001 - the letters in question
            called("Ledger", agent="ledger"),
            called("Ledger 2", agent="b"),
            called("Ledger", agent="b", namespace="hr"),
        ]
        return [str(tx.look_alike(candidate) or "") for candidate in candidates]

    async with opened_registry(backend) as registry:
        assert await wrote(registry, work, list[str]) == [str(LEDGER), str(LEDGER), "", "", ""]


async def test_a_name_of_characters_that_look_like_sentences_is_kept_and_found(backend: Backend) -> None:
    """Attack: U+FDFA decomposes into eighteen characters, and a name of them into more than an index takes."""
    spec = replace(SPEC, display_name="\ufdfa" * 66)

    def work(tx: AgentTx) -> str:
        tx.put(an_agent(spec=spec))
        return str(tx.look_alike(an_agent("other", spec=spec)))

    async with opened_registry(backend) as registry:
        assert await wrote(registry, work, str) == str(LEDGER)


async def test_forgetting_takes_the_agent_its_revisions_and_the_cards_nobody_else_has(backend: Backend) -> None:
    other = AgentName("finance", "other")

    def filled(tx: AgentTx) -> None:
        for card in (OLD, NEW):
            tx.put_card(card)
        tx.put(replace(an_agent(), purge_at=Instant(10)))
        tx.put(an_agent("other"))
        tx.add_revision(revision(1))
        tx.add_revision(revision(2, digest=NEW.facts.sha256))
        tx.add_revision(revision(1, agent=other))

    def purged(tx: AgentTx) -> list[bool]:
        before = tx.was_purged(LEDGER)
        tx.purge(LEDGER)
        return [before, tx.was_purged(LEDGER), tx.was_purged(other), tx.agent(LEDGER) is None]

    async with opened_registry(backend) as registry:
        await wrote(registry, filled, type(None))
        assert await wrote(registry, purged, list[bool]) == [False, True, False, True]
    async with opened_registry(backend) as registry:
        assert await registry.store.agent_revision(LEDGER, 1) is None
        assert await registry.store.agent_revision(other, 1) is not None
        assert await registry.store.card(NEW.facts.sha256) is None
        assert await registry.store.card(OLD.facts.sha256) == CARD
        assert await wrote(registry, lambda tx: tx.was_purged(LEDGER), bool)


async def test_those_due_are_forgotten_in_the_order_of_their_time(backend: Backend) -> None:
    def work(tx: AgentTx) -> list[str]:
        for agent, at in (("a", 30), ("b", 10), ("c", 20), ("d", 31)):
            tx.put(replace(an_agent(agent), purge_at=Instant(at)))
        tx.put(an_agent("e"))
        assert [name.agent for name in tx.due_for_purge(Instant(9), 10)] == []
        assert [name.agent for name in tx.due_for_purge(Instant(30), 2)] == ["b", "c"]
        return [name.agent for name in tx.due_for_purge(Instant(30), 10)]

    async with opened_registry(backend) as registry:
        assert await wrote(registry, work, list[str]) == ["b", "c", "a"]
