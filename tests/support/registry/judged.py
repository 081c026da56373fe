"""Signed cards in the registry's store, judged and judged again, on any backend: wired as `app.py` wires them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ringfence_kit import records
from ringfence_kit.background import background
from ringfence_kit.clock import ManualClock
from ringfence_kit.errors import Unavailable
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.memory import MemoryWriter
from ringfence_kit.names import AgentName
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.watch import EventHub
from ringfence_registry.cards.reading import read_card
from ringfence_registry.cards.signatures.index import SignatureIndex
from ringfence_registry.cards.signatures.judging import SignatureJudge
from ringfence_registry.cards.signatures.re_evaluation import ReEvaluation
from ringfence_registry.cards.signatures.remembered_keys import RememberedKeys
from ringfence_registry.cards.signatures.report import SignatureReport
from ringfence_registry.cards.signatures.trust_root import TrustRoot
from ringfence_registry.model import AGENT, Agent
from ringfence_registry.namespaces.policy import Admission, NamespacePolicy
from ringfence_registry.store import AgentStore, AgentTx
from ringfence_registry.store_memory import MemoryAgentStore, MemoryAgentTx
from ringfence_registry.store_sql import MIGRATIONS, SqlAgentStore, SqlAgentTx

from support.backends import Backend
from support.prepared import prepare_backend
from support.registry.agents import an_agent
from support.registry.catalogs import whole
from support.registry.signers import SmallIdentity

T = TypeVar("T")


@dataclass(slots=True)
class SmallPolicies:
    """A `PolicyReader`: every namespace pins the same keys."""

    trusted_jwks: str = ""

    def policy_of(self, namespace: str) -> NamespacePolicy:
        """See `PolicyReader`."""
        return NamespacePolicy(admission=Admission(trusted_jwks=self.trusted_jwks))

    @property
    def default_policy(self) -> NamespacePolicy:
        """See `PolicyReader`."""
        return NamespacePolicy()


@dataclass(slots=True)
class FaultyWriter:
    """A `Writer` that does not answer while there are `refusals` left."""

    writer: Writer[AgentTx]
    refusals: int = 0

    async def write(
        self, work: Callable[[AgentTx], T], *, mutation: Mutation, result: type[T], validate_only: bool = False
    ) -> T:
        """See `Writer`."""
        if self.refusals:
            self.refusals -= 1
            raise Unavailable(problem="the store does not answer")
        return await self.writer.write(work, mutation=mutation, result=result, validate_only=validate_only)

    async def compact(self, keep: int) -> Revision:
        """See `Writer`."""
        return await self.writer.compact(keep)


@dataclass(slots=True, kw_only=True)
class Judged:
    """The open store, and what judges in it."""

    writer: Writer[AgentTx]
    store: AgentStore
    clock: ManualClock
    identity: SmallIdentity
    policies: SmallPolicies
    keys: TrustRoot
    judge: SignatureJudge
    index: SignatureIndex
    re_evaluation: ReEvaluation
    faults: FaultyWriter
    """What verdicts are written with."""
    events: list[Event] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by every event."""

    async def report(self, card: dict[str, Any], name: str = "ledger") -> SignatureReport:
        """Judge a card as if it came in now."""
        return await self.judge.judge(
            json.dumps(card).encode(),
            agent=f"namespaces/finance/agents/{name}",
            trusted_jwks=self.policies.trusted_jwks,
            now=self.clock.now(),
        )

    async def put(self, card: dict[str, Any], name: str = "ledger", report: SignatureReport | None = None) -> Agent:
        """Store an agent with a card, judged now unless it was judged before."""
        judged = await self.report(card, name) if report is None else report
        read = read_card(json.dumps(card).encode())

        def work(tx: AgentTx) -> Agent:
            plain = an_agent(name, revision=tx.next_revision)
            agent = replace(plain, card=read.facts, signatures=judged)
            tx.put_card(read)
            tx.put(agent)
            tx.record(Change.ADDED, AGENT, str(agent.name), records.encode(agent))
            return agent

        return await self.writer.write(work, mutation=self.asked(), result=Agent)

    async def change(self, agent: Agent, **changes: Any) -> Agent:
        """Store an agent otherwise than it is."""

        def work(tx: AgentTx) -> Agent:
            changed = replace(agent, revision=tx.next_revision, **changes)
            tx.put(changed)
            tx.record(Change.MODIFIED, AGENT, str(agent.name), records.encode(changed))
            return changed

        return await self.writer.write(work, mutation=self.asked(), result=Agent)

    async def stored(self, name: str = "ledger") -> Agent:
        """Return the agent as the store has it."""
        _, found = await self.store.load(whole)
        return next(agent for agent in found.agents if agent.name == AgentName("finance", name))

    async def statuses(self, name: str = "ledger") -> list[str]:
        """Return what became of the signatures of the agent's card, as the store has it."""
        return [verdict.status.value for verdict in (await self.stored(name)).signatures.verdicts]

    async def until(self, statuses: list[str]) -> None:
        """Wait until the background work has stored these."""
        while await self.statuses() != statuses:
            await self.heard.wait()
            self.heard.clear()

    def asked(self) -> Mutation:
        """Return who asks, and when."""
        return Mutation(principal="tester", at=self.clock.now())


@asynccontextmanager
async def opened_judged(backend: Backend, *, running: bool = False, trusted_jwks: str = "") -> AsyncIterator[Judged]:
    """Open everything on `backend`, with what works in the background when `running`."""
    clock, policies = ManualClock(), SmallPolicies(trusted_jwks)
    opened: list[Judged] = []

    def apply(event: Event) -> None:
        for one in opened:
            one.events.append(event)
            one.heard.set()
            one.re_evaluation.apply(event)

    if backend.kind == "memory":
        hub = EventHub(backend.memory.events, clock=clock, apply=apply)
        memory = MemoryWriter(backend.memory, MemoryAgentTx, hub, clock=clock)
        async with _judged(memory, MemoryAgentStore(backend.memory), hub, clock, policies, opened, running) as judged:
            yield judged
        return
    prepare_backend("registry", backend)
    async with Database(backend.url, service="registry", migrations=MIGRATIONS) as database:
        hub = EventHub(database.events, clock=clock, apply=apply)
        sql = SqlWriter(database, SqlAgentTx, hub, clock=clock)
        async with _judged(sql, SqlAgentStore(database), hub, clock, policies, opened, running) as judged:
            yield judged


@asynccontextmanager
async def _judged(
    writer: MemoryWriter[MemoryAgentTx] | SqlWriter[SqlAgentTx],
    store: AgentStore,
    hub: EventHub,
    clock: ManualClock,
    policies: SmallPolicies,
    opened: list[Judged],
    running: bool,
) -> AsyncIterator[Judged]:
    identity, index = SmallIdentity(), SignatureIndex()
    keys = TrustRoot(RememberedKeys(identity))
    judge = SignatureJudge(keys, index)
    faults = FaultyWriter(writer)
    again = ReEvaluation(faults, judge=judge, keys=keys, index=index, policies=policies, cards=store, clock=clock)
    judged = Judged(
        writer=writer,
        store=store,
        clock=clock,
        identity=identity,
        policies=policies,
        keys=keys,
        judge=judge,
        index=index,
        re_evaluation=again,
        faults=faults,
    )
    opened.append(judged)
    revision, found = await store.load(whole)
    again.fill(found.agents)
    hub.start(revision)
    async with writer:
        if not running:
            yield judged
            return
        async with background(again.run()):
            yield judged
