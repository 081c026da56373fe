"""Who is let through before anything is looked up, and who is looked up at all."""

from dataclasses import replace

import pytest
from ringfence_kit.callers import Caller, Role
from ringfence_kit.errors import NotPermitted
from ringfence_kit.names import AgentName
from ringfence_registry.access import (
    require_decider,
    require_owner,
    require_sight,
    require_sight_of_agent,
    require_stopper,
)
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.visible import EVERYTHING, Visible
from support.registry.agents import SPEC, an_agent

NAME = AgentName("finance", "ledger")
DID = "did:web:dev.id.example.com:agents:ledger"
NOTHING = Visible()


def caller(*roles: Role, principal: str = "somebody", namespaces: tuple[str, ...] = (), agents: str = "") -> Caller:
    return Caller(
        principal=principal,
        roles=frozenset(roles),
        namespaces=frozenset(namespaces),
        agents=frozenset(filter(None, [agents])),
    )


class Catalog:
    """One agent, which may not be there, and who was looked for."""

    def __init__(self, agent: Agent | None) -> None:
        self.agent = agent
        self.looked_for: list[str] = []

    def look(self, name: str) -> Agent | None:
        self.looked_for.append(name)
        return self.agent


LEDGER = an_agent(spec=replace(SPEC, did=DID))


def test_who_sees_the_namespace_is_let_through_and_nothing_is_looked_up() -> None:
    catalog = Catalog(LEDGER)
    require_sight_of_agent(caller(Role.AUDITOR), EVERYTHING, NAME, catalog.look)
    assert catalog.looked_for == []


@pytest.mark.parametrize("agent", [LEDGER, None])
def test_a_refusal_is_made_without_a_look(agent: Agent | None) -> None:
    catalog = Catalog(agent)
    with pytest.raises(NotPermitted):
        require_sight_of_agent(caller(Role.NAMESPACE_OWNER, namespaces=("travel",)), NOTHING, NAME, catalog.look)
    assert catalog.looked_for == []


@pytest.mark.parametrize(
    "who",
    [
        caller(Role.AGENT, principal=DID),
        caller(Role.GATEWAY, namespaces=("travel",), agents=DID),
        caller(Role.GATEWAY, namespaces=("travel",), agents=str(NAME)),
    ],
)
def test_an_agent_and_who_speaks_for_it_read_it(who: Caller) -> None:
    require_sight_of_agent(who, NOTHING, NAME, Catalog(LEDGER).look)


def test_an_agent_is_refused_alike_for_another_and_for_nobody() -> None:
    told = set()
    for agent in (LEDGER, None):
        with pytest.raises(NotPermitted) as refused:
            require_sight_of_agent(caller(Role.AGENT, principal="did:web:other"), NOTHING, NAME, Catalog(agent).look)
        told.add(str(refused.value))
    assert len(told) == 1


def test_an_agent_without_a_did_is_nobodys_self() -> None:
    with pytest.raises(NotPermitted):
        require_sight_of_agent(caller(Role.AGENT, principal=""), NOTHING, NAME, Catalog(an_agent()).look)


def test_a_hidden_namespace() -> None:
    require_sight(caller(), Visible(listed=frozenset({"finance"})), "finance")
    with pytest.raises(NotPermitted):
        require_sight(caller(), NOTHING, "finance")


@pytest.mark.parametrize(
    ("who", "owns", "decides", "stops"),
    [
        (caller(Role.PLATFORM_ADMIN), True, True, True),
        (caller(Role.NAMESPACE_OWNER, namespaces=("finance",)), True, False, True),
        (caller(Role.NAMESPACE_OWNER, namespaces=("travel",)), False, False, False),
        (caller(Role.APPROVER), False, True, True),
        (caller(Role.APPROVER, namespaces=("finance",)), False, True, True),
        (caller(Role.APPROVER, namespaces=("travel",)), False, False, False),
        (caller(Role.AUDITOR), False, False, False),
        (caller(Role.GATEWAY, namespaces=("finance",)), False, False, False),
    ],
)
def test_who_owns_decides_and_stops(who: Caller, *, owns: bool, decides: bool, stops: bool) -> None:
    for check, may in ((require_owner, owns), (require_decider, decides), (require_stopper, stops)):
        if may:
            check(who, "finance", "agents")
            continue
        with pytest.raises(NotPermitted, match="namespaces/finance"):
            check(who, "finance", "agents")
