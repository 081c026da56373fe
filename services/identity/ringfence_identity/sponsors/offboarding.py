"""Off-boarding: a person stops answering for agents, for good, and none of their agents is left unanswered for.

One transaction, so that at no moment somebody who has left answers for an agent that works:

- each of their agents goes to its backup sponsor, who takes over with a new birth certificate, and gets a new backup;
- one whose backup is gone as well, or all of them when the request says so, are suspended: cause SPONSOR_GONE. Such an
  agent needs a new birth certificate first, then it may be reinstated; one that is suspended already stays as it is;
- agents they were the backup of get the new one, unless that is their sponsor already;
- what an agent owes goes with it, and stays with them: a hand-over washes nobody clean.

The one writer is held meanwhile, so what one off-boarding may sign is bounded. To suspend costs a fifth of handing over
and is not: it must always be possible.

A waiver they gave before stands in the certificates that hold it; the next certificate needs another's.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ringfence_kit import records
from ringfence_kit.errors import EtagMismatch, InvalidRequest, Violation
from ringfence_kit.events import Change
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.environments import Environments
from ringfence_identity.model import SPONSOR, AgentIdentity, IdentityStatus, Sponsor, Suspension, SuspensionCause
from ringfence_identity.registrars import Registrars
from ringfence_identity.reissue import reissue
from ringfence_identity.revocation_record import end_permission
from ringfence_identity.sponsors.registration import require_present
from ringfence_identity.store import IdentityTx
from ringfence_identity.suspension import suspended

MOST_REISSUED = 5_000
"""The most birth certificates one off-boarding signs: some ten seconds."""


class OffboardPolicy(enum.Enum):
    """What becomes of a sponsor's agents."""

    HAND_OVER = "hand_over"
    SUSPEND = "suspend"


@dataclass(frozen=True, slots=True, kw_only=True)
class OffboardSponsor:
    """Who leaves, and what becomes of their agents."""

    name: str
    policy: OffboardPolicy
    new_backup_sponsor: str = ""
    reason: str
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offboarded:
    """Who left, and what became of their agents: DIDs."""

    sponsor: Sponsor
    handed_over: tuple[str, ...]
    backup_replaced: tuple[str, ...]
    suspended: tuple[str, ...]


class Offboarding:
    """Takes sponsors out of answering for agents. That the caller is a platform-admin stands in the grants table."""

    def __init__(
        self, *, environments: Environments, registrars: Registrars, writer: Writer[IdentityTx], new_id: NewId
    ) -> None:
        self._environments = environments
        self._registrars = registrars
        self._writer = writer
        self._new_id = new_id

    async def offboard(self, wanted: OffboardSponsor, *, mutation: Mutation) -> Offboarded:
        """Off-board a sponsor and return what became of their agents."""

        def work(tx: IdentityTx) -> Offboarded:
            before = _leaving(tx, wanted)
            agents = [agent for agent in tx.agents_of(before.name) if not agent.expired(mutation.at)]
            leaving = _Leaving(
                tx,
                environments=self._environments,
                registrars=self._registrars,
                wanted=wanted,
                mutation=mutation,
                new_id=self._new_id,
            )
            leaving.require_backup_for(agents)
            require_bearable(sum(map(leaving.is_reissued, agents)))
            after = replace(
                before,
                offboarded_at=mutation.at,
                offboarding_reason=wanted.reason,
                revision=tx.next_revision,
            )
            tx.put_sponsor(after)
            tx.record(Change.MODIFIED, SPONSOR, after.name, records.encode(after))
            for agent in agents:
                leaving.part_with(agent)
            return Offboarded(
                sponsor=after,
                handed_over=tuple(leaving.handed_over),
                backup_replaced=tuple(leaving.backup_replaced),
                suspended=tuple(leaving.suspended),
            )

        return await self._writer.write(work, mutation=mutation, result=Offboarded)


def require_bearable(reissued: int) -> None:
    """Raise when so many birth certificates are more than one transaction should sign."""
    if reissued > MOST_REISSUED:
        problem = (
            f"{reissued} agents would get a new birth certificate and at most {MOST_REISSUED} can at once; hand some "
            "to other sponsors before (IssueBirthCertificate), or suspend them all"
        )
        raise InvalidRequest(Violation("policy", problem))


