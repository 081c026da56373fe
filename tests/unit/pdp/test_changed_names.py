"""By which names facts are noted that an answer of a watch changes."""

from ringfence.identity.v1 import identity_pb2, revocation_pb2
from ringfence.registry.v1 import registry_pb2, tool_pb2
from ringfence_pdp.convert.changed_names import agents_of, did_of, revoked_of, tool_of

A, B = "namespaces/sales/agents/a", "namespaces/sales/agents/b"


def test_an_answer_about_one_is_noted_by_its_name() -> None:
    assert agents_of(registry_pb2.WatchAgentsResponse(agent=registry_pb2.Agent(name=A))) == (A,)
    assert did_of(identity_pb2.WatchAgentsResponse(identity=identity_pb2.AgentIdentity(did="did:key:z"))) == (
        "did:key:z",
    )
    tool = tool_pb2.Tool(name="namespaces/sales/tools/warehouse.query")
    assert tool_of(tool_pb2.WatchToolsResponse(tool=tool)) == ("warehouse.query",)


def test_a_part_of_the_state_is_noted_by_the_names_of_all_in_it() -> None:
    part = registry_pb2.WatchAgentsResponse(agents=[registry_pb2.Agent(name=name) for name in (A, B)])
    assert agents_of(part) == (A, B)


def test_a_revocation_of_a_kind_that_is_no_fact_is_noted_by_no_name() -> None:
    known = revocation_pb2.Revocation(kind=revocation_pb2.REVOCATION_KIND_DELEGATION, subject="d")
    strange = revocation_pb2.Revocation(kind=99, subject="d")  # type: ignore[arg-type]  # what a newer release might send
    assert revoked_of(revocation_pb2.WatchRevocationsResponse(revocation=known)) == ("delegation d",)
    assert revoked_of(revocation_pb2.WatchRevocationsResponse(revocation=strange)) == ()
