"""Answers about the life of an agent, from the model to messages."""

from collections.abc import Iterable

from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.wire import to_timestamp

from ringfence_registry.agents.comparing import ComparedRevisions
from ringfence_registry.agents.gates import Gate, GateKind
from ringfence_registry.agents.revisions import RevisionList, ShownRevision
from ringfence_registry.cards.comparison.model import Compatibility, Difference
from ringfence_registry.convert.agent_views import content_message

GATES = {each: pb.ReadinessGateKind.Value(f"READINESS_GATE_KIND_{each.name}") for each in GateKind}
COMPATIBILITIES = {each: card_pb2.Compatibility.Value(f"COMPATIBILITY_{each.name}") for each in Compatibility}


def gate(value: Gate) -> pb.ReadinessGate:
    """Return one gate."""
    return pb.ReadinessGate(kind=GATES[value.kind], met=value.met, problem=value.problem, remedy=value.remedy)


def readiness(gates: Iterable[Gate]) -> pb.CheckReadinessResponse:
    """Return every gate, and whether all are met."""
    found = tuple(gates)
    return pb.CheckReadinessResponse(ready=all(each.met for each in found), gates=map(gate, found))


def revision_list(value: RevisionList) -> pb.ListAgentRevisionsResponse:
    """Return one page of revisions."""
    return pb.ListAgentRevisionsResponse(
        revisions=map(revision, value.revisions), next_page_token=value.next_page_token
    )


def revision(value: ShownRevision) -> pb.AgentRevision:
    """Return one revision."""
    said = value.revision
    return pb.AgentRevision(
        name=f"{said.agent}/revisions/{said.number}",
        snapshot=content_message(said.agent, said.spec, value.card.facts),
        create_time=to_timestamp(said.created_at),
        aliases=value.aliases,
        actor=said.actor,
        rollback_of="" if said.rollback_of is None else f"{said.agent}/revisions/{said.rollback_of}",
        reason=said.reason,
    )


def comparison(value: ComparedRevisions) -> pb.CompareRevisionsResponse:
    """Return what a caller has to expect."""
    return pb.CompareRevisionsResponse(
        compatibility=COMPATIBILITIES[value.comparison.compatibility],
        differences=map(_difference, value.comparison.differences),
        before=value.before,
        after=value.after,
    )


def _difference(value: Difference) -> card_pb2.CardDifference:
    return card_pb2.CardDifference(
        compatibility=COMPATIBILITIES[value.compatibility],
        kind=value.kind.value,
        pointer=value.pointer,
        problem=value.problem,
    )
