"""Three agents in processes of their own, each with another instrumentation: planner → researcher → writer."""

import asyncio
import json
import os
import sys
import urllib.error
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from support.mesh.ports import free_ports
from support.senders.chain_agent import send
from support.senders.model_provider import ModelProvider

TESTS = Path(__file__).parents[2]

CHAIN = ("planner", "researcher", "writer")
MODELS: Mapping[str, str] = {"planner": "large", "researcher": "small", "writer": "eloquent"}
TEAMS: Mapping[str, str] = {"planner": "sales", "researcher": "research", "writer": "press"}
STACKS: Mapping[str, tuple[str, ...]] = {
    "planner": ("openai-v2", "openinference-openai"),
    "researcher": ("openinference-openai",),
    "writer": ("openinference-anthropic",),
}


@dataclass(frozen=True, slots=True)
class Chain:
    """The running agents."""

    url: str
    """Where the first one takes messages."""

    async def ask(self, *, session: str = "", fails: str = "") -> str:
        """Give the chain a piece of work, in which one agent `fails`; return its trace, empty when it failed."""
        message = {"metadata": {}, "session": session, "fails": fails}
        try:
            return await asyncio.to_thread(send, self.url, message)
        except urllib.error.HTTPError:
            return ""


@asynccontextmanager
async def running_chain(
    agents: Mapping[str, str], *, otlp: str, token_file: Path, provider: ModelProvider
) -> AsyncIterator[Chain]:
    """Run the chain inside the block; `agents` says who they are in the mesh. They report with one credential."""
    ports = dict(zip(CHAIN, free_ports(len(CHAIN)), strict=True))
    async with AsyncExitStack() as ending:
        started = []
        for name, after in zip_longest(CHAIN, CHAIN[1:]):
            asked = {
                "name": name,
                "agent": agents[name],
                "team": TEAMS[name],
                "port": ports[name],
                "otlp": otlp,
                "token_file": str(token_file),
                "stack": STACKS[name],
                "model": MODELS[name],
                "next": _url(ports[after]) if after else "",
                "next_agent": agents.get(after, ""),
                **({"anthropic": provider.anthropic} if name == "writer" else {"openai": provider.openai}),
            }
            started.append(await ending.enter_async_context(_started(asked)))
        for process in started:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        yield Chain(_url(ports[CHAIN[0]]))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/"


@asynccontextmanager
async def _started(asked: dict[str, Any]) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "support.senders.chain_agent",
        json.dumps(asked),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()
