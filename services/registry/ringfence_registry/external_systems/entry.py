"""Entering a system outside the mesh, changing what is said about it, and deleting it.

Entering is not trusting: that is somebody else's decision. What was decided was about one place and certain data, so a
change of either ends the decision.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_owner
from ringfence_registry.errors import ExternalSystemAlreadyExists, ExternalSystemInUse
from ringfence_registry.external_systems.model import ExternalSystem, ExternalSystemSpec, TrustDecision
from ringfence_registry.external_systems.rows import drop_system, found_system, put_system
from ringfence_registry.namespaces.policy import PolicyReader
from ringfence_registry.namespaces.visible import VisibilityReader, Visible
from ringfence_registry.resources.changing import changed
from ringfence_registry.resources.etags import require_etag
from ringfence_registry.resources.names import ExternalSystemName, namespace_of
from ringfence_registry.resources.patches import Patch
from ringfence_registry.store.tools import ToolTx

USERS_SHOWN = 10
"""How many of those that name a system a refusal lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExternalSystem:
    """What somebody asks to have entered, judged and complete."""

    name: ExternalSystemName
    spec: ExternalSystemSpec


class ExternalSystemEntry:
    """Takes systems in, changes them, and lets them go."""

    def __init__(
        self, writer: Writer[ToolTx], visibility: VisibilityReader, policies: PolicyReader, new_id: NewId
    ) -> None:
        self._writer = writer
        self._visibility = visibility
        self._policies = policies
        self._new_id = new_id

    async def create_system(self, wanted: NewExternalSystem, *, caller: Caller, mutation: Mutation) -> ExternalSystem:
        """Enter `wanted` and return the system, which nobody trusts yet.

        Raises `NotPermitted` and `ExternalSystemAlreadyExists`.
        """
        require_owner(caller, wanted.name.namespace, "external systems")
        work = _entering(wanted, uid=self._new_id(), now=mutation.at)
        return await self._writer.write(work, mutation=mutation, result=ExternalSystem)

    async def update_system(
        self, name: ExternalSystemName, patch: Patch, *, etag: str, caller: Caller, mutation: Mutation
    ) -> ExternalSystem:
        """Apply `patch` and return the system as it is then. A change that changes nothing is not an event.

        Raises `NotPermitted`, `EtagRequired`, `ExternalSystemNotFound` and `EtagMismatch`.
        """
        self._require_changeable(name, etag, caller)

        def work(tx: ToolTx) -> ExternalSystem:
            before = found_system(tx, name)
            require_etag(before, etag)
            spec = patch.applied_to(before.spec, before.spec.owner)
            spec = replace(spec, display_name=spec.display_name or name.system)
            if spec == before.spec:
                return before
            decision = before.decision
            if (spec.url, spec.data_classes) != (before.spec.url, before.spec.data_classes):
                decision = ended(decision, mutation.at)
            after = changed(before, tx, mutation.at, spec=spec, decision=decision)
            return put_system(tx, Change.MODIFIED, after, mutation.at)

        return await self._writer.write(work, mutation=mutation, result=ExternalSystem)

    async def delete_system(
        self, name: ExternalSystemName, *, etag: str, caller: Caller, mutation: Mutation
    ) -> ExternalSystem:
        """Forget the system and return it as it was.

        Raises `NotPermitted`, `EtagRequired`, `ExternalSystemNotFound`, `EtagMismatch` and `ExternalSystemInUse`.
        """
        self._require_changeable(name, etag, caller)
        visible = self._visibility.visible(caller)

        def work(tx: ToolTx) -> ExternalSystem:
            system = found_system(tx, name)
            require_etag(system, etag)
            _require_unused(tx, name, visible)
            return drop_system(tx, system)

        return await self._writer.write(work, mutation=mutation, result=ExternalSystem)

    def _require_changeable(self, name: ExternalSystemName, etag: str, caller: Caller) -> None:
        require_owner(caller, name.namespace, "external systems")
        self._policies.policy_of(name.namespace).require_etag(str(name), etag)


def ended(decision: TrustDecision | None, now: Instant) -> TrustDecision | None:
    """Return `decision` as one that is over since `now`, or as it is when it was over already."""
    return decision if decision is None or decision.ended_at is not None else replace(decision, ended_at=now)


def _entering(wanted: NewExternalSystem, *, uid: str, now: Instant) -> Callable[[ToolTx], ExternalSystem]:
    def work(tx: ToolTx) -> ExternalSystem:
        if tx.external_system(wanted.name) is not None:
            raise ExternalSystemAlreadyExists(name=str(wanted.name))
        system = ExternalSystem(
            name=wanted.name,
            uid=uid,
            revision=tx.next_revision,
            spec=replace(wanted.spec, display_name=wanted.spec.display_name or wanted.name.system),
            created_at=now,
            updated_at=now,
        )
        return put_system(tx, Change.ADDED, system, now)

    return work


def _require_unused(tx: ToolTx, name: ExternalSystemName, visible: Visible) -> None:
    users = tx.users_of(name)
    if not users:
        return
    shown = [user for user in users if visible.sees(namespace_of(user))][:USERS_SHOWN]
    if len(shown) < len(users):
        shown.append("others")  # of namespaces the caller does not see, or past what is worth reading
    raise ExternalSystemInUse(name=str(name), used_by=shown)
