"""The use cases of agents' lives, put together: what each is made of is said here once, for service and tests."""

from dataclasses import dataclass

from ringfence_kit.background import background
from ringfence_kit.clock import MINUTE, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.ids import NewId
from ringfence_kit.pages import PageTokens
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.agents.acceptance import Acceptances, AcceptedAgents, ReadinessCheck
from ringfence_registry.agents.amendment import Amendment
from ringfence_registry.agents.changes import AgentChanges
from ringfence_registry.agents.comparing import RevisionComparison
from ringfence_registry.agents.content import CardAdmission, Judge
from ringfence_registry.agents.evaluations import Evaluations
from ringfence_registry.agents.lease_keeping import BY_ITSELF, DueLeases, Leases, LeaseSweep
from ringfence_registry.agents.passage import Deleting, Deprecating, Passage, purge_due
from ringfence_registry.agents.readiness import ReadinessGates
from ringfence_registry.agents.registration import Registration
from ringfence_registry.agents.revisions import GetAgent, RevisionReading, RevisionTags
from ringfence_registry.agents.rollouts import Rollouts
from ringfence_registry.agents.surroundings import Surroundings
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.namespaces.policy import PolicyReader
from ringfence_registry.store import AgentStore, AgentTx

PURGE_EVERY = Millis(MINUTE)
PURGED_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSettings:
    """What an operator may change about agents' lives."""

    gated_environments: frozenset[str]
    """Where no agent serves before it is ready."""
    deleted_kept: Millis
    """How long a deleted agent can be brought back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLives:
    """Every use case."""

    registration: Registration
    amendment: Amendment
    passage: Passage
    deprecating: Deprecating
    deleting: Deleting
    leases: Leases
    revisions: RevisionReading
    tags: RevisionTags
    comparison: RevisionComparison
    rollouts: Rollouts
    evaluations: Evaluations
    readiness: ReadinessGates
    readiness_check: ReadinessCheck
    due: DueLeases
    """Follows the events, beside the catalog."""
    upkeep: "Upkeep"
    """Runs beside the service."""


class Upkeep:
    """What happens because time passes: leases end, deleted agents are forgotten."""

    def __init__(self, writer: Writer[AgentTx], sweep: LeaseSweep, clock: Clock) -> None:
        self._writer = writer
        self.sweep = sweep
        self._clock = clock

    async def run(self) -> None:
        """Keep up until cancelled."""
        async with background(self.sweep.run()):
            while True:
                await self._clock.sleep(PURGE_EVERY)
                await self.purge(self._clock.now())

    async def purge(self, now: Instant) -> None:
        """Forget every deleted agent whose time is over at `now`; what the store cannot take now waits for the next."""
        mutation, purged = Mutation(principal=BY_ITSELF, at=now), PURGED_AT_ONCE
        while purged == PURGED_AT_ONCE:
            try:
                purged = await self._writer.write(
                    lambda tx: purge_due(tx, now, PURGED_AT_ONCE), mutation=mutation, result=int
                )
            except Unavailable:
                return


def agent_lives(
    writer: Writer[AgentTx],
    *,
    catalog: AgentCatalog,
    store: AgentStore,
    due: DueLeases,
    get_agent: GetAgent,
    tokens: PageTokens,
    policies: PolicyReader,
    judge: Judge,
    surroundings: Surroundings,
    acceptances: Acceptances,
    settings: LifeSettings,
    clock: Clock,
    new_id: NewId,
) -> AgentLives:
    """Put the use cases together. `due` is fed by the hub, as the catalog is."""
    changes = AgentChanges(writer, catalog)
    admission = CardAdmission(policies, judge)
    readiness = ReadinessGates(surroundings, settings.gated_environments)
    accepted = AcceptedAgents(readiness, surroundings.identities, acceptances)
    revisions = RevisionReading(get_agent, catalog, store, tokens)
    comparison = RevisionComparison(get_agent, revisions)
    return AgentLives(
        registration=Registration(writer, catalog, new_id, policies=policies, admission=admission, readiness=readiness),
        amendment=Amendment(
            changes,
            policies=policies,
            admission=admission,
            comparison=comparison,
            readiness=accepted,
            revisions=revisions,
        ),
        passage=Passage(changes, policies=policies, readiness=accepted),
        deprecating=Deprecating(changes, get_agent),
        deleting=Deleting(writer, policies=policies, kept=settings.deleted_kept),
        leases=Leases(writer, catalog, surroundings.identities),
        revisions=revisions,
        tags=RevisionTags(changes, readiness),
        comparison=comparison,
        rollouts=Rollouts(changes),
        evaluations=Evaluations(changes),
        readiness=readiness,
        readiness_check=ReadinessCheck(get_agent, accepted),
        due=due,
        upkeep=Upkeep(writer, LeaseSweep(writer, due, clock), clock),
    )
