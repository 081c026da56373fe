"""An approval: a question to people, their votes, and how it goes on. Pure: the moment is an argument.

| from | to | when |
| --- | --- | --- |
| pending | approved | enough distinct people said yes, among them one of its own for every group that is asked |
| pending | denied | as many said no as would have had to say yes, or one where the policy says so (`deny_ends`) |
| pending, approved | expired | its time is over: silence is no, and so is a yes that nobody came back for |
| pending, approved | cancelled | nobody needs it any more |
| approved | used | one call was allowed because of it |

Denied, expired, cancelled and used are ends: nothing leads out of them, whatever is said later.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ringfence_kit.clock import Instant, Millis
from ringfence_kit.events import Revision

APPROVAL = "approval"
"""The kind of its events."""


class State(enum.Enum):
    """Where an approval stands. The values are stored; they never change."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    USED = "used"

    @property
    def is_open(self) -> bool:
        """Whether it may still be voted on or used."""
        return self in (State.PENDING, State.APPROVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is decided about, and what it takes: two questions are the same when all of this is."""

    agent: str
    """The agent that wants to act, by name."""
    did: str
    """Its DID."""
    chain: tuple[str, ...]
    """On whose behalf, the origin first: DIDs, without the agent's own."""
    environment: str
    side: str
    action: str
    tool: str
    tool_schema_hash: str
    side_effects: str
    protocol: str
    target: str
    """The agent called, by name."""
    target_did: str
    """Its DID."""
    resource_type: str
    resource_id: str
    resource_owner: str
    resource_environment: str
    data_class: str
    labels: Mapping[str, str]
    arguments_digest: str
    bundle_digest: str
    min_approvals: int
    approver_groups: tuple[str, ...]
    """`group:…`, each of which needs a person of its own; sorted."""
    timeout: Millis
    deny_ends: bool
    gateway_digest: str = ""
    """Of what a gateway saw around the call: host, path, and what it knows of query and body. Empty without one."""

    @property
    def namespace(self) -> str:
        """The id of the agent's namespace."""
        return self.agent.split("/")[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's."""

    voter: str
    approve: bool
    comment: str
    at: Instant
    groups: tuple[str, ...]
    """The groups that were asked and that they are in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What stands behind the question: shown to people, not bound."""

    decision_id: str
    principal: str
    """Who asked for the decision: the agent itself, or what stands in front of it."""
    session: str
    rules: tuple[str, ...]
    arguments: str
    """As JSON; empty when they were not sent or are not kept."""
    namespaces: tuple[str, ...]
    """Of every agent that takes part."""
    subject_namespaces: tuple[str, ...]
    """Of those on whose side the call is made."""
    subjects: tuple[str, ...]
    """DIDs and names of those."""
    owners: tuple[str, ...]
    """Who answers for them, as the registry knows it."""
    why: str = ""
    """Why people are asked, in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One question to people."""

    name: str
    """`approvals/{id}`."""
    question: Question
    question_key: str
    asked: Asked
    nonce: str
    binding_digest: str
    opened_at: Instant
    expires_at: Instant
    state: State = State.PENDING
    votes: tuple[Vote, ...] = ()
    ended_at: Instant | None = None
    end_reason: str = ""
    used_by: str = ""
    """The decision that used it."""
    revision: Revision
    """Of the event that made it what it is."""

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return f'"{self.revision}"'

    @property
    def approvers(self) -> tuple[Vote, ...]:
        """Those who said yes."""
        return tuple(vote for vote in self.votes if vote.approve)

    def vote_of(self, voter: str) -> Vote | None:
        """Return how somebody voted, or None."""
        return next((vote for vote in self.votes if vote.voter == voter), None)

    def at(self, now: Instant) -> "Approval":
        """Return it as it stands at `now`: expired, if its time is over."""
        if self.state.is_open and now >= self.expires_at:
            return _ended(self, State.EXPIRED, self.expires_at, "nobody came back for it in time")
        return self

    def voted(self, vote: Vote) -> "Approval":
        """Return it with one more vote. It is pending, and this voter has not voted."""
        after = replace(self, votes=(*self.votes, vote))
        if vote.approve:
            return replace(after, state=State.APPROVED) if enough(after) else after
        denials = len(after.votes) - len(after.approvers)
        if self.question.deny_ends or denials >= self.question.min_approvals:
            return _ended(after, State.DENIED, vote.at, vote.comment)
        return after

    def cancelled(self, now: Instant, reason: str) -> "Approval":
        """Return it ended because nobody needs it. It is open."""
        return _ended(self, State.CANCELLED, now, reason)

    def used(self, decision_id: str, now: Instant) -> "Approval":
        """Return it used up. It is approved."""
        return replace(_ended(self, State.USED, now, ""), used_by=decision_id)


def _ended(approval: Approval, state: State, at: Instant, reason: str) -> Approval:
    return replace(approval, state=state, ended_at=at, end_reason=reason)


def enough(approval: Approval) -> bool:
    """Say whether enough people approved: so many, and for every group one who stands for no other."""
    votes = approval.approvers
    return len(votes) >= approval.question.min_approvals and not uncovered(approval.question.approver_groups, votes)


def uncovered(groups: Sequence[str], votes: Sequence[Vote]) -> tuple[str, ...]:
    """Return groups that still lack a person of their own, as few as can be.

    One person may be in several groups and counts for one of them, so who counts for which is a matching; every group
    in turn looks for somebody, moving others who could stand elsewhere (augmenting paths).
    """
    stands_for: dict[str, str] = {}

    def find(group: str, asked: set[str]) -> bool:
        for vote in votes:
            if group in vote.groups and vote.voter not in asked:
                asked.add(vote.voter)
                if vote.voter not in stands_for or find(stands_for[vote.voter], asked):
                    stands_for[vote.voter] = group
                    return True
        return False

    return tuple(group for group in groups if not find(group, set()))
