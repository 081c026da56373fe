"""The HTTP port: what it says about the service, and how it stops."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit.readiness import Readiness
from ringfence_kit.service import HttpFace
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from support.echo import NAME, Echo, echo_service
from support.serving import Mesh, server_config, serving
from support.wire import refusal, text_method


async def get(mesh: Mesh, path: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://{mesh.address('echo.http_listen')}{path}")


async def test_alive_and_ready(tmp_path: Path) -> None:
    readiness = Readiness()
    readiness.require("store")
    async with serving(echo_service(Echo(), readiness=readiness), config=server_config(tmp_path)) as mesh:
        assert (await get(mesh, "/healthz")).status_code == 200
        waiting = await get(mesh, "/readyz")
        assert waiting.status_code == 503
        assert waiting.json() == {"ready": False, "unmet": {"store": "not reached yet"}, "impaired": {}}
        assert 'ringfence_ready{service="echo"} 0.0' in (await get(mesh, "/metrics")).text
        readiness.met("store")
        assert (await get(mesh, "/readyz")).json() == {"ready": True, "unmet": {}, "impaired": {}}
        assert 'ringfence_ready{service="echo"} 1.0' in (await get(mesh, "/metrics")).text


async def test_what_is_impaired_is_told_and_nobody_is_turned_away(tmp_path: Path) -> None:
    readiness = Readiness()
    async with serving(echo_service(Echo(), readiness=readiness), config=server_config(tmp_path)) as mesh:
        readiness.impair("identity feed", why="cut")
        found = await get(mesh, "/readyz")
        assert (found.status_code, found.json()["impaired"]) == (200, {"identity feed": "cut"})
        assert 'ringfence_ready{service="echo"} 1.0' in (await get(mesh, "/metrics")).text
        readiness.repaired("identity feed")
        assert (await get(mesh, "/readyz")).json()["impaired"] == {}


async def test_metrics_count_calls_by_method_code_and_reason(tmp_path: Path) -> None:
    echo = Echo()
    async with serving(echo_service(echo), config=server_config(tmp_path)) as mesh:
        await text_method(mesh.channel(), "Say")(StringValue())
        await refusal(text_method(mesh.channel(), "Fail")(StringValue()))
        hanging = text_method(mesh.channel(), "Hang")(StringValue())
        await echo.hanging.wait()
        text = (await get(mesh, "/metrics")).text
        hanging.cancel()
        await echo.cancelled.wait()
    for line in (
        f'ringfence_calls_total{{code="OK",method="{NAME}/Say",service="echo"}} 1.0',
        f'ringfence_calls_total{{code="INTERNAL",method="{NAME}/Fail",service="echo"}} 1.0',
        'ringfence_refusals_total{reason="INTERNAL",service="echo"} 1.0',
        f'ringfence_call_seconds_count{{method="{NAME}/Say",service="echo"}} 1.0',
        'ringfence_calls_in_flight{service="echo"} 1.0',
        "process_resident_memory_bytes",
    ):
        assert line in text


async def test_open_streams_are_counted(tmp_path: Path) -> None:
    echo = Echo()
    async with serving(echo_service(echo), config=server_config(tmp_path)) as mesh:
        watch: Any = mesh.channel().unary_stream(f"/{NAME}/Watch")
        watching = watch(b"")
        await watching.read()
        line = f'ringfence_streams_open{{method="{NAME}/Watch",service="echo"}}'
        assert f"{line} 1.0" in (await get(mesh, "/metrics")).text
        echo.released.set()
        await watching.read()
        assert f"{line} 0.0" in (await get(mesh, "/metrics")).text


async def test_a_services_own_documents(tmp_path: Path) -> None:
    async def document(_request: Request) -> Response:
        return PlainTextResponse("a card")

    face = HttpFace(address="", setting="echo.http_listen", routes=[Route("/card", document)])
    async with serving(echo_service(Echo(), http=face), config=server_config(tmp_path)) as mesh:
        assert (await get(mesh, "/card")).text == "a card"
        assert (await get(mesh, "/none")).status_code == 404
        assert "server" not in (await get(mesh, "/card")).headers


async def test_a_document_that_cannot_be_made_is_500_and_no_more(tmp_path: Path) -> None:
    async def broken(_request: Request) -> Response:
        raise RuntimeError("s3cret")

    face = HttpFace(address="", setting="echo.http_listen", routes=[Route("/card", broken)])
    async with serving(echo_service(Echo(), http=face), config=server_config(tmp_path)) as mesh:
        answer = await get(mesh, "/card")
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")


async def test_a_request_in_progress_is_answered_before_the_end(tmp_path: Path) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request) -> Response:
        asked.set()
        await may_answer.wait()
        return PlainTextResponse("late")

    face = HttpFace(address="", setting="echo.http_listen", routes=[Route("/slow", slow)])
    running = serving(echo_service(Echo(), http=face), config=server_config(tmp_path))
    mesh = await running.__aenter__()
    answer = asyncio.create_task(get(mesh, "/slow"))
    await asked.wait()
    ending = asyncio.ensure_future(running.__aexit__(None, None, None))
    may_answer.set()
    assert (await answer).text == "late"
    await ending
