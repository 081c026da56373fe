"""Agents as they are out there report their work: published SDKs and instrumentations, alone and on top of each other.

What their models used is known, because the provider is ours: totals are held against that, to the token.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence_telemetry.config import IngestConfig
from support.senders.javascript_sender import javascript_agent
from support.senders.model_provider import ModelProvider, Said, model_provider
from support.telemetry.mesh import AGENT, AGENT_DID, TelemetryMesh, quiet, telemetry_mesh

TESTS = Path(__file__).parents[2]

either_port = pytest.mark.parametrize("port", ["telemetry.otlp_listen", "telemetry.fast_listen"])

OPENAI_MODELS = ("large", "small", "flaky", "embedder")


@pytest.fixture(params=["telemetry.otlp_listen"])
def port(request: pytest.FixtureRequest) -> str:
    """Return the setting of the port that is sent to; some tests name others."""
    return str(request.param)


@pytest.fixture
async def telemetry(tmp_path: Path, port: str) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, port=port) as running:
        yield running


@pytest.fixture
def provider() -> Iterator[ModelProvider]:
    with model_provider() as running:
        yield running


async def run_agent(telemetry: TelemetryMesh, folder: Path, *stack: str, **places: str) -> None:
    token = folder / "agent.token"
    token.write_text(telemetry.mesh.token(AGENT))
    asked = {
        "agent": AGENT_DID,
        "session": "s-1",
        "otlp": telemetry.mesh.address(telemetry.port),
        "token_file": str(token),
        "stack": stack,
        **places,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "support.senders.agent",
        json.dumps(asked),
        env={**os.environ, "PYTHONPATH": str(TESTS), "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"},
    )
    assert await process.wait() == 0


async def used_by_model(telemetry: TelemetryMesh) -> dict[str, Said]:
    """Return what each model used, as telemetry counted it for the agent; rows without usage are left out."""
    await telemetry.everything_counted()
    answer = await telemetry.usage().GetUsage(pb.GetUsageRequest(group_by=[pb.USAGE_GROUP_AGENT, pb.USAGE_GROUP_MODEL]))
    assert {(row.agent, row.untrusted) for row in answer.rows} == {(AGENT_DID, False)}
    return {
        row.model: Said(
            input=row.input_tokens,
            output=row.output_tokens,
            cache_read=row.cache_read_tokens,
            cache_write=row.cache_write_tokens,
            reasoning=row.reasoning_tokens,
        )
        for row in answer.rows
        if row.input_tokens or row.output_tokens
    }


@either_port
@pytest.mark.parametrize(
    ("stack", "silent"),
    [
        (("openai-v2",), ("cache_read", "reasoning")),
        (("openinference-openai",), ()),
        (("openllmetry-openai",), ("reasoning",)),  # of streamed answers
        (("openai-v2", "openinference-openai"), ()),
        (("openinference-openai", "openai-v2", "openllmetry-openai", "stock"), ()),
    ],
    ids="+".join,
)
async def test_totals_are_the_providers_to_the_token(
    telemetry: TelemetryMesh, provider: ModelProvider, tmp_path: Path, stack: tuple[str, ...], silent: tuple[str, ...]
) -> None:
    """`silent` are the kinds of tokens an instrumentation does not tell, whatever its provider said."""
    await run_agent(telemetry, tmp_path, *stack, openai=provider.openai)
    assert provider.failures["flaky"] == 1
    expected = {model: provider.total(model) for model in OPENAI_MODELS}
    found = await used_by_model(telemetry)
    assert without(silent, found) == without(silent, expected)
    assert (found == expected) is (not silent)


def without(kinds: tuple[str, ...], used: dict[str, Said]) -> dict[str, Said]:
    return {model: replace(said, **dict.fromkeys(kinds, 0)) for model, said in used.items()}


async def test_a_dialect_that_leaves_out_what_was_cached_is_completed(
    telemetry: TelemetryMesh, provider: ModelProvider, tmp_path: Path
) -> None:
    """Anthropic counts what was cached beside the input; the total is the whole all the same."""
    await run_agent(telemetry, tmp_path, "openinference-anthropic", anthropic=provider.anthropic)
    assert await used_by_model(telemetry) == {"writer": provider.total("writer")}


async def test_two_providers_in_one_piece_of_work(
    telemetry: TelemetryMesh, provider: ModelProvider, tmp_path: Path
) -> None:
    await run_agent(
        telemetry,
        tmp_path,
        "openinference-anthropic",
        "openai-v2",
        anthropic=provider.anthropic,
        openai=provider.openai,
    )
    expected = {model: provider.total(model) for model in ("writer", *OPENAI_MODELS)}
    silent = ("cache_read", "reasoning")
    assert without(silent, await used_by_model(telemetry)) == without(silent, expected)
    assert (await telemetry.usage_by_agent())[AGENT_DID, False].tool_call_count == 1


@either_port
async def test_an_agent_in_javascript(telemetry: TelemetryMesh) -> None:
    ended = await javascript_agent(
        address=telemetry.mesh.address(telemetry.port),
        token=telemetry.mesh.token(AGENT),
        agent=AGENT_DID,
        session="s-1",
        rounds=1_000,
    )
    assert ended == {"ended": 3_000, "failed": 0}
    assert await used_by_model(telemetry) == {"example-model-1": Said(input=130_000, output=13_000)}
    metrics = await telemetry.metrics()
    assert metrics['otlp_acknowledged_items_total{signal="traces"}'] == 3_000


@either_port
async def test_what_is_refused_is_what_the_sender_could_not_send(tmp_path: Path, port: str) -> None:
    """A disk without room: this SDK does not send again what is refused, so both sides count the same."""
    config = quiet(ingest=IngestConfig(free_bytes=2**60))
    async with telemetry_mesh(tmp_path, config=config, port=port) as telemetry:
        ended = await javascript_agent(
            address=telemetry.mesh.address(telemetry.port),
            token=telemetry.mesh.token(AGENT),
            agent=AGENT_DID,
            session="s-1",
            rounds=100,
        )
        metrics = await telemetry.metrics()
    terms = ("received", "acknowledged", "refused", "rejected")
    counted = {term: metrics[f'otlp_{term}_items_total{{signal="traces"}}'] for term in terms}
    assert ended["ended"] == 300
    assert ended["failed"] > 0
    assert counted == {"received": 300, "acknowledged": 0, "refused": 300, "rejected": 0}
