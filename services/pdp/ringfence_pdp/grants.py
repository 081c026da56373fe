"""Who may call the pdp. About which agents is decided in `decisions.py`, over which targets in `kill_switches.py`."""

from ringfence_kit.callers import Role
from ringfence_kit.grants import Grant, Grants, MethodClass

_ASKING = (Role.PLATFORM_ADMIN, Role.SERVICE, Role.GATEWAY, Role.AGENT)
_LOOKING = (Role.PLATFORM_ADMIN, Role.SERVICE, Role.AUDITOR)
_STOPPING = (Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER)

GRANTS = (
    Grants.of(
        "ringfence.pdp.v1.DecisionService",
        {
            "Check": Grant.to(*_ASKING, does=MethodClass.DECIDE),
            "BatchCheck": Grant.to(*_ASKING, does=MethodClass.DECIDE),
            "Explain": Grant.to(*_LOOKING, Role.AGENT, does=MethodClass.DECIDE),
        },
    )
    | Grants.of(
        "ringfence.pdp.v1.BundleService",
        {
            "PushBundle": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "GetBundle": Grant.to(*_LOOKING, does=MethodClass.READ),
        },
    )
    | Grants.of(
        "ringfence.pdp.v1.KillSwitchService",
        {
            "EngageKillSwitch": Grant.to(*_STOPPING, does=MethodClass.WRITE),
            "ReleaseKillSwitch": Grant.to(*_STOPPING, does=MethodClass.WRITE),
            "ListKillSwitches": Grant.to(*_LOOKING, Role.NAMESPACE_OWNER, does=MethodClass.READ),
        },
    )
)
