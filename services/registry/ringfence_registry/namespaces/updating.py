"""Setting up a namespace: what is asked in it, and who sees it.

Whoever owns it may, each within the rule of `model.py`. The change is made to the namespace as it is stored at that
moment, so of two at once both count. A change that changes nothing is not an event.
"""

from dataclasses import replace

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.errors import EtagMismatch, NotPermitted
from ringfence_kit.events import EMPTY, Change
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_owner
from ringfence_registry.namespaces.model import NAMESPACE, Namespace, NamespaceDefaults
from ringfence_registry.namespaces.patch import NamespacePatch, set_by_admin, set_by_owner
from ringfence_registry.store.namespaces import NamespaceTx


class NamespaceUpdating:
    """Changes namespaces."""

    def __init__(self, writer: Writer[NamespaceTx], *, defaults: NamespaceDefaults) -> None:
        self._writer = writer
        self._defaults = defaults

    async def update_namespace(
        self, namespace: str, patch: NamespacePatch, *, etag: str, caller: Caller, mutation: Mutation
    ) -> Namespace:
        """Apply `patch` and return the namespace as it is then.

        Raises `NotPermitted` for who does not own it, and for an owner who would undo what a platform-admin asks;
        `EtagMismatch` when `etag` is not empty and not current.
        """
        require_owner(caller, namespace)

        def work(tx: NamespaceTx) -> Namespace:
            before = tx.namespace(namespace) or Namespace(id=namespace)
            if etag and etag != before.etag:
                raise EtagMismatch(name=before.name, expected=etag, current=before.etag)
            after = self._changed(before, patch, caller)
            return before if after == before else self._put(tx, before, after, mutation.at)

        return await self._writer.write(work, mutation=mutation, result=Namespace)

    def _changed(self, before: Namespace, patch: NamespacePatch, caller: Caller) -> Namespace:
        if caller.has(Role.PLATFORM_ADMIN):
            return set_by_admin(before, patch, self._defaults)
        after, refused = set_by_owner(before, patch, self._defaults)
        if refused:
            raise NotPermitted(
                principal=caller.principal,
                action=f"ask less than a platform-admin does in {before.name}: {', '.join(refused)}",
                needed="role platform-admin",
            )
        return after

    def _put(self, tx: NamespaceTx, before: Namespace, after: Namespace, now: Instant) -> Namespace:
        new = before.revision == EMPTY
        put = replace(
            after,
            seen_before=before.audience(self._defaults.visibility),
            revision=tx.next_revision,
            created_at=now if new else before.created_at,
            updated_at=max(before.updated_at, now),
        )
        tx.put_namespace(put)
        tx.record(Change.ADDED if new else Change.MODIFIED, NAMESPACE, put.name, records.encode(put))
        return put
