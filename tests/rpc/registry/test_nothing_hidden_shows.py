"""A private agent is invisible: whatever a caller of another namespace asks, the answers are those of a mesh in which
the hidden agents never existed."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ringfence_kit.callers import Caller
from support.registry.served import ServedRegistry, served_registry
from support.registry.two_worlds import CALLERS, HIDDEN, HOME, OPEN, PLANS, Asking, Planned, pages, populate
from support.serving import OPERATOR

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("at_full_speed")]

A_FEW = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
"""An example takes two servers and some five hundred calls, so there are few, and none is made smaller."""

PLACE = "https://registry.example.com"
"""Where both worlds say they are."""

PLAN = [
    Planned(namespace=namespace, agent=agent, words=("ledger",), tags=("sql",), tier=1, tools=(), retired=False)
    for namespace, agent in [(HIDDEN, "alpha"), (HOME, "alpha"), (OPEN, "beta"), (HIDDEN, "gamma")]
]


@asynccontextmanager
async def two_worlds(plans: Sequence[Planned]) -> AsyncIterator[tuple[ServedRegistry, ServedRegistry]]:
    """Serve a world with all agents, and one in which the hidden ones never existed."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        async with (
            served_registry(Path(one), public_url=PLACE) as full,
            served_registry(Path(other), public_url=PLACE) as without,
        ):
            await populate(full, plans)
            await populate(without, [planned for planned in plans if planned.namespace != HIDDEN])
            yield full, without


async def differences(plans: Sequence[Planned], caller: Caller) -> list[str]:
    """Return the questions whose answers tell the two worlds apart."""
    names = sorted({planned.name for planned in plans} | {f"namespaces/{HIDDEN}/agents/nobody"})
    async with two_worlds(plans) as (full, without):
        answers = await Asking(registry=full, caller=caller, names=names).everything()
        expected = await Asking(registry=without, caller=caller, names=names).everything()
        told, told_without = await pages(full), await pages(without)
    assert answers.keys() == expected.keys()
    return [
        *(question for question, answer in answers.items() if answer != expected[question]),
        *(path for path, answer in told.items() if answer != told_without[path]),
    ]


@given(PLANS, st.sampled_from(sorted(CALLERS)))
@A_FEW
def test_the_answers_are_those_of_a_mesh_without_the_hidden_agents(plans: list[Planned], who: str) -> None:
    assert asyncio.run(differences(plans, CALLERS[who])) == []


async def test_the_questions_do_tell_who_may_know() -> None:
    found = {question.split()[0] for question in await differences(PLAN, OPERATOR)}
    assert found >= {
        "ListAgents",
        "GetAgentRequest",
        "SearchAgents",
        "GetFacetsRequest",
        "FindSimilarAgentsRequest",
        "SelectAgentRequest",
        "ExportInventory",
        "WatchAgents",
        "ListNamespaces",
    }
