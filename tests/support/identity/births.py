"""A birth certificate's content that passes every gate, for tests to spoil one part of."""

from ringfence_identity.birth_certificate import (
    ApprovedTool,
    ArtifactDigests,
    BirthContent,
    EvaluationGate,
    EvaluationPlan,
)

HASH = "sha256-" + "ab" * 32

COMPLETE = BirthContent(
    purpose="Reconcile invoices of EU entities.",
    sponsor="sponsors/ada",
    backup_sponsor="sponsors/grace",
    permissions=("invoices:read", "ledger:propose", "warehouse:*"),
    approved_tools=(ApprovedTool(name="ledger.propose", version="3.1.0", schema_hash=HASH),),
    ring_ceiling=1,
    max_delegation_depth=2,
    artifacts=ArtifactDigests(image="sha256:" + "cd" * 32),
    evaluation_plan=EvaluationPlan(
        uri="https://evals.example.com/plans/7",
        hash=HASH,
        gates=(EvaluationGate(suite="safety", minimum_micros=980_000, result_micros=991_000, evidence_hash=HASH),),
    ),
)
