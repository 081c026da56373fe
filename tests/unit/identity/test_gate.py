"""The gate of issuance: lineage, and trust that needs new evidence. Completeness is test_birth_certificate's."""

from dataclasses import replace

import pytest
from ringfence.proofs.did import Host
from ringfence_identity.birth_certificate import BirthContent, EvaluationGate
from ringfence_identity.environments import Environment
from ringfence_identity.errors import EvaluationGateUnmet
from ringfence_identity.gate import require_statable, require_unseen_evidence
from ringfence_kit.clock import MINUTE, Millis
from ringfence_kit.errors import InvalidRequest
from support.identity.births import COMPLETE, HASH

NEW = "sha256-" + "ef" * 32
SCID = "QmX5NUs5f3vLVXXcAhSrrHrRZ9boEqyg9ej9YuwaTjzEU5"


def environment(name: str) -> Environment:
    return Environment(
        name=name,
        host=Host(f"{name}.id.ringfence.internal"),
        issuer=f"https://{name}.id.ringfence.internal",
        production=name == "prod",
        token_lifetime=Millis(MINUTE),
    )


PROD = environment("prod")


def with_ceiling(ceiling: int, *evidence: str) -> BirthContent:
    gates = tuple(
        EvaluationGate(suite=f"suite-{number}", minimum_micros=1, result_micros=1, evidence_hash=hash_)
        for number, hash_ in enumerate(evidence)
    )
    return replace(COMPLETE, ring_ceiling=ceiling, evaluation_plan=replace(COMPLETE.evaluation_plan, gates=gates))


@pytest.mark.parametrize("host", ["dev.id.ringfence.internal", "staging.elsewhere.example"])
def test_an_agent_descends_from_one_of_another_environment(host: str) -> None:
    require_statable(replace(COMPLETE, derived_from=f"did:webvh:{SCID}:{host}:agents:{SCID}"), PROD)


@pytest.mark.parametrize(
    "derived_from",
    [
        f"did:webvh:{SCID}:prod.id.ringfence.internal:agents:{SCID}",
        f"did:webvh:{SCID}:dev.id.ringfence.internal",
        f"did:web:dev.id.ringfence.internal:agents:{SCID}",
        "did:key:z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG",
        "did:example:1",
        "nothing of the kind",
    ],
)
def test_anything_else_is_no_lineage(derived_from: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        require_statable(replace(COMPLETE, derived_from=derived_from), PROD)
    assert [violation.field for violation in refused.value.violations] == ["birth_certificate.derived_from"]


def test_every_gate_must_be_run_anew() -> None:
    shown = {HASH, "sha256-" + "12" * 32}
    require_unseen_evidence(with_ceiling(1, NEW, "sha256-" + "34" * 32), shown=shown, environment=PROD)
    for stale in (with_ceiling(1, HASH), with_ceiling(1, NEW, HASH)):
        with pytest.raises(EvaluationGateUnmet) as refused:
            require_unseen_evidence(stale, shown=shown, environment=PROD)
        (violation,) = refused.value.violations
        assert violation.field.endswith("].evidence_hash")
        assert "must be run anew" in violation.problem


def test_swapping_evidence_between_gates_is_not_new_evidence() -> None:
    other = "sha256-" + "12" * 32
    with pytest.raises(EvaluationGateUnmet) as refused:
        require_unseen_evidence(with_ceiling(1, other, HASH), shown={HASH, other}, environment=PROD)
    assert len(refused.value.violations) == 2
