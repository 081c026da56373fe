"""Who may call the pdp. About which agents is decided in `who_asks.py`, over which targets in `kill_switches.py`."""

from ringfence_kit.callers import Role
from ringfence_kit.grants import Grant, Grants, MethodClass

_ASKING = (Role.PLATFORM_ADMIN, Role.SERVICE, Role.GATEWAY, Role.AGENT, Role.DECIDER)
_LOOKING = (Role.PLATFORM_ADMIN, Role.SERVICE, Role.AUDITOR)
_STOPPING = (Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER)
_WRITING = (*_LOOKING, Role.NAMESPACE_OWNER)
"""Who may try a policy out: it reveals nothing but what it was given."""
_DECIDED_UPON = (*_LOOKING, Role.APPROVER, Role.NAMESPACE_OWNER, Role.GATEWAY, Role.AGENT)
"""Who may see approvals: which of them is decided in `approvals`."""

GRANTS = (
    Grants.of(
        "ringfence.pdp.v1.DecisionService",
        {
            "Check": Grant.to(*_ASKING, does=MethodClass.DECIDE),
            "BatchCheck": Grant.to(*_ASKING, does=MethodClass.DECIDE),
            "Explain": Grant.to(*_LOOKING, Role.AGENT, does=MethodClass.DECIDE),
            "CheckStream": Grant.to(*_ASKING, does=MethodClass.STREAM),
            "ListAllowedTools": Grant.to(*_ASKING, Role.AUDITOR, does=MethodClass.DECIDE),
            "WatchDecisions": Grant.to(*_LOOKING, does=MethodClass.STREAM),
        },
    )
    | Grants.of(
        "envoy.service.auth.v3.Authorization",
        {"Check": Grant.to(Role.PLATFORM_ADMIN, Role.SERVICE, Role.GATEWAY, does=MethodClass.DECIDE)},
    )
    | Grants.of(
        "ringfence.pdp.v1.BundleService",
        {
            "PushBundle": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "GetBundle": Grant.to(*_LOOKING, does=MethodClass.READ),
            "UploadBundle": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "ValidateBundle": Grant.to(*_WRITING, does=MethodClass.READ),
            "TestBundle": Grant.to(*_WRITING, does=MethodClass.READ),
            "ListBundles": Grant.to(*_LOOKING, does=MethodClass.READ),
            "GetRollout": Grant.to(*_LOOKING, does=MethodClass.READ),
            "SetRollout": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "PromoteBundle": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "RollbackBundle": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "GetWouldFlips": Grant.to(*_LOOKING, does=MethodClass.READ),
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
    | Grants.of(
        "ringfence.pdp.v1.ApprovalService",
        {
            "GetApproval": Grant.to(*_DECIDED_UPON, does=MethodClass.READ),
            "ListApprovals": Grant.to(*_DECIDED_UPON, does=MethodClass.READ),
            "WatchApprovals": Grant.to(*_DECIDED_UPON, does=MethodClass.STREAM),
            "Approve": Grant.to(Role.APPROVER, does=MethodClass.WRITE),
            "Deny": Grant.to(Role.APPROVER, does=MethodClass.WRITE),
            "Cancel": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, Role.AGENT, does=MethodClass.WRITE),
        },
    )
    | Grants.of(
        "ringfence.pdp.v1.LimitService",
        {
            "ListLimits": Grant.to(*_WRITING, does=MethodClass.READ),
            "GetBudget": Grant.to(*_WRITING, Role.AGENT, does=MethodClass.READ),
        },
    )
    | Grants.of(
        "ringfence.pdp.v1.SnapshotService",
        {
            "WatchSnapshot": Grant.to(Role.PLATFORM_ADMIN, Role.SERVICE, Role.DECIDER, does=MethodClass.STREAM),
            # Not for people: what is uploaded is in the log as what a pdp decided.
            "UploadDecisions": Grant.to(Role.SERVICE, Role.DECIDER, does=MethodClass.INGEST),
        },
    )
    | Grants.of(
        "ringfence.pdp.v1.FilterService",
        {
            # Not DECIDE: whoever scans first waits until the filters are made, and nobody acts on it meanwhile.
            "Scan": Grant.to(*_ASKING, Role.AUDITOR, does=MethodClass.READ),
            # Not for agents: who knows every rule knows how to be missed by all of them.
            "ListFilterRules": Grant.to(*_LOOKING, Role.GATEWAY, does=MethodClass.READ),
        },
    )
)
