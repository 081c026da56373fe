"""The use case behind every door: may this caller ask, what is the answer, and is it in the log?

A caller may ask about agents it speaks for; the services and administrators about all. What is asked at one moment is
decided in one sitting (`sitting.py`).
"""

from collections.abc import Callable
from typing import Protocol

from ringfence_kit.callers import Caller
from ringfence_kit.clock import EPOCH, Clock, Instant, Millis
from ringfence_kit.ids import NewId

from ringfence_pdp.allowed_tools import AllowedTools, ToolPage
from ringfence_pdp.case import Basis
from ringfence_pdp.compile import CompiledBundle
from ringfence_pdp.decision_record import DecisionRecords
from ringfence_pdp.decision_watch import DecisionWatch
from ringfence_pdp.facts import Facts
from ringfence_pdp.filters.remote import Classifiers, NoClassifiers
from ringfence_pdp.model import CheckRequest
from ringfence_pdp.policy_state import InForce, PolicyState
from ringfence_pdp.reckoning import Reckoning
from ringfence_pdp.rollout.trial import Trials
from ringfence_pdp.session_log import SessionHistories
from ringfence_pdp.sitting import Found, Office, Sitting, Tally
from ringfence_pdp.who_asks import refuse_strangers


class KnownAgents(Protocol):
    """What is known of agents, and how old that is."""

    @property
    def facts(self) -> Facts:
        """Every agent known at this moment."""
        ...

    def identity_age(self, now: Instant) -> Millis | None:
        """Return how long ago identity was last heard; None means never."""
        ...


class Decisions:
    """Answers questions; everything it needs is in memory."""

    def __init__(
        self,
        *,
        policy: PolicyState[CompiledBundle],
        trials: Trials,
        agents: KnownAgents,
        log: DecisionRecords,
        reckoning: Reckoning,
        gated_environments: frozenset[str],
        audiences: frozenset[str] = frozenset(),
        classifiers: Classifiers | None = None,
        reads_again: bool = False,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        """`gated_environments` are those in which a tool has to be approved with the hash of its schema.

        `audiences` are those of the delegation tokens this pdp decides for; none leaves that to enforcement points.
        `classifiers` are those elsewhere that policies may ask; with `reads_again` the second reader of intent too.
        """
        self._gated_environments = gated_environments
        self._audiences = audiences
        self._latest = EPOCH
        self._policy = policy
        self._trials = trials
        self._agents = agents
        self._clock = clock
        self._tools = AllowedTools()
        self._sessions = SessionHistories()
        self.watch = DecisionWatch(clock)
        """Those who watch decisions as they are made."""
        self.counts: Tally = {}
        """Answers given since the start."""
        self.found: Found = {}
        """What filters found in what was answered about."""
        self._office = Office(
            log=log,
            reckoning=reckoning,
            new_id=new_id,
            watch=self.watch,
            counts=self.counts,
            found=self.found,
            classifiers=NoClassifiers() if classifiers is None else classifiers,
            reads_again=reads_again,
            renewed=self._renewed,
        )

    @property
    def epoch(self) -> int:
        """Answers with a lower epoch are not to be used again."""
        return self._policy.current.epoch + self._agents.facts.epoch

    def sitting(self) -> Sitting:
        """Return what decides on this moment's basis."""
        in_force = self._policy.current
        trial = self._trials.of(in_force)
        basis = self._basis(in_force)
        decides, tried = in_force.compiled, in_force.candidate
        asked = (decides is not None and decides.has_history) or (tried is not None and tried.has_history)
        self._sessions.listen(basis.now, asked=asked)
        return Sitting(self._office, basis, in_force, trial, self._sessions if asked else None)

    def tools(
        self,
        subject: CheckRequest,
        caller: Caller,
        *,
        asked: Callable[[str], CheckRequest],
        after: str,
        size: int,
        show_denied: bool,
    ) -> ToolPage:
        """Return the tools an agent could call, those whose names come after `after`. Nothing is logged or counted.

        Raises NotPermitted. Without `show_denied` only what the agent is approved for is looked at: nothing else can be
        allowed.
        """
        basis = self._basis(self._policy.current)
        refuse_strangers(caller, subject, basis.facts)
        identity = basis.facts.identity(subject.did, subject.agent, subject.environment)
        approved = identity.approved_tools if identity is not None else ()
        names = sorted(name for name in (basis.facts.tools if show_denied else approved) if name > after)
        return self._tools.page(basis, asked, names, size=size, show_denied=show_denied)

    def _renewed(self, in_force: InForce[CompiledBundle]) -> Basis:
        """Return the basis as it is now, with the policies that were in force."""
        return self._basis(in_force)._replace(kill_switches=self._policy.current.kill_switches)

    def _basis(self, in_force: InForce[CompiledBundle]) -> Basis:
        now = self._clock.now()
        self._latest = max(self._latest, now)  # No proof comes back to life when the clock is set back.
        # In the order of its members, since naming them takes as long as all the rest.
        return Basis(
            in_force.compiled,
            in_force.kill_switches,
            self._agents.facts,
            now,
            self._agents.identity_age(now),
            self._gated_environments,
            self._audiences,
            self._latest,
        )
