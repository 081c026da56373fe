"""Registering, changing, reading and watching agents, the same over every store."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest
from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, HOUR, ManualClock, Millis
from ringfence_kit.errors import EtagMismatch, NotPermitted, PageTokenInvalid, RequestIdReused, RevisionInFuture
from ringfence_kit.events import Bookmark, Change, Event, Revision
from ringfence_kit.names import AgentName
from ringfence_kit.state_watch import Standing, StateComplete
from ringfence_registry.agents.amendment import AgentPatch
from ringfence_registry.cards.reading import read_card
from ringfence_registry.errors import AgentAlreadyExists, AgentNotFound, AgentRetired, FilterInvalid
from ringfence_registry.finding.watching import AgentWatch, WatchedItem
from ringfence_registry.model import AGENT, Agent, AgentState, ApprovedTool, RiskTier
from ringfence_registry.store import AgentTx
from support.backends import Backend
from support.registry.agents import CARD, SPEC, an_agent
from support.registry.opened import ADMIN, AUDITOR, FINANCE, Registry, opened_registry, query
from support.watching import while_time_passes

LEDGER = AgentName("finance", "ledger")
NEW_CARD = CARD.replace(b'"Ledger"', b'"Ledger Two"').replace(b"1.0.0", b"2.0.0")


async def update(registry: Registry, patch: AgentPatch, *, etag: str = "", caller: Caller = ADMIN) -> Agent:
    return await registry.lives.amendment.update_agent(
        LEDGER, patch, etag=etag, caller=caller, mutation=registry.asked(caller)
    )


async def retire(registry: Registry, name: AgentName = LEDGER, *, etag: str = "", caller: Caller = ADMIN) -> Agent:
    return await registry.lives.passage.retire_agent(name, etag=etag, caller=caller, mutation=registry.asked(caller))


# Registering


async def test_a_registered_agent_is_read_back_now_and_after_a_restart(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        agent = await registry.register()
        assert (agent.state, agent.revision, agent.created_at) == (AgentState.ACTIVE, 1, registry.clock.now())
        assert registry.reading.get_agent(LEDGER, caller=ADMIN) == agent
        assert (await registry.reading.get_card(LEDGER, caller=ADMIN)).body == CARD
    async with opened_registry(backend) as registry:
        assert registry.reading.get_agent(LEDGER, caller=ADMIN) == agent
        assert (await registry.reading.get_card(LEDGER, caller=ADMIN)).body == CARD
        assert registry.names('labels.tier = "gold" team:finance') == ["ledger"]
        assert registry.hub.newest == 1


async def test_a_name_is_given_once_even_when_many_ask_at_once(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        asked = await asyncio.gather(*(registry.register() for _ in range(40)), return_exceptions=True)
        assert len([each for each in asked if isinstance(each, Agent)]) == 1
        refused = [each for each in asked if isinstance(each, AgentAlreadyExists)]
        assert len(refused) == 39
        assert refused[0].metadata == {"name": str(LEDGER), "state": "ACTIVE"}
        assert registry.hub.newest == 1


async def test_the_name_of_a_retired_agent_stays_taken(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        await registry.register()
        await retire(registry)
        with pytest.raises(AgentAlreadyExists) as caught:
            await registry.register()
        assert caught.value.metadata["state"] == "RETIRED"


async def test_a_repeated_request_gets_the_first_answer(backend: Backend) -> None:
    request_id = "6d7c2b1e-8f5a-4d0c-9b3e-2a1f0c9d8e7f"
    async with opened_registry(backend) as registry:
        first = await registry.register(request_id=request_id)
        await update(registry, AgentPatch(team="later"))
        assert await registry.register(request_id=request_id) == first
        assert registry.hub.newest == 2
    async with opened_registry(backend) as registry:
        assert await registry.register(request_id=request_id) == first
        with pytest.raises(RequestIdReused):
            await registry.register(request_id=request_id, card=NEW_CARD)
        with pytest.raises(RequestIdReused):
            await registry.register(request_id=request_id, caller=FINANCE)
        registry.clock.advance(DAY)
        registry.clock.advance(HOUR)
        with pytest.raises(AgentAlreadyExists):
            await registry.register(request_id=request_id)


async def test_a_rehearsal_leaves_nothing_behind(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        rehearsed = await registry.register(validate_only=True)
        assert rehearsed.spec == SPEC
        assert registry.names() == []
        assert registry.hub.newest == 0
        assert await registry.store.card(rehearsed.card.sha256) is None
        await registry.register()
        with pytest.raises(AgentAlreadyExists):
            await registry.register(validate_only=True)
        after = await registry.lives.amendment.update_agent(
            LEDGER, AgentPatch(team="x"), etag="", caller=ADMIN, mutation=registry.asked(), validate_only=True
        )
        assert after.spec.team == "x"
        assert registry.reading.get_agent(LEDGER, caller=ADMIN).spec.team == "finance"


@pytest.mark.parametrize("backend", ["memory"], indirect=True)
async def test_an_agent_without_a_display_name_goes_by_its_cards(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        agent = await registry.register(spec=replace(SPEC, display_name=""))
        assert agent.spec.display_name == "Ledger"
        card = CARD.replace(b'"Ledger"', b'"  La\xcc\x88dger\\n of \\u202e the\\u0007 house ' + b"x" * 300 + b'"')
        agent = await registry.register("long", spec=replace(SPEC, display_name=""), card=card)
        assert agent.spec.display_name.startswith("Lädger of the house xxx")
        assert len(agent.spec.display_name.encode()) == 200
        card = CARD.replace(b'"Ledger"', b'"\\u202e"')
        agent = await registry.register("hidden", spec=replace(SPEC, display_name=""), card=card)
        assert agent.spec.display_name == "hidden"


# Changing


async def test_an_update_changes_what_it_names_and_nothing_else(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        before = await registry.register()
        registry.clock.advance(HOUR)
        patch = AgentPatch(
            purpose="Something else.",
            owner_contact="grace@example.com",
            risk_tier=RiskTier.HIGH,
            approved_tools=(ApprovedTool(name="ledger.write", schema_hash="sha256-" + "0" * 64),),
            labels={},
            did="did:web:dev.id.example.com:agents:ledger",
        )
        after = await update(registry, patch)
        assert after.spec == replace(
            SPEC,
            purpose="Something else.",
            owner=replace(SPEC.owner, contact="grace@example.com"),
            risk_tier=RiskTier.HIGH,
            approved_tools=(ApprovedTool(name="ledger.write", schema_hash="sha256-" + "0" * 64),),
            labels={},
            did="did:web:dev.id.example.com:agents:ledger",
        )
        assert (after.uid, after.card, after.created_at) == (before.uid, before.card, before.created_at)
        assert (after.revision, after.updated_at) == (2, registry.clock.now())
        assert registry.names("risk_tier = HIGH AND approved_tools:ledger.write") == ["ledger"]
        assert registry.names("labels:tier OR risk_tier = MEDIUM") == []


async def test_a_new_card_is_served_byte_for_byte(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        await registry.register()
        after = await update(registry, AgentPatch(card=read_card(NEW_CARD), display_name=""))
        assert (after.card.version, after.spec.display_name) == ("2.0.0", "Ledger Two")
        assert (await registry.reading.get_card(LEDGER, caller=ADMIN)).body == NEW_CARD
    async with opened_registry(backend) as registry:
        assert (await registry.reading.get_card(LEDGER, caller=ADMIN)).body == NEW_CARD


async def test_of_two_changes_on_one_etag_one_wins(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        etag = (await registry.register()).etag
        first = await update(registry, AgentPatch(team="first"), etag=etag)
        with pytest.raises(EtagMismatch) as caught:
            await update(registry, AgentPatch(team="second"), etag=etag)
        assert caught.value.metadata == {
            "name": str(LEDGER),
            "expected_etag": etag,
            "current_etag": first.etag,
        }
        with pytest.raises(EtagMismatch):
            await retire(registry, etag=etag)
        assert (await retire(registry, etag=first.etag)).state is AgentState.RETIRED


async def test_changes_without_an_etag_all_count(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        await registry.register()
        patches = [AgentPatch(team="t"), AgentPatch(purpose="p"), AgentPatch(environments=("dev",)), AgentPatch(did="")]
        await asyncio.gather(*(update(registry, patch) for patch in patches))
        agent = registry.reading.get_agent(LEDGER, caller=ADMIN)
        assert (agent.spec.team, agent.spec.purpose, agent.spec.environments) == ("t", "p", ("dev",))
        assert agent.revision == 4


async def test_a_change_that_changes_nothing_is_no_event(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        agent = await registry.register()
        registry.clock.advance(HOUR)
        assert await update(registry, AgentPatch(team=SPEC.team, card=read_card(CARD))) == agent
        assert registry.hub.newest == 1


async def test_an_agent_never_changed_before_it_was_made(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        agent = await registry.register()
        registry.clock.advance(Millis(-DAY))
        assert (await update(registry, AgentPatch(team="x"))).updated_at == agent.created_at
        assert (await retire(registry)).retired_at == agent.created_at


async def test_a_retired_agent_stays_readable_and_does_not_change(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        await registry.register()
        retired = await retire(registry)
        assert registry.reading.get_agent(LEDGER, caller=ADMIN) == retired
        assert (await registry.reading.get_card(LEDGER, caller=ADMIN)).body == CARD
        assert registry.names() == []
        assert registry.names(show_retired=True) == ["ledger"]
        assert registry.names("state = RETIRED", show_retired=True) == ["ledger"]
        with pytest.raises(AgentRetired):
            await retire(registry)
        with pytest.raises(AgentRetired):
            await update(registry, AgentPatch(team="x"))


async def test_an_agent_nobody_registered_is_not_found(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        with pytest.raises(AgentNotFound):
            await update(registry, AgentPatch(team="x"))
        with pytest.raises(AgentNotFound):
            await retire(registry)
        with pytest.raises(AgentNotFound):
            registry.reading.get_agent(LEDGER, caller=ADMIN)
        with pytest.raises(AgentNotFound):
            await registry.reading.get_card(LEDGER, caller=ADMIN)


# Who may


@pytest.mark.parametrize("backend", ["memory"], indirect=True)
async def test_a_namespace_owner_changes_its_own_and_learns_nothing_of_others(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        await registry.register("ledger", namespace="travel")
        told = set()
        for agent in ("ledger", "nobody"):
            name = AgentName("travel", agent)
            for attempt in (
                registry.register(agent, namespace="travel", caller=FINANCE),
                retire(registry, name, caller=FINANCE),
                registry.lives.amendment.update_agent(
                    name, AgentPatch(team="x"), etag='"1"', caller=FINANCE, mutation=registry.asked(FINANCE)
                ),
                registry.reading.get_card(name, caller=FINANCE),
            ):
                with pytest.raises(NotPermitted) as caught:
                    await attempt
                told.add(caught.value.message.replace(agent, "…"))
        # Whether the agent exists makes no difference to what is said.
        assert len(told) == 2
        assert (await registry.register(caller=FINANCE)).name == LEDGER
        assert (await update(registry, AgentPatch(team="x"), caller=FINANCE)).spec.team == "x"
        assert (await retire(registry, caller=FINANCE)).state is AgentState.RETIRED


@pytest.mark.parametrize("backend", ["memory"], indirect=True)
async def test_who_may_read_what(backend: Backend) -> None:
    def caller(role: Role) -> Caller:
        return Caller(principal=f"some {role.value}", roles=frozenset({role}))

    itself = Caller(principal="did:web:id.example.com:agents:one", roles=frozenset({Role.AGENT}))
    async with opened_registry(backend) as registry:
        await registry.register(spec=replace(SPEC, did=itself.principal))
        await registry.register("other", spec=replace(SPEC, did=""))
        for role in (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.APPROVER, Role.GATEWAY, Role.SERVICE):
            assert registry.reading.get_agent(LEDGER, caller=caller(role)).name == LEDGER
            registry.reading.list_agents(query(), caller=caller(role), now=registry.clock.now())
        assert registry.reading.get_agent(LEDGER, caller=itself).name == LEDGER
        nameless = Caller(principal="", roles=frozenset({Role.AGENT}))
        for stranger in (nameless, caller(Role.NAMESPACE_OWNER)):
            for name in (AgentName("finance", "other"), AgentName("finance", "nobody")):
                with pytest.raises(NotPermitted):
                    registry.reading.get_agent(name, caller=stranger)
            with pytest.raises(NotPermitted):
                registry.reading.list_agents(query(namespace="finance"), caller=stranger, now=registry.clock.now())
            everywhere = registry.reading.list_agents(query(), caller=stranger, now=registry.clock.now())
            assert everywhere.agents == ()
        for at_home in (FINANCE, itself):
            for namespace in ("finance", None):
                found = registry.reading.list_agents(
                    query(namespace=namespace), caller=at_home, now=registry.clock.now()
                )
                assert [view.agent.name.agent for view in found.agents] == ["ledger", "other"]


# Lists


async def test_a_walk_sees_every_agent_once_while_others_come_and_change(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        steady = [f"agent-{number:02}" for number in range(0, 60, 2)]
        await asyncio.gather(*(registry.register(name) for name in steady))
        seen: list[str] = []
        token, number = "", 1
        while True:
            page = registry.reading.list_agents(
                query("team = finance", namespace="finance", page_size=4, page_token=token),
                caller=ADMIN,
                now=registry.clock.now(),
            )
            seen += [agent.agent.name.agent for agent in page.agents]
            assert page.revision == registry.hub.newest
            token = page.next_page_token
            if not token:
                break
            await registry.register(f"agent-{number:02}")
            await registry.lives.amendment.update_agent(
                AgentName("finance", steady[-1]),
                AgentPatch(purpose=f"Changed {number} times."),
                etag="",
                caller=ADMIN,
                mutation=registry.asked(),
            )
            number += 2
        assert len(seen) == len(set(seen))
        assert set(steady) <= set(seen)
        assert seen == sorted(seen)


@pytest.mark.parametrize("backend", ["memory"], indirect=True)
async def test_a_page_token_is_good_for_one_question_of_one_caller(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        for name in "abcd":
            await registry.register(name)

        def token_for(text: str = "", *, token: str = "", caller: Caller = ADMIN, namespace: str | None = None) -> str:
            asked = query(text, namespace=namespace, page_size=1, page_token=token)
            return registry.reading.list_agents(asked, caller=caller, now=registry.clock.now()).next_page_token

        token = token_for()
        assert token_for(token=token) != token
        for wrong in (token[:-4] + "AAAA", token + "A", "not a token", "é", token.upper()):
            with pytest.raises(PageTokenInvalid):
                token_for(token=wrong)
        with pytest.raises(PageTokenInvalid):
            token_for(token=token, caller=AUDITOR)
        with pytest.raises(PageTokenInvalid):
            token_for("team:x", token=token)
        with pytest.raises(PageTokenInvalid):
            token_for(token=token, namespace="finance")
        registry.clock.advance(Millis(3 * DAY))
        with pytest.raises(PageTokenInvalid):
            token_for(token=token)


@pytest.mark.parametrize("backend", ["memory"], indirect=True)
async def test_a_filter_that_cannot_be_used_is_refused_with_its_place(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        with pytest.raises(FilterInvalid) as caught:
            registry.names("team = x AND colour = red")
        assert caught.value.metadata["column"] == "14"
        assert [violation.field for violation in caught.value.violations] == ["filter"]


# Watches


def watch(
    registry: Registry,
    *,
    namespace: str | None = None,
    start: int | None = None,
    initial: bool = False,
    caller: Caller = ADMIN,
) -> AsyncGenerator[WatchedItem, None]:
    wanted = AgentWatch(
        namespace=namespace,
        start_revision=None if start is None else Revision(start),
        send_initial_state=initial,
    )
    return registry.watching.watch_agents(wanted, caller=caller)


def told(item: WatchedItem) -> tuple[str, int, str]:
    match item:
        case Standing():
            (view,) = item.resource.views()
            return "standing", item.revision, view.agent.name.agent
        case StateComplete():
            return "complete", item.revision, ""
        case Bookmark():
            return "bookmark", item.revision, ""
        case Event():
            return item.change.name, item.revision, item.name.rpartition("/")[2]


async def test_a_watch_begins_with_the_state_and_goes_on_with_every_change(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        await registry.register("a")
        await registry.register("b")
        await retire(registry, AgentName("finance", "b"))
        async with aclosing(watch(registry, initial=True)) as items:
            assert [told(await anext(items)) for _ in range(2)] == [("standing", 3, "a"), ("standing", 3, "b")]
            await registry.register("c")  # in the middle of the state
            assert told(await anext(items)) == ("complete", 3, "")
            await retire(registry, AgentName("finance", "a"))
            assert [told(await anext(items)) for _ in range(2)] == [("ADDED", 4, "c"), ("MODIFIED", 5, "a")]


async def test_a_watch_goes_on_where_another_ended_also_after_a_restart(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        for name in "abc":
            await registry.register(name)
    async with opened_registry(backend) as registry:
        await registry.register("d")
        async with aclosing(watch(registry, start=2)) as items:
            assert [told(await anext(items)) for _ in range(3)] == [
                ("ADDED", 2, "b"),
                ("ADDED", 3, "c"),
                ("ADDED", 4, "d"),
            ]
        async with aclosing(watch(registry, start=5)) as items:
            await registry.register("e")
            assert told(await anext(items)) == ("ADDED", 5, "e")
        async with aclosing(watch(registry, start=7)) as items:
            with pytest.raises(RevisionInFuture):
                await anext(items)


@pytest.mark.parametrize("backend", ["memory"], indirect=True)
async def test_a_watch_from_now_on_tells_nothing_of_the_past(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        await registry.register("a")
        async with aclosing(watch(registry)) as items:
            assert told(await anext(items)) == ("bookmark", 1, "")
            await registry.register("b")
            assert told(await anext(items)) == ("ADDED", 2, "b")


@pytest.mark.parametrize("backend", ["memory"], indirect=True)
async def test_a_watch_of_one_namespace_hears_of_no_other(backend: Backend) -> None:
    clock = ManualClock()
    async with opened_registry(backend, clock=clock) as registry:
        await registry.register("x", namespace="fin")
        await registry.register("x", namespace="finance")
        await registry.register("x", namespace="fin-ops")
        async with aclosing(watch(registry, namespace="fin", initial=True, caller=AUDITOR)) as items:
            assert [told(await anext(items)) for _ in range(2)] == [("standing", 3, "x"), ("complete", 3, "")]
            await registry.register("y", namespace="finance")
            await registry.register("y", namespace="fin")
            assert told(await anext(items)) == ("ADDED", 5, "y")
            await registry.register("z", namespace="finance")
            assert told(await while_time_passes(clock, anext(items))) == ("bookmark", 6, "")
        with pytest.raises(NotPermitted):
            await anext(watch(registry, namespace="travel", caller=FINANCE))
        async with aclosing(watch(registry, initial=True, caller=FINANCE)) as items:
            standing = [told(await anext(items)) for _ in range(4)]
            assert standing == [("standing", 6, name) for name in "xyz"] + [("complete", 6, "")]


async def test_an_event_carries_the_agent_as_it_was_then(backend: Backend) -> None:
    async with opened_registry(backend) as registry:
        first = await registry.register()
        second = await update(registry, AgentPatch(team="x"), caller=FINANCE)
        async with aclosing(watch(registry, start=1)) as items:
            events = [item for item in [await anext(items), await anext(items)] if isinstance(item, Event)]
        assert [(event.change, event.actor) for event in events] == [
            (Change.ADDED, ADMIN.principal),
            (Change.MODIFIED, FINANCE.principal),
        ]
        assert [records.decode(event.record, Agent) for event in events] == [first, second]


@pytest.mark.parametrize("backend", ["memory"], indirect=True)
async def test_a_body_that_was_lost_is_never_made_up(backend: Backend) -> None:
    def work(tx: AgentTx) -> None:
        agent = an_agent(revision=tx.next_revision)
        tx.put(agent)
        tx.record(Change.ADDED, AGENT, str(agent.name), records.encode(agent))

    async with opened_registry(backend) as registry:
        await registry.writer.write(work, mutation=registry.asked(), result=type(None))
        with pytest.raises(AssertionError, match="is lost"):
            await registry.reading.get_card(LEDGER, caller=ADMIN)


# Replicas


@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
async def test_a_replica_serves_a_card_that_another_took_in(backend: Backend) -> None:
    async with opened_registry(backend) as one, opened_registry(backend) as two:
        async with aclosing(watch(two)) as items:
            assert told(await anext(items)) == ("bookmark", 0, "")
            await one.register()
            assert told(await anext(items)) == ("ADDED", 1, "ledger")
        digest = hashlib.sha256(CARD).hexdigest()
        assert two.catalog.card(digest) is None
        assert (await two.reading.get_card(LEDGER, caller=ADMIN)).body == CARD
        assert two.catalog.card(digest) == CARD
