"""Changing some of what people say about a resource (AIP-134)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ringfence_registry.model import Owner

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Spec = TypeVar("Spec", bound="DataclassInstance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The facts that are to be different, judged already, by the names the spec gives them."""

    facts: Mapping[str, Any]
    owner_display_name: str | None = None
    """None leaves it as it is, as for the next."""
    owner_contact: str | None = None

    def applied_to(self, spec: Spec, owner: Owner) -> Spec:
        """Return `spec`, whose owner is `owner`, with what is to be different."""
        name = owner.display_name if self.owner_display_name is None else self.owner_display_name
        contact = owner.contact if self.owner_contact is None else self.owner_contact
        return replace(spec, owner=Owner(display_name=name, contact=contact), **self.facts)
