"""Who may call the registry. On which agents is decided in `access.py`."""

from ringfence_kit.callers import Role
from ringfence_kit.grants import Grant, Grants, MethodClass

_OWNERS = (Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER)
_CATALOG_READERS = (*_OWNERS, Role.APPROVER, Role.AUDITOR, Role.GATEWAY, Role.SERVICE)

GRANTS = Grants.of(
    "ringfence.registry.v1.RegistryService",
    {
        "RegisterAgent": Grant.to(*_OWNERS, does=MethodClass.WRITE),
        "GetAgent": Grant.to(*_CATALOG_READERS, Role.AGENT, does=MethodClass.READ),
        "GetCard": Grant.to(*_CATALOG_READERS, Role.AGENT, does=MethodClass.READ),
        "ListAgents": Grant.to(*_CATALOG_READERS, does=MethodClass.READ),
        "UpdateAgent": Grant.to(*_OWNERS, does=MethodClass.WRITE),
        "RetireAgent": Grant.to(*_OWNERS, does=MethodClass.WRITE),
        "WatchAgents": Grant.to(*_CATALOG_READERS, does=MethodClass.STREAM),
    },
)