def _leaving(tx: IdentityTx, wanted: OffboardSponsor) -> Sponsor:
    sponsor = require_present(tx.sponsor(wanted.name), wanted.name)
    if wanted.etag and wanted.etag != sponsor.etag:
        raise EtagMismatch(name=sponsor.name, expected=wanted.etag, current=sponsor.etag)
    if wanted.new_backup_sponsor:
        require_present(tx.sponsor(wanted.new_backup_sponsor), wanted.new_backup_sponsor)
    return sponsor


class _Leaving:
    """One off-boarding at work: what becomes of each agent, in one transaction."""

    def __init__(
        self,
        tx: IdentityTx,
        *,
        environments: Environments,
        registrars: Registrars,
        wanted: OffboardSponsor,
        mutation: Mutation,
        new_id: NewId,
    ) -> None:
        self._tx = tx
        self._environments = environments
        self._registrars = registrars
        self._wanted = wanted
        self._mutation = mutation
        self._new_id = new_id
        self._present: dict[str, bool] = {}
        self.handed_over: list[str] = []
        self.backup_replaced: list[str] = []
        self.suspended: list[str] = []

    def require_backup_for(self, agents: Sequence[AgentIdentity]) -> None:
        """Raise when agents are to be handed over and the new backup is missing, or would have to back themself up."""
        new_backup = self._wanted.new_backup_sponsor
        inherited = [agent for agent in agents if self._is_inherited(agent)]
        if inherited and not new_backup:
            problem = f"must be set: {len(inherited)} agents go to their backup sponsors and need another one"
            raise InvalidRequest(Violation("new_backup_sponsor", problem))
        for agent in inherited:
            if agent.content.backup_sponsor == new_backup:
                problem = f"becomes the sponsor of {agent.agent} of {agent.environment}; name another person"
                raise InvalidRequest(Violation("new_backup_sponsor", problem))

    def is_reissued(self, agent: AgentIdentity) -> bool:
        """Say whether `agent` will get a new birth certificate."""
        return self._is_inherited(agent) or self._gets_new_backup(agent)

    def part_with(self, agent: AgentIdentity) -> None:
        """Take the leaving sponsor out of `agent`."""
        new_backup = self._wanted.new_backup_sponsor
        if self._is_inherited(agent):
            self._reissue(agent, sponsor=agent.content.backup_sponsor, backup=new_backup)
            self.handed_over.append(agent.did)
        elif agent.content.sponsor == self._wanted.name:
            self._suspend(agent)
        elif self._gets_new_backup(agent):
            self._reissue(agent, sponsor=agent.content.sponsor, backup=new_backup)
            self.backup_replaced.append(agent.did)

    def _is_inherited(self, agent: AgentIdentity) -> bool:
        """Say whether `agent` goes to its backup sponsor."""
        return (
            self._wanted.policy is OffboardPolicy.HAND_OVER
            and agent.content.sponsor == self._wanted.name
            and self._is_present(agent.content.backup_sponsor)
        )

    def _gets_new_backup(self, agent: AgentIdentity) -> bool:
        """Say whether the leaving sponsor was the backup of `agent`, and the new one can be."""
        new_backup = self._wanted.new_backup_sponsor
        return bool(new_backup) and agent.content.sponsor not in (self._wanted.name, new_backup)

    def _is_present(self, name: str) -> bool:
        if name not in self._present:
            sponsor = self._tx.sponsor(name)
            self._present[name] = sponsor is not None and sponsor.offboarded_at is None
        return self._present[name]

    def _reissue(self, agent: AgentIdentity, *, sponsor: str, backup: str) -> None:
        reissue(
            self._tx,
            self._registrars.of(self._environments.get(agent.environment)),
            agent,
            replace(agent.content, sponsor=sponsor, backup_sponsor=backup),
            certificate_id=self._new_id(),
            reason=self._reason,
            at=self._mutation.at,
        )

    def _suspend(self, agent: AgentIdentity) -> None:
        # The way back from a suspension follows its cause, and needs a sponsor whatever the cause.
        if agent.status is IdentityStatus.SUSPENDED:
            return
        suspension = Suspension(cause=SuspensionCause.SPONSOR_GONE, reason=self._reason, at=self._mutation.at)
        after = suspended(agent, suspension, revision=self._tx.next_revision)
        end_permission(self._tx, after, reason=self._reason, at=self._mutation.at)
        self.suspended.append(after.did)

    @property
    def _reason(self) -> str:
        return f"{self._wanted.name} does not answer for it any more: {self._wanted.reason}"
