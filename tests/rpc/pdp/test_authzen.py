"""AuthZEN 1.0 over HTTP: what the standard asks of a decision point, and what nobody gets through this door either."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from support.pdp.served import ANALYST, ANALYST_DID, ServedPdp, served_pdp
from support.serving import OPERATOR

pytestmark = pytest.mark.asyncio(loop_scope="module")

GATEWAY = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}), agents=frozenset({ANALYST}))
UNBOUND = Caller(principal="gateway-2", roles=frozenset({Role.GATEWAY}))
APPROVER = Caller(principal="ada", roles=frozenset({Role.APPROVER}))
ITSELF = Caller(principal=ANALYST_DID, roles=frozenset({Role.AGENT}), environment="dev")

ORDERS = {"type": "table", "id": "orders", "properties": {"labels": {"secret": "no"}}}
READ: dict[str, Any] = {
    "subject": {"type": "agent", "id": ANALYST_DID},
    "action": {"name": "read_table"},
    "resource": ORDERS,
    "context": {"environment": "dev"},
}
SECRET: dict[str, Any] = {"resource": {"type": "table", "id": "orders", "properties": {"labels": {"secret": "yes"}}}}
DELETE: dict[str, Any] = {"action": {"name": "delete_table"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pdp(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedPdp]:
    async with served_pdp(tmp_path_factory.mktemp("pdp")) as served:
        await served.push()
        yield served


async def post(
    pdp: ServedPdp, path: str, body: Any, *, caller: Caller = GATEWAY, headers: dict[str, str] | None = None
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json", **dict(pdp.mesh.metadata(caller)), **(headers or {})}
    async with httpx.AsyncClient(base_url=f"http://{pdp.mesh.address('pdp.http_listen')}") as client:
        return await client.post(path, content=content, headers=sent)


async def evaluate(pdp: ServedPdp, caller: Caller = GATEWAY, **changed: Any) -> dict[str, Any]:
    response = await post(pdp, "/access/v1/evaluation", {**READ, **changed}, caller=caller)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def evaluate_row(pdp: ServedPdp, *items: Any, semantic: str = "", **changed: Any) -> list[dict[str, Any]]:
    options = {"options": {"evaluations_semantic": semantic}} if semantic else {}
    response = await post(pdp, "/access/v1/evaluations", {**READ, **changed, **options, "evaluations": list(items)})
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()["evaluations"]
    return answers


async def test_a_permitted_action_is_true_with_what_it_stands_on(pdp: ServedPdp) -> None:
    answer = await evaluate(pdp)
    assert answer["decision"] is True
    said = answer["context"]
    assert (said["reason"], said["effective_ring"], said["trust_score"], said["rules"]) == (
        "ALLOWED",
        2,
        500,
        ["house/read"],
    )
    assert said["policy_version"].startswith("sha256-")
    await pdp.around.telemetry.logged(said["decision_id"])


async def test_a_denial_is_false_with_its_reason(pdp: ServedPdp) -> None:
    answer = await evaluate(pdp, **SECRET)
    assert answer["decision"] is False
    assert (answer["context"]["reason"], answer["context"]["rule_reason"]) == ("RULE_DENIED", "SECRET")


async def test_what_needs_approval_is_false_and_says_what_to_ask_for(pdp: ServedPdp) -> None:
    answer = await evaluate(pdp, **DELETE)
    assert answer["decision"] is False
    assert answer["context"]["reason"] == "APPROVAL_REQUIRED"
    asked = answer["context"]["access_request"]
    assert asked["template"] == {"min_approvals": 2, "approver_groups": ["group:oncall"]}


async def test_it_decides_as_check_does(pdp: ServedPdp) -> None:
    native = await pdp.check(GATEWAY, action="write_table")
    said = (await evaluate(pdp, action={"name": "write_table"}))["context"]
    assert (said["message"], said["epoch"], said["policy_version"]) == (
        native.message,
        native.epoch,
        native.bundle_digest,
    )


async def test_what_is_said_of_a_subject_stands_in_for_no_fact(pdp: ServedPdp) -> None:
    forged = {"ring": 0, "trust": 1_000, "status": "active"}
    subject = {"type": "agent", "id": ANALYST_DID, "properties": forged}
    answer = await evaluate(pdp, subject=subject, context={"environment": "dev", "agent": forged, "ring": 0})
    assert answer["context"]["effective_ring"] == 2


async def test_members_nobody_knows_are_left_alone(pdp: ServedPdp) -> None:
    assert (await evaluate(pdp, unknown={"x": 1}))["decision"] is True


MISSING: dict[str, tuple[Any, set[str]]] = {
    "everything": ({}, {"subject", "action", "resource"}),
    "subject": ({k: v for k, v in READ.items() if k != "subject"}, {"subject"}),
    "members": (
        {**READ, "subject": {}, "action": {}, "resource": {"type": "a"}},
        {"subject.type", "subject.id", "action.name", "resource.id"},
    ),
    "types": ({**READ, "subject": "ada", "context": []}, {"subject", "context"}),
    "texts": ({**READ, "action": {"name": 3}}, {"action.name"}),
    "properties": ({**READ, "resource": {"type": "a", "id": "b", "properties": []}}, {"resource.properties"}),
    "an array": ([], {"body"}),
    "no JSON": (b"{", {"body"}),
    "a duplicate key": (json.dumps(READ).encode()[:-1] + b',"action":{"name":"x"}}', {"body"}),
    "500-deep JSON": (b"[" * 500, {"body"}),
    "an action of another shape": ({**READ, "action": {"name": "Delete Everything"}}, {"action.name"}),
    "a chain that is no list": ({**READ, "context": {"environment": "dev", "chain": "x"}}, {"context.chain"}),
    "side effects nobody knows": (
        {**READ, "action": {"name": "read_a", "properties": {"side_effects": "none"}}},
        {"action.properties.side_effects"},
    ),
}


@pytest.mark.parametrize("what", sorted(MISSING))
async def test_what_is_missing_or_wrong_is_said_by_field(pdp: ServedPdp, what: str) -> None:
    body, fields = MISSING[what]
    response = await post(pdp, "/access/v1/evaluation", body)
    error = response.json()["error"]
    assert (response.status_code, error["reason"]) == (400, "INVALID_REQUEST")
    assert {violation["field"] for violation in error["violations"]} == fields


async def test_only_json_is_taken(pdp: ServedPdp) -> None:
    response = await post(pdp, "/access/v1/evaluation", READ, headers={"content-type": "text/plain"})
    assert response.status_code == 400


async def test_a_body_past_the_limit_is_refused(pdp: ServedPdp) -> None:
    response = await post(pdp, "/access/v1/evaluation", b" " * ((1 << 20) + 1))
    assert (response.status_code, response.json()["error"]["reason"]) == (413, "MESSAGE_TOO_LARGE")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"subject": {"type": "user", "id": "alice"}}, "AGENT_UNKNOWN"),
        ({"context": {}}, "REQUEST_INVALID"),
        ({"context": {"environment": "prod"}}, "ENVIRONMENT_MISMATCH"),
    ],
)
async def test_a_question_nobody_can_answer_is_denied(pdp: ServedPdp, changed: Any, reason: str) -> None:
    answer = await evaluate(pdp, **changed)
    assert (answer["decision"], answer["context"]["reason"]) == (False, reason)


# Who may ask


@pytest.mark.parametrize("path", ["/access/v1/evaluation", "/access/v1/evaluations", "/dev/access/v1/evaluation"])
async def test_nobody_is_answered_without_a_token(pdp: ServedPdp, path: str) -> None:
    response = await post(pdp, path, READ, caller=ANONYMOUS)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    for header in ("Bearer nonsense", "Basic YTpi", "Bearer"):
        refused = await post(pdp, path, READ, caller=ANONYMOUS, headers={"authorization": header})
        assert refused.status_code == 401


async def test_two_authorization_headers_are_none(pdp: ServedPdp) -> None:
    token = pdp.mesh.token(GATEWAY)
    async with httpx.AsyncClient(base_url=f"http://{pdp.mesh.address('pdp.http_listen')}") as client:
        headers = [("authorization", f"Bearer {token}")] * 2 + [("content-type", "application/json")]
        response = await client.post("/access/v1/evaluation", content=json.dumps(READ), headers=headers)
    assert response.status_code == 401


async def test_who_may_not_check_may_not_evaluate(pdp: ServedPdp) -> None:
    assert (await post(pdp, "/access/v1/evaluation", READ, caller=APPROVER)).status_code == 403


async def test_a_stranger_learns_nothing(pdp: ServedPdp) -> None:
    response = await post(pdp, "/access/v1/evaluation", READ, caller=UNBOUND)
    assert (response.status_code, response.json()["error"]["reason"]) == (403, "NOT_PERMITTED")
    assert (await evaluate(pdp, OPERATOR))["decision"] is True


async def test_an_agent_asks_where_its_token_is_good(pdp: ServedPdp) -> None:
    assert (await evaluate(pdp, ITSELF, context={}))["decision"] is True
    assert (await evaluate(pdp, ITSELF, context={"environment": "prod"}))["decision"] is True


async def test_the_path_says_where_an_enforcement_point_stands(pdp: ServedPdp) -> None:
    for environment, expected in (("dev", True), ("prod", False)):
        response = await post(pdp, f"/{environment}/access/v1/evaluation", READ)
        assert response.json()["decision"] is expected


async def test_the_request_id_comes_back(pdp: ServedPdp) -> None:
    for caller in (GATEWAY, ANONYMOUS):
        response = await post(pdp, "/access/v1/evaluation", READ, caller=caller, headers={"x-request-id": "abc-1"})
        assert response.headers["x-request-id"] == "abc-1"
    assert (await post(pdp, "/access/v1/evaluation", READ)).headers["x-request-id"]


# Rows of questions


async def test_a_row_is_what_its_items_are_alone(pdp: ServedPdp) -> None:
    row = await evaluate_row(pdp, {}, SECRET, DELETE)
    assert [one["context"]["reason"] for one in row] == ["ALLOWED", "RULE_DENIED", "APPROVAL_REQUIRED"]


async def test_items_take_whole_parts_from_the_top(pdp: ServedPdp) -> None:
    row = await evaluate_row(pdp, {"resource": ORDERS}, {}, **SECRET)
    assert [one["decision"] for one in row] == [True, False]


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
async def test_a_row_ends_when_it_is_told_to_and_is_a_prefix_of_all(
    pdp: ServedPdp, semantic: str, expected: list[bool]
) -> None:
    row = await evaluate_row(pdp, {}, SECRET, {}, semantic=semantic)
    assert [one["decision"] for one in row] == expected


async def test_what_is_wrong_with_an_item_is_its_own_error(pdp: ServedPdp) -> None:
    row = await evaluate_row(pdp, {"action": {}}, {}, {"action": {"name": "Bad Name"}})
    assert [one["decision"] for one in row] == [False, True, False]
    assert [one["context"].get("error", {}).get("status") for one in row] == [400, None, 400]


async def test_no_row_is_a_single_question(pdp: ServedPdp) -> None:
    for body in (READ, {**READ, "evaluations": []}):
        assert (await post(pdp, "/access/v1/evaluations", body)).json()["decision"] is True


@pytest.mark.parametrize(
    "changed",
    [
        {"evaluations": {}},
        {"evaluations": [1]},
        {"evaluations": [{}] * 257},
        {"evaluations": [{}], "options": {"evaluations_semantic": "never"}},
        {"evaluations": [{}], "options": []},
        {"evaluations": [{}] * 256, "context": {"environment": "dev", "x": [0] * 300}},
    ],
)
async def test_a_row_that_is_none_is_refused(pdp: ServedPdp, changed: Any) -> None:
    assert (await post(pdp, "/access/v1/evaluations", {**READ, **changed})).status_code == 400


async def test_what_is_said_once_counts_for_each_item_that_takes_it(pdp: ServedPdp) -> None:
    """One body of 90 KB made four million values of it, and held up every other decision for six seconds."""
    large = {**READ, "context": {"environment": "dev", "x": [0] * 15_000}, "evaluations": [{}] * 256}
    refused = await post(pdp, "/access/v1/evaluations", large)
    assert "ask in several requests" in refused.json()["error"]["message"]
    own = {"context": {"environment": "dev"}}
    taken_once = {**large, "context": {"environment": "dev", "x": [0] * 300}, "evaluations": [{}, *[own] * 255]}
    row = (await post(pdp, "/access/v1/evaluations", taken_once)).json()["evaluations"]
    assert len(row) == 256


# The document


async def test_the_document_says_where_everything_is_whatever_host_is_claimed(pdp: ServedPdp) -> None:
    address = pdp.mesh.address("pdp.http_listen")
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        for path, base in (("", ""), ("/dev", "/dev")):
            headers = {"host": "evil.example", "x-forwarded-host": "evil.example"}
            response = await client.get(f"/.well-known/authzen-configuration{path}", headers=headers)
            assert response.json() == {
                "policy_decision_point": f"http://{address}{base}",
                "access_evaluation_endpoint": f"http://{address}{base}/access/v1/evaluation",
                "access_evaluations_endpoint": f"http://{address}{base}/access/v1/evaluations",
            }
