"""Who may call telemetry. Whose usage, and for whom one may report, is judged where the object is known."""

from ringfence_kit.callers import Role
from ringfence_kit.grants import Grant, Grants, MethodClass

_READERS = (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE)
_REPORTS = {"Export": Grant.to(Role.GATEWAY, Role.AGENT, Role.SERVICE, Role.PLATFORM_ADMIN, does=MethodClass.INGEST)}

GRANTS = (
    Grants.of("opentelemetry.proto.collector.trace.v1.TraceService", _REPORTS)
    | Grants.of("opentelemetry.proto.collector.logs.v1.LogsService", _REPORTS)
    | Grants.of("opentelemetry.proto.collector.metrics.v1.MetricsService", _REPORTS)
    | Grants.of(
        "ringfence.telemetry.v1.UsageService",
        # An agent asks about itself; `usage_reading.py` sees to that.
        {"GetUsage": Grant.to(*_READERS, Role.AGENT, does=MethodClass.READ)},
    )
    | Grants.of(
        "ringfence.telemetry.v1.PriceService",
        {
            "PutPrices": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "ListPrices": Grant.to(*Role, does=MethodClass.READ),
        },
    )
    | Grants.of(
        "ringfence.telemetry.v1.WorkflowService",
        {
            "ReportOutcome": Grant.to(
                Role.GATEWAY, Role.AGENT, Role.SERVICE, Role.PLATFORM_ADMIN, does=MethodClass.WRITE
            ),
            # An agent sees what it had a part in.
            "GetWorkflow": Grant.to(*_READERS, Role.AGENT, does=MethodClass.READ),
            "ListWorkflows": Grant.to(*_READERS, Role.AGENT, does=MethodClass.READ),
        },
    )
    | Grants.of(
        "ringfence.telemetry.v1.EvaluationService",
        {
            # Whom it may judge, and whose numbers it may see or set, is said where the agent is known.
            "RecordEvaluations": Grant.to(
                Role.GATEWAY, Role.AGENT, Role.SERVICE, Role.PLATFORM_ADMIN, does=MethodClass.WRITE
            ),
            "GetAcceptance": Grant.to(*_READERS, Role.NAMESPACE_OWNER, Role.AGENT, does=MethodClass.READ),
            "CheckAcceptance": Grant.to(*_READERS, Role.NAMESPACE_OWNER, Role.AGENT, does=MethodClass.READ),
            "GetDrift": Grant.to(*_READERS, Role.NAMESPACE_OWNER, Role.AGENT, does=MethodClass.READ),
            "PutAcceptanceGate": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "PinBaseline": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
        },
    )
    | Grants.of(
        "ringfence.telemetry.v1.HealthService",
        {"WatchHealth": Grant.to(*_READERS, does=MethodClass.STREAM)},
    )
    | Grants.of(
        "ringfence.telemetry.v1.AuditService",
        {
            "AppendDecisions": Grant.to(Role.SERVICE, Role.PLATFORM_ADMIN, does=MethodClass.INGEST),
            "GetEntry": Grant.to(*_READERS, does=MethodClass.READ),
            "ListEntries": Grant.to(*_READERS, does=MethodClass.READ),
            # Heads and proofs say nothing about what is in the log; the more witnesses, the better.
            "GetCheckpoint": Grant.to(*Role, does=MethodClass.READ),
            "GetInclusionProof": Grant.to(*Role, does=MethodClass.READ),
            "GetConsistencyProof": Grant.to(*Role, does=MethodClass.READ),
            "WatchCheckpoints": Grant.to(*Role, does=MethodClass.STREAM),
            "GetTile": Grant.to(*Role, does=MethodClass.READ),
            "AddCosignature": Grant.to(Role.SERVICE, Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "ListWitnesses": Grant.to(*Role, does=MethodClass.READ),
        },
    )
    | Grants.of(
        "ringfence.telemetry.v1.AlertService",
        {
            # An owner sees and answers for what is about agents of its namespaces; `alerts/desk.py` sees to that.
            "WatchAlerts": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.STREAM),
            "ListAlerts": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.READ),
            "AckAlert": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "CreateSilence": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "DeleteSilence": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "ListSilences": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.READ),
        },
    )
    | Grants.of(
        "ringfence.telemetry.v1.BudgetService",
        {
            # An owner sets budgets for agents of its namespaces, an agent sees its own; `budgets/desk.py` sees to that.
            "CreateBudget": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "GetBudget": Grant.to(*_READERS, Role.NAMESPACE_OWNER, Role.AGENT, does=MethodClass.READ),
            "ListBudgets": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.READ),
            "UpdateBudget": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "DeleteBudget": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "WatchBudgets": Grant.to(*_READERS, does=MethodClass.STREAM),
        },
    )
    | Grants.of(
        "ringfence.telemetry.v1.SloService",
        {
            # An owner defines objectives of agents of its namespaces, and sees those; `slo/objectives.py` sees to that.
            "CreateSlo": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "GetSlo": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.READ),
            "ListSlos": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.READ),
            "UpdateSlo": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "DeleteSlo": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "EvaluateSlo": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.READ),
            "CheckFeasibility": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.READ),
            "ImportOpenSlo": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "ExportOpenSlo": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.READ),
        },
    )
    | Grants.of(
        "ringfence.telemetry.v1.BreakerService",
        {
            "ListBreakers": Grant.to(*_READERS, Role.NAMESPACE_OWNER, does=MethodClass.READ),
            "OverrideBreaker": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
        },
    )
)
