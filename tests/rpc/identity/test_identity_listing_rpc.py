"""ListAgentIdentities over the wire: filters, pages, and what each caller may see."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from support.identity.births import COMPLETE
from support.identity.keys import seeded_key
from support.identity.mesh import AUDITOR, GATEWAY, OWNER, STRANGER, IdentityMesh, identity_mesh
from support.serving import OPERATOR, SERVICE
from support.wire import refusal

OF_GRACE = replace(COMPLETE, sponsor="sponsors/grace", backup_sponsor="sponsors/ada")
APPROVER = Caller(principal="test:ari", roles=frozenset({Role.APPROVER}))


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[IdentityMesh]:
    """Identity with three agents of billing: a2 in two environments, a3 of another sponsor, a1 revoked."""
    async with identity_mesh(tmp_path) as running:
        await running.with_sponsors()
        first = (await running.enrol("a1", key=seeded_key(1))).identity
        await running.enrol("a2", key=seeded_key(2))
        await running.enrol("a2", key=seeded_key(3), environment="dev")
        await running.enrol("a3", key=seeded_key(4), content=OF_GRACE)
        await running.identity().Revoke(pb.RevokeRequest(did=first.did, reason="done"))
        yield running


async def listed(mesh: IdentityMesh, caller: Caller = OPERATOR, **wanted: Any) -> list[tuple[str, str]]:
    page = await mesh.identity(caller).ListAgentIdentities(pb.ListAgentIdentitiesRequest(**wanted))
    assert page.next_page_token == ""
    return [(one.agent.rsplit("/", 1)[1], one.environment) for one in page.identities]


EVERYTHING = [("a1", "prod"), ("a2", "dev"), ("a2", "prod"), ("a3", "prod")]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, EVERYTHING),
        ({"parent": "namespaces/billing"}, EVERYTHING),
        ({"parent": "namespaces/bill"}, []),
        ({"environment": "dev"}, [("a2", "dev")]),
        ({"environment": "staging"}, []),
        ({"status": pb.IDENTITY_STATUS_REVOKED}, [("a1", "prod")]),
        ({"status": pb.IDENTITY_STATUS_ACTIVE}, EVERYTHING[1:]),
        ({"status": pb.IDENTITY_STATUS_SUSPENDED}, []),
        ({"sponsor": "sponsors/grace"}, [("a3", "prod")]),
        ({"sponsor": "sponsors/nobody"}, []),
        ({"sponsor": "sponsors/ada", "environment": "prod", "status": pb.IDENTITY_STATUS_ACTIVE}, [("a2", "prod")]),
    ],
    ids=str,
)
async def test_filters_are_all_applied(mesh: IdentityMesh, wanted: dict[str, Any], found: list[object]) -> None:
    assert await listed(mesh, **wanted) == found


@pytest.mark.parametrize(
    "caller", [OPERATOR, AUDITOR, APPROVER, GATEWAY, SERVICE, OWNER], ids=lambda one: one.principal
)
async def test_those_who_may_see_all_of_it_do(mesh: IdentityMesh, caller: Caller) -> None:
    assert await listed(mesh, caller) == EVERYTHING


async def test_another_owner_sees_nothing_of_it(mesh: IdentityMesh) -> None:
    assert await listed(mesh, STRANGER) == []
    assert await listed(mesh, STRANGER, parent="namespaces/sales") == []
    for parent in ("namespaces/billing", "namespaces/nowhere"):
        refused = await refusal(listed(mesh, STRANGER, parent=parent))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_an_owner_of_nothing_and_an_agent_are_refused(mesh: IdentityMesh) -> None:
    landless = Caller(principal="test:lee", roles=frozenset({Role.NAMESPACE_OWNER}))
    own = Caller(principal="did:key:z6Mk", roles=frozenset({Role.AGENT}), environment="prod")
    for caller in (landless, own):
        refused = await refusal(listed(mesh, caller))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    assert (await refusal(listed(mesh, ANONYMOUS))).code == "UNAUTHENTICATED"


async def test_page_by_page_each_comes_once(mesh: IdentityMesh) -> None:
    seen, token = [], ""
    for _ in range(2):
        request = pb.ListAgentIdentitiesRequest(page_size=2, page_token=token)
        page = await mesh.identity(OWNER).ListAgentIdentities(request)
        seen += [(one.agent.rsplit("/", 1)[1], one.environment) for one in page.identities]
        token = page.next_page_token
    assert seen == EVERYTHING
    assert token == ""


async def test_a_page_token_is_good_for_its_caller_and_its_question(mesh: IdentityMesh) -> None:
    first = await mesh.identity(OWNER).ListAgentIdentities(pb.ListAgentIdentitiesRequest(page_size=1))
    token = first.next_page_token
    for caller, wanted in (
        (AUDITOR, {}),
        (STRANGER, {}),
        (OWNER, {"environment": "prod"}),
        (OWNER, {"page_token": token[:-2]}),
        (OWNER, {"page_token": "x" * 200}),
    ):
        refused = await refusal(listed(mesh, caller, **{"page_token": token, **wanted}))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
    assert await listed(mesh, OWNER, page_token=token, page_size=10) == EVERYTHING[1:]


async def test_a_token_of_somebody_who_lost_a_namespace_reaches_it_no_more(mesh: IdentityMesh) -> None:
    both = Caller(
        principal="test:olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"billing", "sales"})
    )
    first = await mesh.identity(both).ListAgentIdentities(pb.ListAgentIdentitiesRequest(page_size=1))
    assert len(first.identities) == 1
    lost = Caller(principal=both.principal, roles=both.roles, namespaces=frozenset({"sales"}))
    assert await listed(mesh, lost, page_token=first.next_page_token) == []


@pytest.mark.parametrize(
    ("wanted", "how"),
    [
        ({"page_size": -1}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ({"parent": "billing"}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ({"sponsor": "ada"}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ({"status": 17}, ("INVALID_ARGUMENT", "INVALID_REQUEST")),
        ({"environment": "qa"}, ("INVALID_ARGUMENT", "ENVIRONMENT_UNKNOWN")),
    ],
    ids=str,
)
async def test_what_cannot_be_listed_is_refused(
    mesh: IdentityMesh, wanted: dict[str, Any], how: tuple[str, str]
) -> None:
    refused = await refusal(listed(mesh, **wanted))
    assert (refused.code, refused.reason) == how
