"""What somebody wants changed about a namespace, and the namespace that comes of it. Pure: values in, value out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ringfence_registry.namespaces.model import Namespace, NamespaceDefaults, loosened
from ringfence_registry.namespaces.policy import NamespacePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespacePatch:
    """New values by the names the model's fields have; what is not named stays."""

    plain: Mapping[str, Any] = field(default_factory=dict)
    """Of `Namespace`: display_name, visibility, entitled."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    """Of `NamespacePolicy`, but admission."""
    admission: Mapping[str, Any] = field(default_factory=dict)
    """Of `Admission`."""

    @property
    def of_audience(self) -> bool:
        """Whether it says who sees the namespace."""
        return not self.plain.keys().isdisjoint({"visibility", "entitled"})


def set_by_admin(namespace: Namespace, patch: NamespacePatch, defaults: NamespaceDefaults) -> Namespace:
    """Return `namespace` as a platform-admin wants it: every value in force at once, and the floor from now on."""
    after = replace(
        namespace,
        **patch.plain,
        policy=_patched(namespace.policy, patch),
        floor=_patched(namespace.floor, patch),
    )
    if not patch.of_audience:
        return after
    free = replace(after, ceiling=None)
    return free if free.visibility is None else replace(free, ceiling=free.audience(defaults.visibility))


def set_by_owner(
    namespace: Namespace, patch: NamespacePatch, defaults: NamespaceDefaults
) -> tuple[Namespace, tuple[str, ...]]:
    """Return `namespace` as its owner wants it, and the fields in which that is not the owner's to decide."""
    after = replace(namespace, **patch.plain, policy=_patched(namespace.policy, patch))
    refused = list(loosened(after.policy, after.floor, defaults.least_verdict))
    if patch.of_audience and after.ceiling is not None:
        wanted = replace(after, ceiling=None).audience(defaults.visibility)
        if not wanted.within(after.ceiling):
            refused.append("visibility")
    return after, tuple(refused)


def _patched(policy: NamespacePolicy, patch: NamespacePatch) -> NamespacePolicy:
    return replace(policy, **patch.policy, admission=replace(policy.admission, **patch.admission))
