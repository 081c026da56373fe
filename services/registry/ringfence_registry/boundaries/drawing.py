"""Drawing a boundary, changing it, closing and opening it, and deleting it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_decider, require_owner, require_stopper
from ringfence_registry.boundaries.model import BOUNDARY, Boundary, BoundarySpec
from ringfence_registry.errors import BoundaryAlreadyExists, BoundaryNotFound
from ringfence_registry.namespaces.policy import PolicyReader
from ringfence_registry.namespaces.visible import VisibilityReader, Visible
from ringfence_registry.resources.changing import changed, switched
from ringfence_registry.resources.etags import require_etag
from ringfence_registry.resources.names import BoundaryName
from ringfence_registry.resources.patches import Patch
from ringfence_registry.resources.switches import SwitchChange, SwitchState
from ringfence_registry.store.tools import ToolTx
from ringfence_registry.tools.reaching import require_nameable


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBoundary:
    """What somebody asks to have drawn, judged and complete."""

    name: BoundaryName
    spec: BoundarySpec


class BoundaryDrawing:
    """Draws boundaries, and changes them."""

    def __init__(
        self, writer: Writer[ToolTx], visibility: VisibilityReader, policies: PolicyReader, new_id: NewId
    ) -> None:
        self._writer = writer
        self._visibility = visibility
        self._policies = policies
        self._new_id = new_id

    async def create_boundary(self, wanted: NewBoundary, *, caller: Caller, mutation: Mutation) -> Boundary:
        """Draw `wanted` and return the boundary, open.

        Raises `NotPermitted`, `BoundaryAlreadyExists` and `ExternalSystemNotFound`.
        """
        require_owner(caller, wanted.name.namespace, "boundaries")
        visible = self._visibility.visible(caller)
        work = _drawing(wanted, uid=self._new_id(), caller=caller, visible=visible, now=mutation.at)
        return await self._writer.write(work, mutation=mutation, result=Boundary)

    async def update_boundary(
        self, name: BoundaryName, patch: Patch, *, etag: str, caller: Caller, mutation: Mutation
    ) -> Boundary:
        """Apply `patch` and return the boundary as it is then. A change that changes nothing is not an event.

        Raises `NotPermitted`, `EtagRequired`, `BoundaryNotFound`, `EtagMismatch`; `ExternalSystemNotFound` for systems
        it did not name before.
        """
        self._require_changeable(name, etag, caller)
        visible = self._visibility.visible(caller)

        def work(tx: ToolTx) -> Boundary:
            before = _found(tx, name)
            require_etag(before, etag)
            spec = patch.applied_to(before.spec, before.spec.owner)
            spec = replace(spec, display_name=spec.display_name or name.boundary)
            if spec == before.spec:
                return before
            named = [each for each in spec.external_systems if each not in before.spec.external_systems]
            require_nameable(tx, named, caller=caller, visible=visible, now=mutation.at, by_a_tool=False)
            return _put(tx, Change.MODIFIED, changed(before, tx, mutation.at, spec=spec))

        return await self._writer.write(work, mutation=mutation, result=Boundary)

    async def delete_boundary(self, name: BoundaryName, *, etag: str, caller: Caller, mutation: Mutation) -> Boundary:
        """Forget the boundary and return it as it was.

        Raises `NotPermitted`, `EtagRequired`, `BoundaryNotFound` and `EtagMismatch`.
        """
        self._require_changeable(name, etag, caller)

        def work(tx: ToolTx) -> Boundary:
            boundary = _found(tx, name)
            require_etag(boundary, etag)
            tx.delete_boundary(name)
            tx.put_uses(str(name), ())
            tx.record(Change.DELETED, BOUNDARY, str(name), records.encode(boundary))
            return boundary

        return await self._writer.write(work, mutation=mutation, result=Boundary)

    async def disable_boundary(
        self, name: BoundaryName, *, reason: str, etag: str, caller: Caller, mutation: Mutation
    ) -> Boundary:
        """Close the boundary and return it. Raises `NotPermitted`, `BoundaryNotFound` and `EtagMismatch`."""
        require_stopper(caller, name.namespace, "boundaries")
        return await self._turn(name, SwitchState.DISABLED, reason, etag, mutation)

    async def enable_boundary(
        self, name: BoundaryName, *, reason: str, etag: str, caller: Caller, mutation: Mutation
    ) -> Boundary:
        """Open the boundary and return it. Raises `NotPermitted`, `BoundaryNotFound` and `EtagMismatch`."""
        require_decider(caller, name.namespace, "boundaries")
        return await self._turn(name, SwitchState.ENABLED, reason, etag, mutation)

    async def _turn(
        self, name: BoundaryName, state: SwitchState, reason: str, etag: str, mutation: Mutation
    ) -> Boundary:
        def work(tx: ToolTx) -> Boundary:
            before = _found(tx, name)
            require_etag(before, etag)
            change = SwitchChange(reason=reason, actor=mutation.principal, at=mutation.at)
            after = switched(before, tx, state, change)
            return before if after is before else _put(tx, Change.MODIFIED, after)

        return await self._writer.write(work, mutation=mutation, result=Boundary)

    def _require_changeable(self, name: BoundaryName, etag: str, caller: Caller) -> None:
        require_owner(caller, name.namespace, "boundaries")
        self._policies.policy_of(name.namespace).require_etag(str(name), etag)


def _drawing(
    wanted: NewBoundary, *, uid: str, caller: Caller, visible: Visible, now: Instant
) -> Callable[[ToolTx], Boundary]:
    def work(tx: ToolTx) -> Boundary:
        if tx.boundary(wanted.name) is not None:
            raise BoundaryAlreadyExists(name=str(wanted.name))
        systems = wanted.spec.external_systems
        require_nameable(tx, systems, caller=caller, visible=visible, now=now, by_a_tool=False)
        boundary = Boundary(
            name=wanted.name,
            uid=uid,
            revision=tx.next_revision,
            spec=replace(wanted.spec, display_name=wanted.spec.display_name or wanted.name.boundary),
            created_at=now,
            updated_at=now,
        )
        return _put(tx, Change.ADDED, boundary)

    return work


def _found(tx: ToolTx, name: BoundaryName) -> Boundary:
    boundary = tx.boundary(name)
    if boundary is None:
        raise BoundaryNotFound(name=str(name))
    return boundary


def _put(tx: ToolTx, change: Change, boundary: Boundary) -> Boundary:
    tx.put_boundary(boundary)
    tx.put_uses(str(boundary.name), boundary.spec.external_systems)
    tx.record(change, BOUNDARY, str(boundary.name), records.encode(boundary))
    return boundary
