"""Methods on the HTTP port: who is let in, what is read, how a failure looks, and what comes back whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import Millis
from ringfence_kit.errors import (
    EtagMismatch,
    Failure,
    InvalidRequest,
    MalformedMessage,
    MessageTooLarge,
    NotPermitted,
    Unauthenticated,
    Unavailable,
    Violation,
)
from ringfence_kit.grants import Grant, Grants, MethodClass
from ringfence_kit.http_methods import HttpCall, HttpMethod, refusal
from ringfence_kit.server_config import DeadlinesConfig, QuotasConfig
from ringfence_kit.service import HttpFace, Service
from starlette.responses import JSONResponse, Response
from support.serving import OPERATOR, Mesh, server_config, serving

GATEWAY = Caller(principal="gateway", roles=frozenset({Role.GATEWAY}))
AUDITOR = Caller(principal="audrey", roles=frozenset({Role.AUDITOR}))

EVIDENCE = Grant.to(Role.GATEWAY, does=MethodClass.INGEST)


async def echo(call: HttpCall) -> Response:
    """Say what arrived; some words do something else."""
    if call.body == b"wait":
        await asyncio.Event().wait()
    if call.body == b"break":
        raise ZeroDivisionError("a mistake of ours")
    if call.body == b"refuse":
        raise InvalidRequest(Violation("body", "is refused"))
    return JSONResponse({"caller": call.caller.principal, "body": call.body.decode(), "path": dict(call.path)})


def service() -> Service:
    grant = Grant.to(Role.GATEWAY, Role.PLATFORM_ADMIN, does=MethodClass.DECIDE)
    return Service(
        name="echo",
        listeners=[],
        grants=Grants({}),
        http=HttpFace(
            address="127.0.0.1:0",
            setting="echo.http_listen",
            methods=[
                HttpMethod("/{where}/echo", "echo", grant, echo, 1_000),
                HttpMethod("/{where}/take", "take", EVIDENCE, echo, 1_000),
            ],
        ),
    )


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    config = replace(
        server_config(tmp_path),
        deadlines=DeadlinesConfig(decide=Millis(300), ingest=Millis(200)),
        quotas=QuotasConfig(decide_per_second=1, decide_burst=12, refused_per_second=1, refused_burst=5),
    )
    async with serving(service(), config=config) as running:
        yield running


async def post(
    mesh: Mesh, body: bytes = b"hello", caller: Caller = GATEWAY, path: str = "/dev/echo", **headers: str
) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://{mesh.address('echo.http_listen')}") as client:
        return await client.post(path, content=body, headers={**dict(mesh.metadata(caller)), **headers})


def reason(response: httpx.Response) -> str:
    return str(response.json()["error"]["reason"])


async def test_a_caller_is_who_its_token_says(mesh: Mesh) -> None:
    for caller, principal in ((GATEWAY, "test:gateway"), (OPERATOR, OPERATOR.principal)):
        answer = (await post(mesh, caller=caller)).json()
        assert answer == {"caller": principal, "body": "hello", "path": {"where": "dev"}}


async def test_who_is_not_known_or_not_granted_is_refused_before_the_body_is_read(mesh: Mesh) -> None:
    for caller, status in ((ANONYMOUS, 401), (AUDITOR, 403)):
        response = await post(mesh, b"x" * 5_000, caller=caller)
        assert response.status_code == status
    assert (await post(mesh, caller=ANONYMOUS)).headers["www-authenticate"] == "Bearer"


async def test_a_body_is_bounded(mesh: Mesh) -> None:
    assert (await post(mesh, b"x" * 1_000)).status_code == 200
    response = await post(mesh, b"x" * 1_001)
    assert (response.status_code, reason(response)) == (413, "MESSAGE_TOO_LARGE")


@pytest.mark.parametrize(("path", "limit"), [("/dev/echo", 300), ("/dev/take", 200)])
async def test_a_call_has_the_deadline_of_its_methods_class(mesh: Mesh, path: str, limit: int) -> None:
    response = await post(mesh, b"wait", path=path)
    assert (response.status_code, reason(response)) == (504, "DEADLINE_EXCEEDED")
    assert str(limit) in response.json()["error"]["message"]


async def test_a_mistake_of_ours_is_told_by_a_reference_only(mesh: Mesh) -> None:
    response = await post(mesh, b"break")
    assert (response.status_code, reason(response)) == (500, "INTERNAL")
    assert "ZeroDivisionError" not in response.text


async def test_what_is_wrong_is_told_by_field(mesh: Mesh) -> None:
    response = await post(mesh, b"refuse")
    assert response.status_code == 400
    assert response.json()["error"]["violations"] == [{"field": "body", "problem": "is refused"}]


async def test_quotas_hold_here_too(mesh: Mesh) -> None:
    answers = [await post(mesh) for _ in range(14)]
    refused = next(answer for answer in answers if answer.status_code != 200)
    assert (refused.status_code, reason(refused)) == (429, "QUOTA_EXCEEDED")
    assert int(refused.headers["retry-after"]) >= 1


async def test_an_address_that_guesses_is_not_heard_for_a_while(mesh: Mesh) -> None:
    answers = [await post(mesh, caller=ANONYMOUS, authorization="Bearer guess") for _ in range(7)]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    assert answers[-1].status_code == 429


@pytest.mark.parametrize(("sent", "usable"), [("abc-1", True), ("a b", False), ("x" * 200, False), ("", False)])
async def test_a_request_id_comes_back_on_every_answer(mesh: Mesh, sent: str, usable: bool) -> None:
    headers: dict[str, Any] = {"x-request-id": sent} if sent else {}
    for caller in (GATEWAY, ANONYMOUS):
        told = (await post(mesh, caller=caller, **headers)).headers["x-request-id"]
        assert (told == sent) is usable
        assert told


async def test_only_post_is_served(mesh: Mesh) -> None:
    async with httpx.AsyncClient(base_url=f"http://{mesh.address('echo.http_listen')}") as client:
        assert (await client.get("/dev/echo", headers=dict(mesh.metadata(GATEWAY)))).status_code == 405


async def test_calls_are_counted(mesh: Mesh) -> None:
    await post(mesh)
    await post(mesh, b"refuse")
    sample: Any = mesh.metrics.registry.get_sample_value
    assert sample("ringfence_calls_total", {"service": "echo", "method": "echo", "code": "OK"}) == 1
    assert sample("ringfence_refusals_total", {"service": "echo", "reason": "INVALID_REQUEST"}) == 1


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (InvalidRequest(Violation("a", "b")), 400),
        (MalformedMessage(method="m", problem="p"), 400),
        (MessageTooLarge(size_bytes=2, limit_bytes=1), 413),
        (Unauthenticated(problem="p"), 401),
        (NotPermitted(principal="p", action="a", needed="n"), 403),
        (EtagMismatch(name="n", expected="a", current="b"), 409),
        (Unavailable(problem="p"), 503),
    ],
)
def test_each_kind_of_failure_has_its_status(failure: Failure, status: int) -> None:
    assert refusal(failure).status_code == status
