"""The failures only the registry knows, next to the common ones of the kit; documented in its `errors.proto`."""

from ringfence_kit.errors import COMMON_FAILURES, Failure

from ringfence_registry.errors.agents import (
    AgentAlreadyExists,
    AgentNotDeleted,
    AgentNotFound,
    AgentRetired,
    IllegalStateTransition,
    LookAlikeName,
    ReadinessNotMet,
    RevisionNotFound,
)
from ringfence_registry.errors.boundaries import BoundaryAlreadyExists, BoundaryNotFound
from ringfence_registry.errors.cards import CardIncompatible, CardInvalid, CardNotAttestable, CardSignatureRefused
from ringfence_registry.errors.finding import FilterInvalid
from ringfence_registry.errors.namespaces import EtagRequired
from ringfence_registry.errors.tools import (
    ExternalSystemAlreadyExists,
    ExternalSystemInUse,
    ExternalSystemNotFound,
    ExternalSystemNotTrusted,
    ToolAlreadyExists,
    ToolNotFound,
    ToolSchemaInvalid,
)

FAILURES: tuple[type[Failure], ...] = (
    *COMMON_FAILURES,
    AgentNotFound,
    AgentAlreadyExists,
    AgentRetired,
    IllegalStateTransition,
    ReadinessNotMet,
    RevisionNotFound,
    LookAlikeName,
    AgentNotDeleted,
    BoundaryNotFound,
    BoundaryAlreadyExists,
    CardInvalid,
    CardSignatureRefused,
    CardIncompatible,
    CardNotAttestable,
    FilterInvalid,
    EtagRequired,
    ToolNotFound,
    ToolAlreadyExists,
    ToolSchemaInvalid,
    ExternalSystemNotFound,
    ExternalSystemAlreadyExists,
    ExternalSystemNotTrusted,
    ExternalSystemInUse,
)
"""Every failure this service answers with."""

__all__ = [
    "FAILURES",
    "AgentAlreadyExists",
    "AgentNotDeleted",
    "AgentNotFound",
    "AgentRetired",
    "BoundaryAlreadyExists",
    "BoundaryNotFound",
    "CardIncompatible",
    "CardInvalid",
    "CardNotAttestable",
    "CardSignatureRefused",
    "EtagRequired",
    "ExternalSystemAlreadyExists",
    "ExternalSystemInUse",
    "ExternalSystemNotFound",
    "ExternalSystemNotTrusted",
    "FilterInvalid",
    "IllegalStateTransition",
    "LookAlikeName",
    "ReadinessNotMet",
    "RevisionNotFound",
    "ToolAlreadyExists",
    "ToolNotFound",
    "ToolSchemaInvalid",
]
