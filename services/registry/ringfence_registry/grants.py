"""Who may call the registry. On which namespaces is decided in `access.py`."""

from ringfence_kit.callers import Role
from ringfence_kit.grants import Grant, Grants, MethodClass

_OWNERS = (Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER)
_DECIDERS = (Role.PLATFORM_ADMIN, Role.APPROVER)
_STOPPERS = (*_OWNERS, Role.APPROVER)
_READERS = tuple(role for role in Role if role is not Role.DECIDER)
"""Who decides for itself hears of agents from the pdp, and has nothing to ask here."""
_BUT_AGENTS = tuple(role for role in _READERS if role is not Role.AGENT)

_READ = Grant.to(*_READERS, does=MethodClass.READ)
_OWN = Grant.to(*_OWNERS, does=MethodClass.WRITE)
_DECIDE = Grant.to(*_DECIDERS, does=MethodClass.WRITE)
_STOP = Grant.to(*_STOPPERS, does=MethodClass.WRITE)
"""Stopping something takes less than letting it go on: whoever sees the harm can act."""
_WATCH = Grant.to(*_READERS, does=MethodClass.STREAM)

_REGISTRY = Grants.of(
    "ringfence.registry.v1.RegistryService",
    {
        "RegisterAgent": _OWN,
        "GetAgent": _READ,
        "GetCard": _READ,
        "GetCardAttestation": _READ,
        "ValidateCard": _READ,
        "ListAgents": _READ,
        "UpdateAgent": _OWN,
        "DeleteAgent": _OWN,
        "UndeleteAgent": _OWN,
        "SubmitAgent": _OWN,
        "ApproveAgent": _DECIDE,
        "SuspendAgent": _STOP,
        "ResumeAgent": _DECIDE,
        "DeprecateAgent": _OWN,
        "RetireAgent": _OWN,
        "RenewLease": Grant.to(*_OWNERS, Role.AGENT, Role.GATEWAY, Role.SERVICE, does=MethodClass.WRITE),
        "ListAgentRevisions": _READ,
        "TagRevision": _OWN,
        "RollbackAgent": _OWN,
        "SetRollout": _OWN,
        "CompareRevisions": _READ,
        "CheckReadiness": _READ,
        # Who is measured does not write down the result.
        "RecordEvaluation": Grant.to(*_DECIDERS, Role.SERVICE, does=MethodClass.WRITE),
        "WatchAgents": _WATCH,
    },
)

CATALOG = Grants.of(
    "ringfence.registry.v1.CatalogService",
    {
        "SearchAgents": _READ,
        "FindSimilarAgents": _READ,
        "GetFacets": _READ,
        "SelectAgent": _READ,
        "ExportInventory": Grant.to(*_BUT_AGENTS, does=MethodClass.STREAM),
    },
)

TOOLS = Grants.of(
    "ringfence.registry.v1.ToolService",
    {
        "RegisterTool": _OWN,
        "GetTool": _READ,
        "ListTools": _READ,
        "UpdateTool": _OWN,
        "DeleteTool": _OWN,
        "DisableTool": _STOP,
        "EnableTool": _DECIDE,
        "ListToolRevisions": _READ,
        "WatchTools": _WATCH,
    },
)

EXTERNAL_SYSTEMS = Grants.of(
    "ringfence.registry.v1.ExternalSystemService",
    {
        "CreateExternalSystem": _OWN,
        "GetExternalSystem": _READ,
        "ListExternalSystems": _READ,
        "UpdateExternalSystem": _OWN,
        "DeleteExternalSystem": _OWN,
        "DecideTrust": _DECIDE,
        "DisableExternalSystem": _STOP,
        "EnableExternalSystem": _DECIDE,
    },
)

BOUNDARIES = Grants.of(
    "ringfence.registry.v1.BoundaryService",
    {
        "CreateBoundary": _OWN,
        "GetBoundary": _READ,
        "ListBoundaries": _READ,
        "UpdateBoundary": _OWN,
        "DeleteBoundary": _OWN,
        "DisableBoundary": _STOP,
        "EnableBoundary": _DECIDE,
        "ListBoundaryMembers": _READ,
        "WatchBoundaries": _WATCH,
    },
)

NAMESPACES = Grants.of(
    "ringfence.registry.v1.NamespaceService",
    {"GetNamespace": _READ, "ListNamespaces": _READ, "UpdateNamespace": _OWN},
)

GRANTS = _REGISTRY | CATALOG | NAMESPACES | TOOLS | EXTERNAL_SYSTEMS | BOUNDARIES
