"""Whose usage a credential may report."""

import pytest
from ringfence_kit.callers import Caller, Role
from ringfence_telemetry.reporters import Attribution, Binding, Reporter, reporter_of

DID = "did:web:agents.example:a"
OTHER = "did:web:agents.example:b"
NAME = "namespaces/acme/agents/a"


def caller(*roles: Role, principal: str = "spiffe://mesh/x", agents: tuple[str, ...] = ()) -> Caller:
    return Caller(principal=principal, roles=frozenset(roles), agents=frozenset(agents))


def test_an_agent_is_bound_to_itself() -> None:
    assert reporter_of(caller(Role.AGENT, principal=DID)) == Reporter(principal=DID, agents=(DID,))


def test_a_gateway_is_bound_to_its_agents() -> None:
    assert reporter_of(caller(Role.GATEWAY, agents=(OTHER, DID))).agents == (DID, OTHER)


def test_agents_listed_for_another_role_bind_nobody() -> None:
    assert reporter_of(caller(Role.NAMESPACE_OWNER, agents=(DID,))).agents == ()


@pytest.mark.parametrize("role", [Role.SERVICE, Role.PLATFORM_ADMIN])
def test_the_mesh_itself_speaks_for_all(role: Role) -> None:
    assert reporter_of(caller(role)).speaks_for_all


@pytest.mark.parametrize(
    ("label", "attribution"),
    [
        (DID, Attribution(DID, trusted=True)),
        ("planner", Attribution(DID, trusted=True)),  # a part of it, as its framework calls it
        ("", Attribution(DID, trusted=True)),
        (OTHER, Attribution(OTHER, trusted=False)),
        (NAME, Attribution(NAME, trusted=False)),
    ],
)
def test_one_agents_credential(label: str, attribution: Attribution) -> None:
    assert Binding(Reporter(principal=DID, agents=(DID,))).attribution(label) == attribution


@pytest.mark.parametrize(
    ("label", "attribution"),
    [
        (DID, Attribution(DID, trusted=True)),
        (NAME, Attribution(NAME, trusted=True)),
        ("", Attribution("", trusted=True)),  # its ancestors say
        ("planner", Attribution("planner", trusted=False)),
        (OTHER, Attribution(OTHER, trusted=False)),
    ],
)
def test_a_gateways_credential(label: str, attribution: Attribution) -> None:
    assert Binding(Reporter(principal="gateway", agents=(DID, NAME))).attribution(label) == attribution


@pytest.mark.parametrize("label", [DID, NAME, "planner", ""])
def test_a_service_names_anyone(label: str) -> None:
    assert Binding(Reporter(principal="s", speaks_for_all=True)).attribution(label) == Attribution(label, trusted=True)


@pytest.mark.parametrize("label", [DID, NAME, "planner", ""])
def test_a_credential_bound_to_nobody_is_believed_nothing(label: str) -> None:
    assert not Binding(Reporter(principal="gateway")).attribution(label).trusted


def test_a_million_labels_are_not_remembered() -> None:
    binding = Binding(Reporter(principal="gateway", agents=(DID, OTHER)))
    for number in range(25_000):
        binding.attribution(f"label {number}")
    assert len(binding._known) <= 10_000
