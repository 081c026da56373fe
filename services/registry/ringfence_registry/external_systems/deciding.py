"""Deciding whether a system is trusted, and switching it off and on."""

from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_decider, require_stopper
from ringfence_registry.external_systems.model import ExternalSystem, TrustDecision, TrustVerdict
from ringfence_registry.external_systems.rows import found_system, put_system
from ringfence_registry.resources.changing import changed, switched
from ringfence_registry.resources.etags import require_etag
from ringfence_registry.resources.names import ExternalSystemName
from ringfence_registry.resources.switches import SwitchChange, SwitchState
from ringfence_registry.store.tools import ToolTx

LONGEST_TRUST = Millis(365 * DAY)
"""A decision nobody looked at again for a year is no decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What somebody says about a system."""

    verdict: TrustVerdict
    reason: str
    expires_at: Instant | None
    """None means after `LONGEST_TRUST`."""


class ExternalSystemDeciding:
    """Keeps what was decided about systems."""

    def __init__(self, writer: Writer[ToolTx]) -> None:
        self._writer = writer

    async def decide_trust(
        self, name: ExternalSystemName, word: Word, *, etag: str, caller: Caller, mutation: Mutation
    ) -> ExternalSystem:
        """Put `word` in place of the decision before and return the system.

        Raises `NotPermitted`, `ExternalSystemNotFound`, `EtagMismatch`; `InvalidRequest` when it would end before it
        begins, or later than a year from now.
        """
        require_decider(caller, name.namespace, "external systems")

        def work(tx: ToolTx) -> ExternalSystem:
            before = found_system(tx, name)
            require_etag(before, etag)
            decision = _decision(word, mutation)
            return put_system(tx, Change.MODIFIED, changed(before, tx, mutation.at, decision=decision), mutation.at)

        return await self._writer.write(work, mutation=mutation, result=ExternalSystem)

    async def disable_system(
        self, name: ExternalSystemName, *, reason: str, etag: str, caller: Caller, mutation: Mutation
    ) -> ExternalSystem:
        """Switch the system off and return it. Raises `NotPermitted`, `ExternalSystemNotFound` and `EtagMismatch`."""
        require_stopper(caller, name.namespace, "external systems")
        return await self._turn(name, SwitchState.DISABLED, reason, etag, mutation)

    async def enable_system(
        self, name: ExternalSystemName, *, reason: str, etag: str, caller: Caller, mutation: Mutation
    ) -> ExternalSystem:
        """Switch the system on and return it. Raises `NotPermitted`, `ExternalSystemNotFound` and `EtagMismatch`."""
        require_decider(caller, name.namespace, "external systems")
        return await self._turn(name, SwitchState.ENABLED, reason, etag, mutation)

    async def _turn(
        self, name: ExternalSystemName, state: SwitchState, reason: str, etag: str, mutation: Mutation
    ) -> ExternalSystem:
        def work(tx: ToolTx) -> ExternalSystem:
            before = found_system(tx, name)
            require_etag(before, etag)
            change = SwitchChange(reason=reason, actor=mutation.principal, at=mutation.at)
            after = switched(before, tx, state, change)
            return before if after is before else put_system(tx, Change.MODIFIED, after, mutation.at)

        return await self._writer.write(work, mutation=mutation, result=ExternalSystem)


def _decision(word: Word, mutation: Mutation) -> TrustDecision:
    # Judged here and not with the rest of the request: a repetition of it gets its answer also when the end is past.
    now, latest = mutation.at, Instant(mutation.at + LONGEST_TRUST)
    expires_at = latest if word.expires_at is None else word.expires_at
    if not now < expires_at <= latest:
        problem = "must lie in the future, and at most a year ahead"
        raise InvalidRequest(Violation("trust_decision.expire_time", problem))
    return TrustDecision(
        verdict=word.verdict, reason=word.reason, expires_at=expires_at, actor=mutation.principal, decided_at=now
    )
