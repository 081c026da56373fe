"""Approvals opened over any backend, people who vote on them, and questions to put to them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import ManualClock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.events import Event
from ringfence_kit.ids import NewId, random_ids
from ringfence_kit.memory import MemoryWriter
from ringfence_kit.sql import Database
from ringfence_kit.sql_writer import SqlWriter
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.watch import EventHub
from ringfence_pdp.approvals.approval import Approval, Asked, Question
from ringfence_pdp.approvals.book import ApprovalBook
from ringfence_pdp.approvals.desk import ApprovalDesk, Said
from ringfence_pdp.approvals.settling import Bounds
from ringfence_pdp.approvals.store import ApprovalTx
from ringfence_pdp.approvals.store_memory import MemoryApprovalTx, every_approval
from ringfence_pdp.approvals.store_sql import SqlApprovalTx
from ringfence_pdp.approvals.store_sql import every_approval as every_stored_approval
from ringfence_pdp.approvals.voting import cancel, vote
from ringfence_pdp.store_sql import MIGRATIONS

from support.backends import Backend

MINUTE = Millis(60_000)
ANALYST = "namespaces/data/agents/analyst"
ANALYST_DID = "did:webvh:QmAnalyst:dev.id.ringfence.internal:agents:QmAnalyst"
GATEWAY = "spiffe://mesh/gateway"
BUNDLE = f"sha256-{'b' * 64}"
ARGUMENTS = f"sha256-{'c' * 64}"


def person(name: str, *groups: str, roles: Iterable[Role] = (), **more: Any) -> Caller:
    return Caller(principal=f"test:{name}", roles=frozenset({Role.APPROVER, *roles}), groups=frozenset(groups), **more)


ADA, BOB, CYD = person("ada", "oncall"), person("bob", "oncall"), person("cyd", "oncall")
ANALYST_ITSELF = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")
ADMIN = Caller(principal="dev:operator", roles=frozenset({Role.PLATFORM_ADMIN}))


def question(**changed: Any) -> Question:
    """Return a question that one of `group:oncall` has to answer within half an hour."""
    usual: dict[str, Any] = {
        "agent": ANALYST,
        "did": ANALYST_DID,
        "chain": (),
        "environment": "dev",
        "side": "caller",
        "action": "delete_table",
        "tool": "warehouse.query",
        "tool_schema_hash": "",
        "side_effects": "unknown",
        "protocol": "unknown",
        "target": "",
        "target_did": "",
        "resource_type": "table",
        "resource_id": "orders",
        "resource_owner": "",
        "resource_environment": "",
        "data_class": "",
        "labels": {},
        "arguments_digest": ARGUMENTS,
        "bundle_digest": BUNDLE,
        "min_approvals": 1,
        "approver_groups": ("group:oncall",),
        "timeout": Millis(30 * MINUTE),
        "deny_ends": False,
    }
    return Question(**{**usual, **changed})


def asked(decision_id: str = "decision", **changed: Any) -> Asked:
    usual: dict[str, Any] = {
        "decision_id": decision_id,
        "principal": GATEWAY,
        "session": "",
        "rules": ("house/delete",),
        "arguments": "",
        "namespaces": ("data",),
        "subject_namespaces": ("data",),
        "subjects": (ANALYST_DID, ANALYST),
        "owners": ("data@example.com",),
    }
    return Asked(**{**usual, **changed})


class Log(list[tuple[str, bytes]]):
    """What the audit log was told, until a test says that it takes no more."""

    full = False

    def tell(self, entry_id: str, body: bytes) -> None:
        if self.full:
            raise Unavailable(problem="the log is full")
        self.append((entry_id, body))


@dataclass(slots=True, kw_only=True)
class People:
    """Approvals at work: a store, the book that follows it, the desk, and what the audit log was told."""

    writer: Writer[ApprovalTx]
    clock: ManualClock
    book: ApprovalBook
    desk: ApprovalDesk
    log: Log
    events: list[Event] = field(default_factory=list)

    def mutation(self, caller: Caller, **more: Any) -> Mutation:
        return Mutation(principal=caller.principal, at=self.desk.moment(), **more)

    async def put(self, asking: Question | None = None, *, named: str = "", by: Asked | None = None) -> Said:
        return await self.desk.put(asking or question(), by or asked(), named=named)

    async def opened(self, asking: Question | None = None) -> Approval:
        said = await self.put(asking)
        assert said.approval is not None
        return said.approval

    async def vote(
        self,
        caller: Caller,
        name: str,
        *,
        yes: bool = True,
        binding: str = "",
        comment: str = "",
        mutation: Mutation | None = None,
    ) -> Approval:
        return await vote(
            self.writer,
            caller=caller,
            name=name,
            approve=yes,
            comment=comment,
            binding=binding,
            mutation=mutation or self.mutation(caller),
        )

    async def cancel(self, caller: Caller, name: str) -> Approval:
        return await cancel(self.writer, caller=caller, name=name, reason="not needed", mutation=self.mutation(caller))

    def named(self, name: str) -> Approval:
        found = self.book.named(name)
        assert found is not None
        return found


@asynccontextmanager
async def people(
    backend: Backend,
    *,
    clock: ManualClock | None = None,
    new_id: NewId | None = None,
    bounds: Bounds | None = None,
    rest: Millis = MINUTE,
) -> AsyncIterator[People]:
    """Open approvals on `backend`; leaving closes them in order. Opening the same backend again is a restart."""
    clock, book = clock or ManualClock(), ApprovalBook()
    log = Log()
    events: list[Event] = []

    def apply(event: Event) -> None:
        events.append(event)
        book.apply(event)

    def at_work(writer: Writer[ApprovalTx]) -> People:
        desk = ApprovalDesk(
            writer,
            book,
            clock=clock,
            new_id=new_id or random_ids,
            bounds=bounds or Bounds(open_of_one=3, open_of_namespace=4, open_in_all=5, kept=4),
            rest=rest,
            tell=log.tell,
        )
        desk.start()
        return People(writer=writer, clock=clock, book=book, desk=desk, log=log, events=events)

    if backend.kind == "memory":
        hub = EventHub(backend.memory.events, clock=clock, apply=apply)
        revision = await backend.memory.events.newest()
        book.fill(await backend.memory.read(every_approval))
        hub.start(revision)
        async with MemoryWriter(backend.memory, MemoryApprovalTx, hub, clock=clock) as memory_writer:
            yield at_work(memory_writer)
        return
    async with Database(backend.url, service="pdp", migrations=MIGRATIONS) as database:
        hub = EventHub(database.events, clock=clock, apply=apply)
        revision, stored = await database.load(every_stored_approval)
        book.fill(stored)
        hub.start(revision)
        async with SqlWriter(database, SqlApprovalTx, hub, clock=clock) as sql_writer:
            yield at_work(sql_writer)
