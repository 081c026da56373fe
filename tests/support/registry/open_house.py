"""A registry in which nobody set a policy and nothing is hidden: for tests of what is beside the point here."""

from ringfence_kit.callers import Caller
from ringfence_registry.namespaces.policy import NamespacePolicy
from ringfence_registry.namespaces.visible import EVERYTHING, Visible


class SamePolicyEverywhere:
    """A `PolicyReader` with one policy for every namespace; set `policy` to change it."""

    def __init__(self, policy: NamespacePolicy | None = None) -> None:
        self.policy = policy or NamespacePolicy()

    def policy_of(self, namespace: str) -> NamespacePolicy:
        """See `PolicyReader`."""
        return self.policy

    @property
    def default_policy(self) -> NamespacePolicy:
        """See `PolicyReader`: what nobody set up asks nothing, whatever `policy` is."""
        return NamespacePolicy()


class AllVisible:
    """A `VisibilityReader` that hides nothing from anybody."""

    def visible(self, caller: Caller) -> Visible:
        """See `VisibilityReader`."""
        return EVERYTHING

    def published(self) -> Visible:
        """See `VisibilityReader`."""
        return EVERYTHING
