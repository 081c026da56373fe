"""Whatever is done to an agent, in whatever order: the table of states, the gates of prod, and revisions that stay.

A machine takes every step there is, at random, while what is around the agent changes. It knows the rules from the
contract only: the states by hand, the gates by asking the pure function.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ringfence_kit.clock import Millis
from ringfence_kit.errors import Failure
from ringfence_registry.agents.amendment import AgentPatch
from ringfence_registry.agents.gates import GateKind
from ringfence_registry.cards.reading import read_card
from ringfence_registry.errors import (
    AgentAlreadyExists,
    AgentNotDeleted,
    AgentNotFound,
    AgentRetired,
    IllegalStateTransition,
    ReadinessNotMet,
    RevisionNotFound,
)
from ringfence_registry.model import Agent, AgentRevision, AgentState
from support.backends import Backend
from support.registry.agent_steps import BOOKS, COMPLETE, DID, LEDGER, Life
from support.registry.agents import CARD
from support.registry.opened import FINANCE, opened_registry
from support.registry.world import OTHER_HASH, a_tool

D, P, A, S, X, R = (
    *(AgentState.DRAFT, AgentState.PENDING_REVIEW, AgentState.ACTIVE),
    *(AgentState.SUSPENDED, AgentState.DEPRECATED, AgentState.RETIRED),
)
STEPS: dict[str, dict[AgentState, set[AgentState]]] = {
    "submit": {D: {P}},
    "approve": {P: {A}},
    "reject": {P: {D}},
    "suspend": {A: {S}, X: {S}},
    "resume": {S: {A, X}},
    "deprecate": {A: {X}},
    "retire": {D: {R}, P: {R}, A: {R}, S: {R}, X: {R}},
    "delete": {D: {D}, R: {R}},
}
CARDS = [CARD.replace(b'"1.0.0"', f'"{number}.0.0"'.encode()) for number in (1, 2, 3)]
PATCHES = [
    AgentPatch(slo=""),
    AgentPatch(slo="ledger-99"),
    AgentPatch(on_call=""),
    AgentPatch(on_call="#ledger"),
    AgentPatch(evaluation_plan=""),
    AgentPatch(evaluation_plan="suite-7"),
    AgentPatch(did=""),
    AgentPatch(did=DID),
    AgentPatch(approved_tools=()),
    AgentPatch(approved_tools=COMPLETE.approved_tools),
    AgentPatch(environments=("dev",)),
    AgentPatch(environments=("prod",)),
    AgentPatch(environments=("dev", "prod")),
    *(AgentPatch(card=read_card(card)) for card in CARDS),
]
TAKING = [
    *(AgentPatch(slo=""), AgentPatch(on_call=""), AgentPatch(evaluation_plan="")),
    *(AgentPatch(did="did:web:x"), AgentPatch(card=read_card(CARDS[1]))),
]
ALIASES = st.sampled_from(["stable", "canary"])
NUMBERS = st.sampled_from(["1", "2", "3", "latest", "stable"])


class AgentLifeMachine(RuleBasedStateMachine):
    """One agent in a registry that keeps gates in prod."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        backend = Backend(kind="memory")
        self.registry = self.runner.run(self.stack.enter_async_context(opened_registry(backend)))
        self.life = Life(self.registry)
        self.life.know_all()
        self.runner.run(self.registry.register(spec=COMPLETE, as_draft=True))
        self.revisions: dict[int, AgentRevision] = {}

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def agent(self) -> Agent:
        return self.life.agent

    def lacks(self, agent: Agent) -> frozenset[GateKind]:
        unmet = self.registry.lives.readiness.unmet(agent, self.registry.clock.now())
        return frozenset(gate.kind for gate in unmet)

    def done(self, call: Awaitable[Any]) -> Failure | None:
        """Take a step; whatever comes of it, prod holds nobody who got there without what it needs."""
        self.registry.clock.advance(Millis(1))
        before, lacked = self.agent(), self.lacks(self.agent())
        failure = None

        async def taken() -> None:
            await call

        try:
            self.runner.run(taken())
        except Failure as error:
            failure = error
        after = self.agent()
        if failure is not None:
            assert after == before
        elif after.state.serves and "prod" in after.spec.environments:
            came = not before.state.serves or "prod" not in before.spec.environments
            new = self.lacks(after) - (frozenset() if came else lacked)
            # Evidence is taken down as it is, also when it speaks against the agent.
            assert new - ({GateKind.EVALUATION_RESULT} if before.evaluations != after.evaluations else set()) == set()
        return failure

    # What is done to it

    @rule(step=st.sampled_from(sorted(STEPS)))
    def step(self, step: str) -> None:
        before = self.agent()
        failure = self.done(getattr(self.life, step)())
        if before.deleted:
            assert isinstance(failure, AgentNotFound)
        elif before.state not in STEPS[step]:
            assert isinstance(failure, AgentRetired if step == "retire" else IllegalStateTransition)
        elif step in {"approve", "resume"} and self.lacks(before):
            assert isinstance(failure, ReadinessNotMet)
            named = failure.metadata["unmet"].split(",")
            assert named == [kind.value for kind in GateKind if kind in self.lacks(before)]
        else:
            assert failure is None
            assert self.agent().state in STEPS[step][before.state]

    @rule()
    def resume_leads_back_to_where_it_was(self) -> None:
        before = self.agent()
        if before.state.serves and not before.deleted and not self.lacks(before):
            assert self.done(self.life.suspend()) is None
            assert self.done(self.life.resume()) is None
            assert self.agent().state is before.state

    @rule()
    def undelete(self) -> None:
        deleted = self.agent().deleted
        failure = self.done(self.life.undelete())
        assert (failure is None) if deleted else isinstance(failure, AgentNotDeleted)

    @rule(patch=st.sampled_from(PATCHES))
    def update(self, patch: AgentPatch) -> None:
        before = self.agent()
        failure = self.done(self.life.update(patch))
        if before.deleted:
            assert isinstance(failure, AgentNotFound)
        elif before.state is R:
            assert isinstance(failure, AgentRetired)
        elif not before.state.serves:
            assert failure is None

    @precondition(lambda self: self.agent().state.serves and not self.agent().deleted)
    @rule(patch=st.sampled_from(TAKING))
    def take_away(self, patch: AgentPatch) -> None:
        before = self.agent()
        failure = self.done(self.life.update(patch))
        if "prod" in before.spec.environments and not self.lacks(before) and failure is not None:
            assert isinstance(failure, ReadinessNotMet)
            assert self.agent() == before

    @rule(revision=NUMBERS)
    def rollback(self, revision: str) -> None:
        before = self.agent()
        failure = self.done(self.life.rollback(revision))
        if failure is None:
            assert self.agent().number in {before.number, before.number + 1}

    @rule(revision=NUMBERS, alias=ALIASES, remove=st.booleans())
    def tag(self, revision: str, alias: str, remove: bool) -> None:
        failure = self.done(self.life.tag(revision, alias, remove=remove))
        assert failure is None or isinstance(failure, AgentNotFound | AgentRetired | RevisionNotFound | ReadinessNotMet)

    @rule(passed=st.booleans(), card=st.sampled_from(CARDS))
    def evaluate(self, passed: bool, card: bytes) -> None:
        self.done(self.life.evaluate(passed=passed, card_sha256=read_card(card).facts.sha256))

    @rule(percent=st.integers(0, 100))
    def roll_out(self, percent: int) -> None:
        self.done(self.life.roll_out(percent, canary="latest"))

    @rule()
    def register_again(self) -> None:
        assert isinstance(self.done(self.registry.register(spec=COMPLETE)), AgentAlreadyExists)

    @rule(seconds=st.integers(60, 600))
    def renew(self, seconds: int) -> None:
        before = self.agent()
        failure = self.done(self.life.renew(seconds, FINANCE))
        assert (failure is None) == (not before.deleted and before.state is not R)
        assert self.agent().etag == before.etag

    @rule()
    def supply_everything(self) -> None:
        """So that the machine gets to prod often enough to try to fall out of it."""
        if self.agent().deleted or self.agent().state is R:
            return
        self.life.know_all()
        self.done(self.life.tag("1", "stable"))
        self.done(self.life.evaluate(card_sha256=self.agent().card.sha256))
        complete = AgentPatch(
            slo="ledger-99",
            on_call="#ledger",
            evaluation_plan="suite-7",
            did=DID,
            environments=("dev", "prod"),
            approved_tools=COMPLETE.approved_tools,
        )
        self.done(self.life.update(complete))

    @rule()
    def bring_it_to_prod(self) -> None:
        self.supply_everything()
        for step in ("submit", "approve", "resume"):
            if self.agent().state in STEPS[step] and not self.agent().deleted:
                self.step(step)

    @precondition(lambda self: self.agent().deleted or self.agent().state is R)
    @rule()
    def begin_another_life(self) -> None:
        """A name is good for one agent, so a machine whose agent ended goes on with a new registry."""
        self.teardown()
        self.begin()

    # What happens around it

    @rule(active=st.booleans())
    def identity(self, active: bool) -> None:
        self.registry.world.enrol(DID, LEDGER, active=active)

    @rule(tool=st.sampled_from([a_tool(), a_tool(enabled=False), a_tool(schema_hash=OTHER_HASH), None]))
    def tool(self, tool: Any) -> None:
        self.registry.world.tools = {} if tool is None else {"ledger.read": tool}

    @rule(enabled=st.booleans())
    def boundary(self, enabled: bool) -> None:
        self.registry.world.boundaries[LEDGER] = (replace(BOOKS, enabled=enabled),)

    @precondition(lambda self: self.agent().lease_expires_at is not None)
    @rule(by=st.integers(0, 700_000))
    def time_passes(self, by: int) -> None:
        self.registry.clock.advance(Millis(by))
        self.runner.run(self.registry.lives.upkeep.sweep.sweep(self.registry.clock.now()))

    # What holds at any time

    @invariant()
    def revisions_count_from_one_and_never_change(self) -> None:
        agent = self.agent()

        async def stored() -> dict[int, AgentRevision]:
            found = await self.registry.store.agent_revisions(LEDGER, before=None, limit=1_000)
            return {each.number: each for each in found}

        now = self.runner.run(stored())
        assert sorted(now) == list(range(1, agent.number + 1))
        assert {number: now[number] for number in self.revisions} == self.revisions
        assert (now[agent.number].spec, now[agent.number].card_sha256) == (agent.spec, agent.card.sha256)
        self.revisions = now

    @invariant()
    def what_is_beside_the_state_belongs_to_it(self) -> None:
        agent = self.agent()
        assert (agent.suspended_from is not None) == (agent.state is S)
        assert (agent.retired_at is not None) == (agent.state is R)
        assert (agent.purge_at is not None) == agent.deleted
        assert all(1 <= number <= agent.number for number in agent.aliases.values())
        assert agent.rollout is None or agent.state is not R


TestAgentLife = AgentLifeMachine.TestCase
TestAgentLife.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
