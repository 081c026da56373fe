"""What every store of agents owes: the same on memory, SQLite and PostgreSQL."""

from dataclasses import replace

import pytest
from ringfence_kit import records
from ringfence_kit.events import Revision
from ringfence_kit.migrate import schema_differences
from ringfence_kit.names import AgentName
from ringfence_kit.sql import Database
from ringfence_registry.cards.model import Card
from ringfence_registry.cards.reading import read_card
from ringfence_registry.model import Agent
from ringfence_registry.store import AgentTx
from ringfence_registry.store_sql import MIGRATIONS
from ringfence_registry.tables import metadata
from support.backends import Backend
from support.registry.agents import CARD, SPEC, an_agent
from support.registry.catalogs import whole
from support.registry.opened import opened_registry

OTHER_CARD = CARD.replace(b"1.0.0", b"2.0.0")


def stored(agent: Agent, card: Card | None = None) -> Agent:
    return replace(agent, card=(card or read_card(CARD)).facts)


async def test_an_empty_store_loads_as_nothing_at_revision_zero(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        revision, found = await registry.store.load(whole)
        assert (revision, found.agents) == (0, ())


async def test_what_was_put_is_read_in_the_same_transaction_and_after_a_restart(backend: Backend) -> None:
    card = read_card(CARD)
    agents = [stored(an_agent(name, namespace=namespace)) for name, namespace in [("b", "x"), ("a", "x-y"), ("a", "x")]]

    def work(tx: AgentTx) -> int:
        for agent in agents:
            assert tx.agent(agent.name) is None
            tx.put(agent)
            assert tx.agent(agent.name) == agent
        tx.put_card(card)
        tx.put_card(card)
        return tx.next_revision

    async with opened_registry(backend) as registry:
        assert await registry.writer.write(work, mutation=registry.asked(), result=int) == 1
    async with opened_registry(backend) as registry:
        _, found = await registry.store.load(whole)
        assert [str(agent.name) for agent in found.agents] == sorted(str(agent.name) for agent in agents)
        assert {agent.name: agent for agent in found.agents} == {agent.name: agent for agent in agents}
        assert await registry.store.card(card.facts.sha256) == CARD


async def test_an_agent_put_again_replaces_the_first(backend: Backend) -> None:
    first = stored(an_agent())
    second = replace(first, revision=Revision(2), spec=replace(SPEC, team="other", labels={"ü": "\U0001f9ed"}))

    def work(tx: AgentTx) -> None:
        tx.put(first)
        tx.put(second)
        assert tx.agent(first.name) == second

    async with opened_registry(backend) as registry:
        await registry.writer.write(work, mutation=registry.asked(), result=type(None))
        _, found = await registry.store.load(whole)
        assert found.agents == (second,)


async def test_a_new_agent_is_added_and_what_is_stored_is_what_is_answered(backend: Backend) -> None:
    new, same = stored(an_agent("new")), stored(an_agent("same"))

    def work(tx: AgentTx) -> None:
        assert tx.add(new) == records.encode(new)
        assert tx.put(same) == tx.put(same) == records.encode(same)
        assert tx.agent(new.name) == new

    async with opened_registry(backend) as registry:
        await registry.writer.write(work, mutation=registry.asked(), result=type(None))
        _, found = await registry.store.load(whole)
        assert found.agents == (new, same)


async def test_every_body_is_kept(backend: Backend) -> None:
    old, new = read_card(CARD), read_card(OTHER_CARD)

    def work(tx: AgentTx) -> None:
        tx.put_card(old)
        tx.put_card(new)
        tx.put(stored(an_agent(), new))

    async with opened_registry(backend) as registry:
        await registry.writer.write(work, mutation=registry.asked(), result=type(None))
        assert await registry.store.card(new.facts.sha256) == OTHER_CARD
        assert await registry.store.card(old.facts.sha256) == CARD
        assert await registry.store.card("0" * 64) is None


async def test_a_body_of_any_bytes_comes_back_as_it_was(backend: Backend) -> None:
    body = b'{"name":"\\u0000","version":"1","url":"u"}\r\n\t '
    card = read_card(body)

    def work(tx: AgentTx) -> None:
        tx.put_card(card)
        tx.put(stored(an_agent(), card))

    async with opened_registry(backend) as registry:
        await registry.writer.write(work, mutation=registry.asked(), result=type(None))
        assert await registry.store.card(card.facts.sha256) == body
        _, found = await registry.store.load(whole)
        assert found.agents[0].card.name == "\x00"


async def test_a_work_that_fails_leaves_no_agent_and_no_card(backend: Backend) -> None:
    card = read_card(CARD)

    def work(tx: AgentTx) -> None:
        tx.put_card(card)
        tx.put(stored(an_agent()))
        raise LookupError

    async with opened_registry(backend) as registry:
        with pytest.raises(LookupError):
            await registry.writer.write(work, mutation=registry.asked(), result=type(None))
        assert await registry.store.card(card.facts.sha256) is None
        assert (await registry.store.load(whole))[1].agents == ()


async def test_nobody_is_found_under_a_name_that_only_looks_like_another(backend: Backend) -> None:
    def work(tx: AgentTx) -> list[bool]:
        tx.put(stored(an_agent("ledger", namespace="finance")))
        others = [("finance", "ledge"), ("financ", "ledger"), ("finance", "ledger-"), ("finance-", "ledger")]
        return [tx.agent(AgentName(namespace, agent)) is None for namespace, agent in others]

    async with opened_registry(backend) as registry:
        assert all(await registry.writer.write(work, mutation=registry.asked(), result=list[bool]))


@pytest.mark.parametrize("backend", ["sqlite", "postgres"], indirect=True)
async def test_the_migrations_make_what_the_tables_say(backend: Backend) -> None:
    async with Database(backend.url, service="registry", migrations=MIGRATIONS) as database:
        assert await database.read(lambda connection: schema_differences(connection, metadata)) == []
