"""NamespaceService over gRPC: what is asked of a namespace, who sees it, and who may say so."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import namespace_pb2 as pb
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import MINUTE, Millis
from support.registry.served import FINANCE_OWNER, REQUEST_ID, ServedRegistry, served_registry
from support.serving import OPERATOR
from support.wire import refusal

if TYPE_CHECKING:
    from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceAsyncStub

FINANCE = "namespaces/finance"
TRAVEL_OWNER = Caller(principal="tom", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"travel"}))
AUDITOR = Caller(principal="audrey", roles=frozenset({Role.AUDITOR}))
KEY = {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # RFC 8037 A.1


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        yield served


def stub(registry: ServedRegistry, caller: Caller = OPERATOR) -> "NamespaceServiceAsyncStub":
    return NamespaceServiceStub(registry.channel(caller))


async def got(registry: ServedRegistry, name: str = FINANCE, caller: Caller = OPERATOR) -> pb.Namespace:
    return (await stub(registry, caller).GetNamespace(pb.GetNamespaceRequest(name=name))).namespace


async def update(registry: ServedRegistry, caller: Caller = OPERATOR, *mask: str, **said: object) -> pb.Namespace:
    request = pb.UpdateNamespaceRequest(namespace=pb.Namespace(**{"name": FINANCE, **said}))  # type: ignore[arg-type]  # a test names its fields
    request.update_mask.paths.extend(mask)
    return (await stub(registry, caller).UpdateNamespace(request)).namespace


async def names(registry: ServedRegistry, caller: Caller) -> list[str]:
    answer = await stub(registry, caller).ListNamespaces(pb.ListNamespacesRequest())
    return [namespace.name.removeprefix("namespaces/") for namespace in answer.namespaces]


# Reading


async def test_a_name_nobody_used_has_every_default_filled_in(registry: ServedRegistry) -> None:
    found = await got(registry)
    assert found == pb.Namespace(
        name=FINANCE,
        display_name="finance",
        visibility=pb.VISIBILITY_PRIVATE,
        admission=pb.AdmissionPolicy(
            least_verdict=card_pb2.CARD_VERDICT_UPCONVERTED, signatures=pb.SIGNATURE_REQUIREMENT_NONE
        ),
        etag=found.etag,
    )


async def test_a_namespace_is_there_with_its_first_agent_or_its_first_policy(registry: ServedRegistry) -> None:
    await registry.register()
    await update(registry, name="namespaces/audit", review_required=True)
    assert await names(registry, OPERATOR) == ["audit", "finance"]
    assert await names(registry, FINANCE_OWNER) == ["finance"]
    assert await names(registry, TRAVEL_OWNER) == []


async def test_a_list_goes_on_where_the_page_before_ended(registry: ServedRegistry) -> None:
    for name in ("c", "a", "b"):
        await update(registry, name=f"namespaces/{name}", review_required=True)
    seen: list[str] = []
    token = ""
    while True:
        request = pb.ListNamespacesRequest(page_size=1, page_token=token)
        page = await stub(registry).ListNamespaces(request)
        seen += [namespace.name for namespace in page.namespaces]
        token = page.next_page_token
        if not token:
            break
    assert seen == ["namespaces/a", "namespaces/b", "namespaces/c"]


async def test_a_page_token_is_nobody_elses(registry: ServedRegistry) -> None:
    for name in ("a", "b"):
        await update(registry, name=f"namespaces/{name}", visibility=pb.VISIBILITY_PUBLIC)
    first = await stub(registry, FINANCE_OWNER).ListNamespaces(pb.ListNamespacesRequest(page_size=1))
    theft = pb.ListNamespacesRequest(page_size=1, page_token=first.next_page_token)
    refused = await refusal(stub(registry, TRAVEL_OWNER).ListNamespaces(theft))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_a_hidden_namespace_is_refused_alike_whether_it_is_used_or_not(registry: ServedRegistry) -> None:
    await registry.register()
    told = set()
    for name in ("finance", "nobody"):
        refused = await refusal(
            stub(registry, TRAVEL_OWNER).GetNamespace(pb.GetNamespaceRequest(name=f"namespaces/{name}"))
        )
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        told.add(refused.message.replace(name, "…"))
    assert len(told) == 1


async def test_a_guest_learns_of_no_other_guest(registry: ServedRegistry) -> None:
    guests = ["namespaces/health", "namespaces/travel"]
    await update(registry, visibility=pb.VISIBILITY_ENTITLED, entitled_namespaces=guests)
    for caller in (OPERATOR, AUDITOR, FINANCE_OWNER):
        assert list((await got(registry, caller=caller)).entitled_namespaces) == guests
    assert list((await got(registry, caller=TRAVEL_OWNER)).entitled_namespaces) == ["namespaces/travel"]


# Updating


async def test_a_policy_is_set_field_by_field(registry: ServedRegistry) -> None:
    first = await update(
        registry, display_name="Finance", admission=pb.AdmissionPolicy(refuse_look_alikes=True), review_required=True
    )
    assert (first.display_name, first.review_required, first.etag_required) == ("Finance", True, False)
    registry.clock.advance(Millis(MINUTE))
    second = await update(
        registry,
        OPERATOR,
        "admission.signatures",
        "etag_required",
        admission=pb.AdmissionPolicy(signatures=pb.SIGNATURE_REQUIREMENT_VERIFIED),
        etag_required=True,
    )
    assert second.admission.refuse_look_alikes
    assert second.admission.signatures == pb.SIGNATURE_REQUIREMENT_VERIFIED
    assert (second.review_required, second.etag_required) == (True, True)
    assert second.create_time == first.create_time == first.update_time
    assert second.update_time.ToMilliseconds() == first.update_time.ToMilliseconds() + MINUTE
    assert second.etag != first.etag
    assert await got(registry) == second


async def test_a_change_that_changes_nothing_leaves_the_etag(registry: ServedRegistry) -> None:
    first = await update(registry, review_required=True)
    assert await update(registry, review_required=True) == first


async def test_everything_is_set_back_with_a_star(registry: ServedRegistry) -> None:
    default = await got(registry)
    await update(registry, visibility=pb.VISIBILITY_PUBLIC, review_required=True, display_name="Finance")
    back = await update(registry, OPERATOR, "*")
    for field in ("etag", "create_time", "update_time"):
        back.ClearField(field)
        default.ClearField(field)
    assert back == default


async def test_of_two_changes_based_on_one_state_the_second_is_told(registry: ServedRegistry) -> None:
    seen = await got(registry)
    await update(registry, etag=seen.etag, review_required=True)
    request = pb.UpdateNamespaceRequest(namespace=pb.Namespace(name=FINANCE, etag_required=True), etag=seen.etag)
    refused = await refusal(stub(registry).UpdateNamespace(request))
    assert (refused.code, refused.reason) == ("ABORTED", "ETAG_MISMATCH")


async def test_a_repeated_request_is_answered_as_the_first_time(registry: ServedRegistry) -> None:
    request = pb.UpdateNamespaceRequest(
        namespace=pb.Namespace(name=FINANCE, review_required=True), request_id=REQUEST_ID
    )
    first = await stub(registry).UpdateNamespace(request)
    await update(registry, OPERATOR, "review_required", review_required=False)
    assert await stub(registry).UpdateNamespace(request) == first
    request.namespace.etag_required = True
    refused = await refusal(stub(registry).UpdateNamespace(request))
    assert refused.reason == "REQUEST_ID_REUSED"


async def test_what_is_wrong_with_a_policy_is_told_at_once(registry: ServedRegistry) -> None:
    request = pb.UpdateNamespaceRequest(
        namespace=pb.Namespace(
            name="namespaces/Finance",
            display_name="x" * 201,
            visibility=9,  # type: ignore[arg-type]  # a number of a newer release
            entitled_namespaces=["travel", *(f"namespaces/n{number}" for number in range(256))],
            admission=pb.AdmissionPolicy(
                least_verdict=card_pb2.CARD_VERDICT_UNREADABLE,
                refused_findings=[card_pb2.FINDING_KIND_UNSPECIFIED],
                trusted_jwks="{}",
            ),
        ),
        etag="weak",
        request_id="not a uuid",
    )
    refused = await refusal(stub(registry).UpdateNamespace(request))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == {
        "namespace.name",
        "namespace.display_name",
        "namespace.visibility",
        "namespace.entitled_namespaces",
        "namespace.entitled_namespaces[0]",
        "namespace.admission.least_verdict",
        "namespace.admission.refused_findings[0]",
        "namespace.admission.trusted_jwks",
        "etag",
        "request_id",
    }


@pytest.mark.parametrize(
    ("jwks", "problem"),
    [
        ("[]", "must be a JSON object"),
        ("{", "is not"),
        ('{"keys": [], "keys": []}', "keys"),
        ("[" * 60_000, "nest"),
        (json.dumps({"keys": [{**KEY, "d": "AAAA"}]}), "private"),
        (json.dumps({"keys": [KEY, KEY]}), "kid is another"),
        (json.dumps({"keys": [{**KEY, "alg": "HS256", "kty": "oct", "k": "AAAA"}]}), "symmetric"),
    ],
)
async def test_keys_nobody_should_pin(registry: ServedRegistry, jwks: str, problem: str) -> None:
    request = pb.UpdateNamespaceRequest(
        namespace=pb.Namespace(name=FINANCE, admission=pb.AdmissionPolicy(trusted_jwks=jwks))
    )
    refused = await refusal(stub(registry).UpdateNamespace(request))
    assert refused.reason == "INVALID_REQUEST"
    assert problem in refused.violations["namespace.admission.trusted_jwks"]


async def test_a_mask_that_names_nothing_is_refused(registry: ServedRegistry) -> None:
    request = pb.UpdateNamespaceRequest(namespace=pb.Namespace(name=FINANCE))
    assert "update_mask" in (await refusal(stub(registry).UpdateNamespace(request))).violations
    request.update_mask.paths.append("etag")
    assert "update_mask.paths[0]" in (await refusal(stub(registry).UpdateNamespace(request))).violations


# Who may


@pytest.mark.parametrize("name", ["finance", "nobody"])
async def test_another_namespace_is_not_to_be_changed_used_or_not(registry: ServedRegistry, name: str) -> None:
    await registry.register()
    request = pb.UpdateNamespaceRequest(namespace=pb.Namespace(name=f"namespaces/{name}", review_required=True))
    refused = await refusal(stub(registry, TRAVEL_OWNER).UpdateNamespace(request))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    assert refused.metadata["needed"] == f"role platform-admin, or namespace-owner of {name}"


async def test_an_owner_tightens_and_takes_its_own_tightening_back(registry: ServedRegistry) -> None:
    strict = await update(
        registry,
        FINANCE_OWNER,
        review_required=True,
        admission=pb.AdmissionPolicy(
            least_verdict=card_pb2.CARD_VERDICT_VALID, refused_findings=[card_pb2.FINDING_KIND_SECRET]
        ),
    )
    assert strict.review_required
    back = await update(registry, FINANCE_OWNER, "review_required", "admission")
    assert not back.review_required
    assert back.admission.least_verdict == card_pb2.CARD_VERDICT_UPCONVERTED


async def test_an_owner_undoes_nothing_a_platform_admin_asked_and_is_told_all_of_it(registry: ServedRegistry) -> None:
    asked = await update(
        registry,
        review_required=True,
        admission=pb.AdmissionPolicy(
            signatures=pb.SIGNATURE_REQUIREMENT_VERIFIED, trusted_jwks=json.dumps({"keys": [KEY]})
        ),
    )
    request = pb.UpdateNamespaceRequest(
        namespace=pb.Namespace(
            name=FINANCE, admission=pb.AdmissionPolicy(least_verdict=card_pb2.CARD_VERDICT_NONCONFORMANT)
        )
    )
    request.update_mask.paths.extend(["admission", "review_required"])
    refused = await refusal(stub(registry, FINANCE_OWNER).UpdateNamespace(request))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    for field in ("least_verdict", "signatures", "trusted_jwks"):
        assert f"admission.{field}" in refused.metadata["action"]
    assert "review_required" in refused.metadata["action"]
    assert await got(registry) == asked


async def test_an_owner_never_pins_keys_of_its_own(registry: ServedRegistry) -> None:
    keys = pb.AdmissionPolicy(trusted_jwks=json.dumps({"keys": [KEY]}))
    request = pb.UpdateNamespaceRequest(namespace=pb.Namespace(name=FINANCE, admission=keys))
    refused = await refusal(stub(registry, FINANCE_OWNER).UpdateNamespace(request))
    assert "admission.trusted_jwks" in refused.metadata["action"]


async def test_an_owner_shows_its_namespace_until_a_platform_admin_says_who_may_see_it(
    registry: ServedRegistry,
) -> None:
    shown = await update(registry, FINANCE_OWNER, visibility=pb.VISIBILITY_PUBLIC)
    assert shown.visibility == pb.VISIBILITY_PUBLIC
    await update(registry, visibility=pb.VISIBILITY_ENTITLED, entitled_namespaces=["namespaces/travel"])
    for wider in (
        pb.Namespace(name=FINANCE, visibility=pb.VISIBILITY_PUBLIC),
        pb.Namespace(name=FINANCE, entitled_namespaces=["namespaces/travel", "namespaces/health"]),
    ):
        request = pb.UpdateNamespaceRequest(namespace=wider)
        refused = await refusal(stub(registry, FINANCE_OWNER).UpdateNamespace(request))
        assert "visibility" in refused.metadata["action"]
    narrower = await update(registry, FINANCE_OWNER, visibility=pb.VISIBILITY_PRIVATE)
    assert narrower.visibility == pb.VISIBILITY_PRIVATE
    await update(registry, OPERATOR, "visibility")
    assert (await update(registry, FINANCE_OWNER, visibility=pb.VISIBILITY_PUBLIC)).visibility == pb.VISIBILITY_PUBLIC


async def test_what_was_set_is_there_after_a_restart(tmp_path: Path) -> None:
    async with served_registry(tmp_path) as registry:
        await registry.register()
        before = await update(registry, review_required=True, visibility=pb.VISIBILITY_PUBLIC)
    async with served_registry(tmp_path) as registry:
        assert await got(registry, caller=TRAVEL_OWNER) == before
        assert await names(registry, TRAVEL_OWNER) == ["finance"]
