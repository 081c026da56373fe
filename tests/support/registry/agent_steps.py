"""The life of one agent, step by step, as an owner, an approver and a service take them."""

from dataclasses import dataclass, replace

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_registry.agents.amendment import AgentPatch
from ringfence_registry.agents.passage import Deletion
from ringfence_registry.agents.surroundings import BoundaryFacts
from ringfence_registry.cards.reading import read_card
from ringfence_registry.model import Agent, AgentSpec, ApprovedTool, Deprecation, Evaluation

from support.registry.agents import SPEC
from support.registry.opened import ADMIN, FINANCE, Registry
from support.registry.world import HASH, a_tool

LEDGER = AgentName("finance", "ledger")
DID = "did:webvh:QmA:prod.id.example.com:agents:QmA"
BOOKS = BoundaryFacts(name="namespaces/finance/boundaries/books", enabled=True)
APPROVER = Caller(principal="oidc:approver", roles=frozenset({Role.APPROVER}))
HARNESS = Caller(principal="spiffe://mesh/evals", roles=frozenset({Role.SERVICE}))

IN_PROD = replace(SPEC, environments=("dev", "prod"), approved_tools=())
"""Said of an agent that is to serve in prod and lacks most of what it needs."""

COMPLETE = replace(
    IN_PROD,
    approved_tools=(ApprovedTool(name="ledger.read", schema_hash=HASH),),
    on_call="#ledger",
    evaluation_plan="suite-7",
    slo="ledger-99",
    did=DID,
)
"""Said of an agent that lacks nothing people can say."""


@dataclass(frozen=True, slots=True)
class Life:
    """The steps of the agent called `LEDGER` in an open registry."""

    registry: Registry

    @property
    def agent(self) -> Agent:
        """The agent as the catalog has it."""
        agent = self.registry.catalog.agent(str(LEDGER))
        assert agent is not None
        return agent

    def know_all(self) -> None:
        """Let everybody know of the agent what it needs to serve in prod."""
        world = self.registry.world
        world.enrol(DID, LEDGER)
        world.tools["ledger.read"] = a_tool()
        world.boundaries[LEDGER] = (BOOKS,)

    async def begun(self, spec: AgentSpec = COMPLETE) -> Agent:
        """Register it, with all that is needed around it, its first revision stable and evaluated."""
        self.know_all()
        await self.registry.register(spec=spec, caller=FINANCE)
        await self.tag("1", "stable")
        return await self.evaluate()

    async def serving(self, spec: AgentSpec = COMPLETE) -> Agent:
        """Bring it all the way."""
        await self.begun(spec)
        await self.submit()
        return await self.approve()

    async def update(self, patch: AgentPatch, caller: Caller = FINANCE, etag: str = "") -> Agent:
        """Change what is said of it."""
        return await self.registry.lives.amendment.update_agent(
            LEDGER, patch, etag=etag, caller=caller, mutation=self.registry.asked(caller)
        )

    async def new_card(self, body: bytes, caller: Caller = FINANCE) -> Agent:
        """Give it another card."""
        return await self.update(AgentPatch(card=read_card(body)), caller)

    async def rollback(self, revision: str = "stable", caller: Caller = FINANCE) -> Agent:
        """Go back."""
        return await self.registry.lives.amendment.rollback_agent(
            LEDGER, revision, reason="It was better.", etag="", caller=caller, mutation=self.registry.asked(caller)
        )

    async def submit(self, caller: Caller = FINANCE, etag: str = "") -> Agent:
        """Hand it in."""
        return await self.registry.lives.passage.submit_agent(
            LEDGER, etag=etag, caller=caller, mutation=self.registry.asked(caller)
        )

    async def approve(self, caller: Caller = APPROVER, etag: str = "", request_id: str = "") -> Agent:
        """Let it serve."""
        mutation = self.registry.asked(caller, request_id=request_id)
        return await self.registry.lives.passage.approve_agent(LEDGER, etag=etag, caller=caller, mutation=mutation)

    async def reject(self, caller: Caller = APPROVER) -> Agent:
        """Send it back."""
        return await self.registry.lives.passage.reject_agent(
            LEDGER, reason="Not like this.", etag="", caller=caller, mutation=self.registry.asked(caller)
        )

    async def suspend(self, caller: Caller = APPROVER) -> Agent:
        """Stop it for now."""
        return await self.registry.lives.passage.suspend_agent(
            LEDGER, reason="It looks wrong.", etag="", caller=caller, mutation=self.registry.asked(caller)
        )

    async def resume(self, caller: Caller = APPROVER) -> Agent:
        """Let it go on."""
        return await self.registry.lives.passage.resume_agent(
            LEDGER, reason="It was right.", etag="", caller=caller, mutation=self.registry.asked(caller)
        )

    async def deprecate(self, replaced_by: str = "", caller: Caller = FINANCE) -> Agent:
        """Say that it will end."""
        return await self.registry.lives.deprecating.deprecate_agent(
            LEDGER,
            Deprecation(reason="It is replaced.", replaced_by=replaced_by),
            etag="",
            caller=caller,
            mutation=self.registry.asked(caller),
        )

    async def retire(self, caller: Caller = FINANCE) -> Agent:
        """End it."""
        return await self.registry.lives.passage.retire_agent(
            LEDGER, etag="", caller=caller, mutation=self.registry.asked(caller)
        )

    async def delete(self, caller: Caller = FINANCE, *, allow_missing: bool = False) -> Deletion:
        """Take it out of sight."""
        return await self.registry.lives.deleting.delete_agent(
            LEDGER, etag="", allow_missing=allow_missing, caller=caller, mutation=self.registry.asked(caller)
        )

    async def undelete(self, caller: Caller = FINANCE) -> Agent:
        """Bring it back."""
        return await self.registry.lives.deleting.undelete_agent(
            LEDGER, etag="", caller=caller, mutation=self.registry.asked(caller)
        )

    async def tag(self, revision: str, alias: str, *, remove: bool = False, caller: Caller = FINANCE) -> Agent:
        """Give or take an alias."""
        return await self.registry.lives.tags.tag_revision(
            LEDGER, revision, alias, remove=remove, etag="", caller=caller, mutation=self.registry.asked(caller)
        )

    async def roll_out(self, percent: int, canary: str = "canary", stable: str = "stable") -> Agent:
        """Try a revision."""
        return await self.registry.lives.rollouts.set_rollout(
            LEDGER,
            canary=canary,
            stable=stable,
            percent=percent,
            etag="",
            caller=FINANCE,
            mutation=self.registry.asked(FINANCE),
        )

    async def evaluate(self, *, passed: bool = True, card_sha256: str = "", caller: Caller = HARNESS) -> Agent:
        """Record that the plan was run with its card of the moment, or another."""
        evaluation = Evaluation(
            plan="suite-7",
            passed=passed,
            card_sha256=card_sha256,
            evaluated_at=Instant(self.registry.clock.now()),
            recorder="",
        )
        return await self.registry.lives.evaluations.record_evaluation(
            LEDGER, evaluation, etag="", caller=caller, mutation=self.registry.asked(caller)
        )

    async def renew(self, seconds: int, caller: Caller = ADMIN) -> Instant:
        """Take its word that it is alive."""
        lease = await self.registry.lives.leases.renew_lease(
            LEDGER, Millis(seconds * 1_000), caller=caller, mutation=self.registry.asked(caller)
        )
        return lease.expires_at
