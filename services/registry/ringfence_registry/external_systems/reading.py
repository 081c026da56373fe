"""Reading external systems."""

from ringfence_kit.pages import PageTokens

from ringfence_registry.errors import ExternalSystemNotFound
from ringfence_registry.external_systems.fields import external_system_fields
from ringfence_registry.external_systems.model import ExternalSystem
from ringfence_registry.namespaces.visible import VisibilityReader
from ringfence_registry.resources.reading import ResourceReading
from ringfence_registry.resources.snapshot import ResourceSnapshot


def reading_of_systems(
    snapshot: ResourceSnapshot[ExternalSystem], tokens: PageTokens, visibility: VisibilityReader
) -> ResourceReading[ExternalSystem]:
    """Return what answers questions about external systems."""
    return ResourceReading(
        snapshot,
        collection="externalSystems",
        fields=external_system_fields,
        not_found=lambda name: ExternalSystemNotFound(name=name),
        tokens=tokens,
        visibility=visibility,
    )
