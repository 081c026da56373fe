"""The gate of issuance: what must hold before a birth certificate is signed, an agent's first and every one after it.

- complete, with evaluation gates passed or waived as its environment allows (`birth_certificate.require_fit`);
- descended from an agent of another environment, if from any: what is promoted is always a new identity;
- answered for by people who are registered and have not left;
- in production, never more trusted than before on the evidence of before.
"""

from collections.abc import Collection

from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.did import AgentDid, DidError, Host, parse_did
from ringfence_kit.errors import InvalidRequest, Violation

from ringfence_identity.birth_certificate import BirthContent, EvaluationGate, require_fit
from ringfence_identity.environments import Environment
from ringfence_identity.errors import EvaluationGateUnmet
from ringfence_identity.model import AgentIdentity
from ringfence_identity.sponsors.registration import require_present
from ringfence_identity.store import IdentityTx


def require_statable(content: BirthContent, environment: Environment) -> None:
    """Raise unless a certificate of `environment` may say `content`, whoever it is about."""
    require_fit(content, environment=environment.name, production=environment.production)
    if content.derived_from and _host_of(content.derived_from) in (None, environment.host):
        problem = "must be the DID of an agent of another environment"
        raise InvalidRequest(Violation("birth_certificate.derived_from", problem))


def require_answerable(tx: IdentityTx, content: BirthContent) -> None:
    """Raise unless everyone `content` names, to answer or to waive, is registered and has not left."""
    for name in sorted({content.sponsor, content.backup_sponsor, *content.waivers}):
        require_present(tx.sponsor(name), name)


def require_new_evaluation(
    tx: IdentityTx, content: BirthContent, before: AgentIdentity, environment: Environment
) -> None:
    """Raise when `content` lets an agent of production be trusted further on evidence it was ever trusted on before."""
    if environment.production and content.ring_ceiling < before.content.ring_ceiling:
        require_unseen_evidence(content, shown=_shown_evidence(tx, before), environment=environment)


def require_unseen_evidence(content: BirthContent, *, shown: Collection[str], environment: Environment) -> None:
    """Raise when a gate of `content` rests on evidence that is in `shown`."""
    unmet = [
        Violation(f"birth_certificate.evaluation_plan.gates[{index}].evidence_hash", _stale(gate, content))
        for index, gate in enumerate(content.evaluation_plan.gates)
        if gate.evidence_hash in shown
    ]
    if unmet:
        raise EvaluationGateUnmet(environment=environment.name, unmet=unmet)


def _shown_evidence(tx: IdentityTx, identity: AgentIdentity) -> frozenset[str]:
    """Return the evidence of every certificate so far: going back to an old one is no new evaluation either."""
    hashes: set[str] = set()
    for serial in range(1, identity.certificate_serial + 1):
        match parse_object(tx.certificate(identity.did, serial) or "{}"):
            case {"credentialSubject": {"evaluationPlan": {"gates": [*gates]}}}:
                hashes.update(str(gate.get("evidenceHash")) for gate in gates if isinstance(gate, dict))
            case _:
                continue
    return frozenset(hashes)


def _stale(gate: EvaluationGate, content: BirthContent) -> str:
    return f"{gate.suite} must be run anew: ring ceiling {content.ring_ceiling} is better than the one in force"


def _host_of(did: str) -> Host | None:
    try:
        parsed = parse_did(did)
    except DidError:
        return None
    return parsed.host if isinstance(parsed, AgentDid) else None
